"""The program on conversations of our own making: bodies and messages are left out, and nothing that is reported changes.

What the decoder makes of the kernel's records must be what it makes of every byte: sizes, messages, marks.
"""

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from socket import create_connection, create_server, socket
from struct import pack

import pytest
from live_frames import CLIENT4, IPV4, SERVER4, ethernet, ipv4, tcp
from live_namespace import Namespace
from live_recording import WAIT_SECS, recording
from live_run import Run, loaded

from pipeline.decode import DecodeOptions, Decoder
from pipeline.decode.http2.frames import PREFACE
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import Exchange
from pipeline.model.events.websocket_message import WebsocketMessage
from pipeline.model.records import Record, Segment
from pipeline.sources.bpf.capture import FRAME_BYTES
from pipeline.sources.bpf.config import BpfConfig
from pipeline.testing.packets import Talk
from tests.unit.decode import websocket_talks as websocket
from tests.unit.http2.http2_support import body, frame, head, opened

ASK = ((":method", "POST"), (":scheme", "http"), (":authority", "example.com"), (":path", "/shop.Cart/Add"))
ANSWER = ((":status", "200"), ("content-type", "text/plain"))
GRPC = ("content-type", "application/grpc")
MAX_FRAME = 3000
"""The kernel refuses to be tried on much more."""
CONVERSATIONS = 25


def sent(segments: Sequence[Segment], port: int) -> list[bytes]:
    """The segments as frames, of a connection of its own."""
    client = segments[0].key
    found = []
    for each in segments:
        ports, ends = ((port, 80), (CLIENT4, SERVER4)) if each.key == client else ((80, port), (SERVER4, CLIENT4))
        packet = tcp(each.payload, flags=each.flags, seq=each.seq, ack=each.ack, ports=ports)
        found.append(ethernet(IPV4, ipv4(packet, ends=ends)))
    return found


def decoded(records: Sequence[Record]) -> tuple[list[tuple[object, ...]], Counter[str]]:
    """What is reported, but for times."""
    counts: Counter[str] = Counter()
    options = DecodeOptions(websocket_messages=True)
    decoder = Decoder(options, source="test", count=lambda name, by: counts.update({name: by}))
    events = [*decoder.feed(records), *decoder.finish()]
    assert not counts["decoder_internal_errors"]
    return sorted((told(each) for each in events), key=str), counts


def told(event: Event) -> tuple[object, ...]:
    """What the bytes of an event say."""
    if isinstance(event, WebsocketMessage):
        return (
            event.httpipe_websocket_sender, event.httpipe_websocket_sequence, event.httpipe_websocket_opcode,
            event.httpipe_websocket_size, event.httpipe_websocket_fragments, event.httpipe_websocket_close_code,
            event.httpipe_marks,
        )  # fmt: skip
    assert isinstance(event, Exchange)
    return (
        event.httpipe_stream_id, event.url_path, event.http_response_status_code, event.http_request_body_size,
        event.http_response_body_size, event.http_request_size, event.http_response_size, event.rpc_grpc_status_code,
        event.httpipe_rpc_request_messages, event.httpipe_rpc_response_messages, event.httpipe_rpc_response_message_bytes,
        event.httpipe_marks,
    )  # fmt: skip


def resegmented(said: Sequence[tuple[bool, bytes]], chance: random.Random) -> list[Segment]:
    """Both directions in segments of any size, which say nothing of where frames begin."""
    talk = opened(mss=MAX_FRAME)
    mss = chance.choice((1, 7, 100, 1448, MAX_FRAME)) if sum(len(data) for _, data in said) < 20_000 else MAX_FRAME
    for client, data in said:
        for at in range(0, len(data), mss):
            talk.send(data[at : at + mss], client=client)
    return talk.close().segments


def interleaved(parts: dict[int, list[bytes]], chance: random.Random) -> Iterator[bytes]:
    """Frames of streams, those of each in order."""
    while parts:
        stream = chance.choice(list(parts))
        yield parts[stream].pop(0)
        if not parts[stream]:
            del parts[stream]


def plain(stream: int, chance: random.Random) -> list[bytes]:
    """A body in DATA frames of any size, some of them padded, and perhaps trailers."""
    sizes = [chance.choice((0, 1, 100, 255, 256, 257, 1300, 1301, 4000, 16_384)) for _ in range(chance.randrange(6))]
    frames = [body(stream, chance.randbytes(size), padding=chance.choice((None, None, 0, 9))) for size in sizes]
    return [*frames, body(stream, b"", end=True)]


