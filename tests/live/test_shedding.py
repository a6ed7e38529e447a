"""A reader that is too slow: whole connections are left out, and what is reported stays true and complete."""

import time
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from struct import unpack

import anyio
import pytest
from live_frames import ACK, CLIENT4, FIN, IPV4, PSH, REQUEST, RESPONSE, SERVER4, SYN, ethernet, ipv4, tcp
from live_namespace import Namespace
from live_nginx import Serve
from live_run import Run, loaded

import pipeline.sources.bpf.capture as capture_module
from pipeline.api import Closed, Context, Event, Exchange, Record
from pipeline.decode import DecodeOptions, Decoder
from pipeline.sources.bpf.config import BpfConfig
from pipeline.sources.bpf.ring import Ring
from pipeline.sources.bpf.ring_libbpf import LibbpfRing
from pipeline.sources.bpf.source import BpfSource

SMALL = 524288
ROUNDS = 3
PORTS = range(1024, 1424)
WAIT_SECS = 20


def from_client(port: int, payload: bytes = b"", *, seq: int = 1000, flags: int = ACK | PSH, ack: int = 2000) -> bytes:
    """A segment of the client at this port."""
    return ethernet(IPV4, ipv4(tcp(payload, seq=seq, ack=ack, flags=flags, ports=(port, 80))))


def from_server(port: int, payload: bytes = b"", *, seq: int = 2000, flags: int = ACK | PSH, ack: int = 1000) -> bytes:
    """A segment of the server for it."""
    return ethernet(IPV4, ipv4(tcp(payload, seq=seq, ack=ack, flags=flags, ports=(80, port)), ends=(SERVER4, CLIENT4)))


def opened(port: int) -> list[bytes]:
    """The handshake."""
    return [from_client(port, seq=999, ack=0, flags=SYN), from_server(port, seq=1999, flags=SYN | ACK)]


def exchange(port: int, number: int) -> list[bytes]:
    """The connection's request of this number, counted from 0, and its response."""
    seq, ack = 1000 + number * len(REQUEST), 2000 + number * len(RESPONSE)
    return [
        from_client(port, REQUEST, seq=seq, ack=ack),
        from_server(port, RESPONSE, seq=ack, ack=seq + len(REQUEST)),
    ]


def client_port(record: Record) -> int:
    """Names the connection."""
    return max(unpack("!HH", record.key[-4:]))


def exchanges(events: Iterable[Event]) -> list[Exchange]:
    """They are nothing else."""
    return [event for event in events if isinstance(event, Exchange)]


@contextmanager
def overload(loader: str) -> Generator[Run, None, None]:
    """A ring that nobody has read while every connection had its exchanges: some are left out by now."""
    with loaded(BpfConfig(loader=loader, ring_bytes=SMALL)) as run:
        for port in PORTS:
            run.unread(*opened(port))
        for number in range(ROUNDS):
            for port in PORTS:
                run.unread(*exchange(port, number))
        yield run


@pytest.fixture
def overloaded(loader: str) -> Generator[Run, None, None]:
    """By either loader."""
    with overload(loader) as run:
        yield run


def test_what_is_told_is_whole(overloaded: Run) -> None:
    """Nothing is lost at random: every exchange is complete and unmarked, or its request is counted as left out."""
    decoder = Decoder(DecodeOptions(), source="live")
    reported = exchanges([*decoder.feed(overloaded.read()), *decoder.finish()])
    counts = overloaded.counts
    assert {(each.http_response_status_code, each.httpipe_marks) for each in reported} == {(200, ())}
    assert len(reported) + counts["shed_requests"] == ROUNDS * len(PORTS)
    assert 0 < counts["shed_connections"] < len(PORTS)
    assert "ring_full" not in counts


def test_a_connection_is_left_once(overloaded: Run) -> None:
    """The reader is told where a connection is left, and hears nothing of it after that."""
    left = set()
    for record in overloaded.read():
        assert client_port(record) not in left
        if isinstance(record, Closed):
            left.add(client_port(record))
            assert record.unseen
    assert len(left) == overloaded.counts["shed_connections"]


def test_the_end_of_what_was_left_out(overloaded: Run) -> None:
    """FIN of a connection that is left out is not told; the kernel forgets the connection like any other."""
    left = {client_port(record) for record in overloaded.read() if isinstance(record, Closed)}
    for port in PORTS:
        overloaded.unread(from_client(port, seq=9000, flags=FIN | ACK), from_server(port, seq=9000, flags=FIN | ACK))
    assert {client_port(record) for record in overloaded.read()} == set(PORTS) - left
    assert overloaded.counts["ended"] == len(PORTS)


def test_new_connections_are_left_out_too(overloaded: Run) -> None:
    """Of connections that begin under overload, some are left out whole: nothing of them is told."""
    overloaded.counts  # noqa: B018  what was counted before does not matter
    fresh = range(2048, 2448)
    for port in fresh:
        overloaded.unread(*opened(port), *exchange(port, 0))
    told = {client_port(record) for record in overloaded.read()} & set(fresh)
    assert len(fresh) - len(told) == overloaded.counts["shed_connections"] > 0


def test_taken_up_again() -> None:
    """When there is room again all connections come back, with a request; their first exchange says that it was joined."""
    with overload("libbpf") as run:
        decoder, number, reported, counts = Decoder(DecodeOptions(), source="live"), ROUNDS, list[Exchange](), Counter(run.counts)
        decoder.feed(run.read())
        deadline, whole = time.monotonic() + WAIT_SECS, False
        while not whole and time.monotonic() < deadline:
            for port in PORTS:
                run.unread(*exchange(port, number))
            number += 1
            latest = exchanges(decoder.feed(run.read()))
            whole = len(latest) == len(PORTS)
            reported += [each for each in latest if each.httpipe_marks]
            counts.update(run.counts)
        decoder.finish()
    assert whole
    assert {each.httpipe_marks for each in reported} == {("mid_stream",)}
    assert len({each.client_port for each in reported}) == len(reported) == counts["shed_connections"]


@pytest.mark.anyio
@pytest.mark.parametrize("reader", [Ring, LibbpfRing])
async def test_a_real_server_and_a_reader_that_is_late(
    namespace: Namespace,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    reader: type[Ring | LibbpfRing],
) -> None:
    """Of more requests than the ring can hold each is reported as the server logged it, or counted as left out."""
    monkeypatch.setattr(capture_module, "Ring", reader)
    server = serve(namespace, ["[::1]:80"])
    counts: Counter[str] = Counter()
    context = Context(id="live", count=lambda name, by: counts.update({name: by}))
    source = BpfSource(BpfConfig(loader="libbpf", ring_bytes=SMALL), context)
    with namespace.entered():
        await source.open()
    load = ["h2load", "--h1", "-c", "50", "-n", "20000", "--connect-to=[::1]:80", "http://nginx/small"]
    await anyio.run_process(namespace.command(*load))
    decoder = Decoder(DecodeOptions(), source="live", count=context.count)
    reported: list[Exchange] = []
    with anyio.CancelScope() as scope:
        scope.cancel()  # once it would have to wait for more
        async for batch in source.batches():
            reported += exchanges(decoder.feed(batch.records))
    await source.aclose()
    reported += exchanges(decoder.finish())
    logged = server.logged()
    assert {(each.url_path, each.http_response_body_size, each.httpipe_marks) for each in reported} == {("/small", 16, ())}
    assert len(reported) + counts["shed_requests"] == len(logged) == 20_000
    assert counts["shed_connections"] > 0 == counts["ring_full"]
    assert "whole connections are left out" in caplog.text