def messages(stream: int, chance: random.Random) -> list[bytes]:
    """Messages of gRPC, cut into DATA frames anywhere, and within prefixes too, but for the first one."""
    sizes = [chance.choice((0, 1, 20, 300, 2000, 30_000)) for _ in range(chance.randrange(1, 8))]
    data = b"".join(pack(">BI", chance.randrange(2), size) + chance.randbytes(size) for size in sizes)
    frames = []
    while data:
        size = chance.choice((3, 5, 50, 900, 8000, 16_384)) if frames else 5
        frames.append(body(stream, data[:size]))
        data = data[size:]
    return [*frames, body(stream, b"", end=True)]


def http2_talk(chance: random.Random) -> list[tuple[bool, bytes]]:
    """Both sides of some streams, interleaved."""
    said = []
    streams = range(1, chance.choice((3, 9, 41)), 2)
    of_grpc = chance.random() < 0.5
    asks = {number: [head(number, (*ASK, GRPC) if of_grpc else ASK)] for number in streams}
    answers = {number: [head(number, (ANSWER[0], GRPC) if of_grpc else ANSWER)] for number in streams}
    for number in streams:
        asks[number] += (messages if of_grpc else plain)(number, chance)
        answers[number] += (messages if of_grpc else plain)(number, chance)
    client, server = list(interleaved(asks, chance)), list(interleaved(answers, chance))
    said.append((True, b"".join(client[: len(streams)])))
    client = client[len(streams) :]
    while client or server:
        for of_client, frames in ((True, client), (False, server)):
            some = chance.randrange(1, 6)
            said.append((of_client, b"".join(frames[:some]) + (frame(6, bytes(8)) if chance.random() < 0.2 else b"")))
            del frames[:some]
    return [(client, data) for client, data in said if data]


def test_http2_reports_the_same(run_once: Run) -> None:
    """Any frames in any segments: of records the same is reported as of all bytes, and little of bodies is copied."""
    total = copied = 0
    for seed in range(CONVERSATIONS):
        segments = resegmented(http2_talk(random.Random(seed)), random.Random(seed))
        run_once.unread(*sent(segments, 20_000 + seed))
        records = run_once.read()
        events, counts = decoded(records)
        expected, _ = decoded(segments)
        assert (seed, events) == (seed, expected)
        assert not counts["decoder_skipped_bytes"]
        total += sum(len(each.payload) for each in segments)
        copied += sum(len(each.payload) for each in records if isinstance(each, Segment))
    assert "frames_lost" not in run_once.counts
    assert copied < total * 0.6


@pytest.mark.parametrize("seed", range(8))
def test_http2_out_of_order(run_once: Run, seed: int) -> None:
    """Segments that come twice, or one behind the other, change nothing of it; the place is lost at times, and found."""
    chance = random.Random(seed)
    segments = resegmented(http2_talk(chance), chance)
    disturbed = list(segments)
    for _ in range(max(2, len(segments) // 20)):
        place = chance.randrange(6, len(disturbed) - 6)
        if chance.random() < 0.5:
            disturbed.insert(place + chance.randrange(1, 4), disturbed[place])
        elif disturbed[place].key == disturbed[place + 1].key:
            disturbed[place : place + 2] = disturbed[place + 1], disturbed[place]
    run_once.unread(*sent(disturbed, 21_000 + seed))
    events, _ = decoded(run_once.read())
    assert events == decoded(segments)[0]


@pytest.mark.parametrize("seed", range(8))
def test_http2_lost_segments(run_once: Run, seed: int) -> None:
    """Where segments are lost, what is reported without a mark is what was said."""
    chance = random.Random(seed)
    segments = resegmented(http2_talk(chance), chance)
    true = {event[0]: event for event in decoded(segments)[0]}
    left = [each for place, each in enumerate(segments) if place < 6 or chance.random() > 0.05]
    run_once.unread(*sent(left, 22_000 + seed))
    events, _ = decoded(run_once.read())
    unmarked = [event for event in events if not event[-1]]
    assert [event for event in unmarked if event != true[event[0]]] == []


def test_websocket_reports_the_same() -> None:
    """Frames of any kind and size in any segments, with the first one right behind the head or not."""
    with loaded(BpfConfig(loader="libbpf"), websockets=True) as run:
        for seed in range(CONVERSATIONS):
            chance = random.Random(seed)
            talk = Talk(mss=chance.choice((20, 1448, MAX_FRAME)))
            talk.client(websocket.ASK)
            talk.server(websocket.accepted() + (b"\x81\x05hello" if seed % 3 == 0 else b""))
            for _ in range(chance.randrange(20)):
                client, size = chance.random() < 0.5, chance.choice((0, 1, 125, 126, 500, 5000, 70_000))
                cut = chance.randrange(size + 1)
                data = chance.randbytes(size)
                (talk.client if client else talk.server)(
                    websocket.frame(websocket.BINARY, data[:cut], client=client, final=False)
                    + (websocket.frame(websocket.PING, b"?", client=client) if seed % 2 else b"")
                    + websocket.frame(websocket.CONTINUATION, data[cut:], client=client)
                )
            talk.server(websocket.frame(websocket.CLOSE, (1000).to_bytes(2, "big")))
            segments = talk.close().segments
            run.unread(*sent(segments, 23_000 + seed))
            records = run.read()
            events, counts = decoded(records)
            assert (seed, events) == (seed, decoded(segments)[0])
            assert not counts["decoder_skipped_bytes"]
            total = sum(len(each.payload) for each in segments)
            copied = sum(len(each.payload) for each in records if isinstance(each, Segment))
            assert seed % 3 == 0 or copied < max(total / 2, 30_000)
        assert "frames_lost" not in run.counts


def test_the_example_in_the_source(run_once: Run) -> None:
    """The segments and records that ``policy/frames.h`` shows as its example, number for number."""
    assert FRAME_BYTES == 64
    talk = opened(client_isn=999, server_isn=1981)
    told = len(talk.segments)
    answer = frame(1, bytes(100), flags=4, stream=1) + body(1, b"x" * 10_000)
    for at in range(0, len(answer), 1448):
        talk.send(answer[at : at + 1448], client=False)
    talk.send(body(1, b"", end=True), client=False)
    frames = sent(talk.segments, 24_000)
    run_once(*frames[:told])
    records = run_once(*frames[told:])
    assert [(each.seq, each.length, len(each.payload)) for each in records] == [
        (2000, 1448, 182),
        (3448, 8670, 0),
        (12_118, 9, 9),
    ]


@pytest.mark.anyio
async def test_more_frames_than_can_be_followed(namespace: Namespace) -> None:
    """Thousands of frames in a segment are copied, the place is lost and found: what comes behind them is left out again."""
    opening, large = PREFACE + frame(4) + frame(6, bytes(8)) * 20_000, 4_000_000
    ask = b"".join(head(number, ASK) + body(number, bytes([number]) * 10, end=True) for number in (1, 3))
    parts = [body(5, b"x" * 16_000, end=at == large - 16_000) for at in range(0, large, 16_000)]
    async with recording(BpfConfig(loader="libbpf"), namespace) as taken:
        with namespace.entered(), closing(create_server(("127.0.0.1", 0))) as listener:
            client = create_connection(listener.getsockname())
            server, _ = listener.accept()
            arrived = threading.Event()
            reader = threading.Thread(target=drain, args=(server, len(opening), arrived))
            reader.start()
            with closing(client):
                client.sendall(opening)
                arrived.wait(WAIT_SECS)
                for each in (ask, head(5, ASK), *parts):
                    client.sendall(each)
            reader.join()
        await taken.until(lambda taken: len(taken.exchanges) == 3)
    assert [each.http_request_body_size for each in taken.exchanges] == [10, 10, large]
    assert not taken.counts["decoder_skipped_bytes"]
    assert not taken.counts["decoder_lost_bytes"]
    assert taken.counts["frames_lost"]
    assert taken.counts["left_out_bytes"] > large / 2


def drain(peer: socket, expected: int, arrived: threading.Event) -> None:
    """Until its other end has said all; ``arrived`` once so many bytes are here."""
    with closing(peer):
        while data := peer.recv(1 << 20):
            expected -= len(data)
            if expected <= 0:
                arrived.set()
