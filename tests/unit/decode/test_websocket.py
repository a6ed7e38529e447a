"""WebSocket: frames become messages, and nothing is reported that is not certain."""

import zlib
from collections.abc import Callable

import msgspec
import pytest

from pipeline.decode import BodyOptions
from pipeline.decode.websocket.deflate import LEAST_BOUND
from pipeline.model.events.exchange import Exchange
from pipeline.model.records import ACK, RST, Segment
from pipeline.testing.packets import Talk
from tests.unit.decode.websocket_talks import (
    ASK,
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    accepted,
    brief,
    events_of,
    frame,
    messages,
    opened,
)

BODIES = BodyOptions(max_bytes=1000)
DEFLATE = b"permessage-deflate"


def deflated(*texts: bytes, resets: bool = False) -> list[bytes]:
    """What a sender makes of messages (RFC 7692, section 7.2.1)."""
    out, stream = [], zlib.compressobj(wbits=-15)
    for text in texts:
        if resets:
            stream = zlib.compressobj(wbits=-15)
        data = stream.compress(text) + stream.flush(zlib.Z_SYNC_FLUSH)
        out.append(data.removesuffix(b"\x00\x00\xff\xff"))
    return out


def lost(talk: Talk, number: int) -> list[Segment]:
    """The segments with payload of ``talk``, without the one of this number."""
    missing = [each for each in talk.segments if each.payload][number]
    return [each for each in talk.segments if each is not missing]


def test_messages_of_both_directions() -> None:
    """Each is an event that says who sent it, on which path, and its place; the upgrade is an exchange as ever."""
    talk = opened()
    talk.client(frame(TEXT, b"hello", client=True))
    talk.server(frame(TEXT, "grüße".encode()) + frame(BINARY, b"\0\xff"))
    found, _ = events_of(talk.close().segments, bodies=BODIES)
    assert isinstance(found[0], Exchange)
    assert found[0].http_response_status_code == 101
    first, second, third = messages(talk.segments, bodies=BODIES)[:3]
    assert brief([first, second, third]) == [
        ("client", "text", 0, 5, "hello"),
        ("server", "text", 0, 7, "grüße"),
        ("server", "binary", 1, 2, "AP8="),
    ]
    assert third.httpipe_websocket_encoding == "base64"
    assert (first.url_path, first.server_address, first.server_port) == ("/chat", "h.example", 8080)
    assert (first.httpipe_sequence, first.httpipe_websocket_fragments, first.httpipe_websocket_compressed) == (0, 1, False)
    assert (first.client_address, first.network_local_port) == ("10.0.0.1", 80)


def test_off_unless_asked_for() -> None:
    """Without the option, messages pass by."""
    talk = opened()
    talk.client(frame(TEXT, b"hello", client=True))
    assert messages(talk.segments)
    from tests.unit.decode.decode_support import decode  # noqa: PLC0415  both have a `decode` of their own

    assert len(decode(talk.close().segments)) == 1


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 200_000])
def test_lengths(size: int) -> None:
    """All three forms of a length, in both directions."""
    talk = opened()
    talk.client(frame(BINARY, b"x" * size, client=True))
    talk.server(frame(BINARY, b"y" * size))
    found = brief(messages(talk.segments))
    assert found == [("client", "binary", 0, size, None), ("server", "binary", 0, size, None)]


def test_fragments_are_joined_and_control_frames_may_stand_between_them() -> None:
    """A message is reported once, with the number of its frames; what stands between them is not its own."""
    talk = opened()
    talk.client(frame(TEXT, b"hel", client=True, final=False))
    talk.client(frame(PING, b"?", client=True))
    talk.client(frame(CONTINUATION, b"", client=True, final=False) + frame(CONTINUATION, b"lo", client=True))
    talk.client(frame(CLOSE, (1001).to_bytes(2, "big") + b"bye", client=True))
    message, close = messages(talk.segments, bodies=BODIES)
    assert brief([message]) == [("client", "text", 0, 5, "hello")]
    assert message.httpipe_websocket_fragments == 3
    assert (close.httpipe_websocket_close_code, close.httpipe_websocket_close_reason) == (1001, "bye")
    assert (close.httpipe_websocket_pings, close.httpipe_websocket_pongs) == (1, 0)


def test_the_end_of_a_direction_counts_its_control_frames() -> None:
    """Also where no close frame came, which has a code of its own (RFC 6455, section 7.4.1), and one without a code."""
    talk = opened()
    talk.server(frame(PING) + frame(PONG) + frame(PING))
    talk.client(frame(CLOSE, client=True))
    client, server = messages(talk.close().segments)
    assert (client.httpipe_websocket_close_code, client.error_type) == (1005, None)
    assert (server.httpipe_websocket_close_code, server.error_type) == (1006, "closed")
    assert (server.httpipe_websocket_pings, server.httpipe_websocket_pongs) == (2, 1)


def test_a_capture_that_ends_says_nothing_of_the_connection() -> None:
    """A message that is not whole then is marked, and no end is reported."""
    talk = opened()
    talk.client(frame(TEXT, b"hello", client=True)[:-2])
    assert brief(messages(talk.segments, bodies=BODIES)) == [("client", "text", 0, 3, "hel", "truncated", "gap")]


def test_a_reset_within_a_message() -> None:
    """It is reported as far as it came, with the reason."""
    talk = opened()
    talk.client(frame(TEXT, b"hello", client=True)[:-2])
    talk.send(client=True, flags=RST | ACK)
    message, client, server = messages(talk.segments)
    assert brief([message]) == [("client", "text", 0, 3, None, "size_estimated")]
    assert message.error_type == client.error_type == server.error_type == "reset"


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("client", [False, True])
def test_compressed_messages(*, resets: bool, client: bool) -> None:
    """With context takeover a message refers to those before it; without, none does."""
    side = b"client" if client else b"server"
    talk = opened(DEFLATE + b"; " + side + b"_no_context_takeover" if resets else DEFLATE)
    texts = [b"a message that repeats itself " * 3, b"a message that repeats itself again", b""]
    say = talk.client if client else talk.server
    for data in deflated(*texts, resets=resets):
        say(frame(TEXT, data, client=client, rsv=0x40))
    say(frame(TEXT, b"plain", client=client))
    found = messages(talk.segments, bodies=BODIES)
    assert [each.httpipe_websocket_content for each in found] == [*(text.decode() for text in texts), "plain"]
    assert [each.httpipe_websocket_decoded_size for each in found] == [*map(len, texts), 5]
    assert [each.httpipe_websocket_compressed for each in found] == [True, True, True, False]


def test_compression_is_not_undone_where_nobody_asks() -> None:
    """Sizes are those on the wire."""
    talk = opened(DEFLATE)
    (data,) = deflated(b"x" * 500)
    talk.server(frame(TEXT, data, rsv=0x40))
    (message,) = messages(talk.segments)
    assert brief([message]) == [("server", "text", 0, len(data), None)]
    assert message.httpipe_websocket_decoded_size is None


def test_a_decompression_bomb() -> None:
    """It costs no more than its bound, and what refers to it is not guessed at; a later plain message is whole."""
    talk = opened(DEFLATE)
    bomb, after = deflated(b"\0" * (4 * LEAST_BOUND), b"after")
    talk.server(frame(BINARY, bomb, rsv=0x40))
    talk.server(frame(TEXT, after, rsv=0x40))
    talk.server(frame(TEXT, b"plain"))
    assert brief(messages(talk.segments, bodies=BODIES)) == [
        ("server", "binary", 0, len(bomb), None, "truncated"),
        ("server", "text", 1, len(after), None, "truncated"),
        ("server", "text", 2, 5, "plain"),
    ]


def test_a_long_message_is_cut_and_the_next_one_is_whole() -> None:
    """What is beyond the limit is decompressed all the same, as the next message may refer to it."""
    talk = opened(DEFLATE)
    long, after = deflated(b"abcdefgh" * 500, b"abcdefgh again")
    talk.server(frame(TEXT, long, rsv=0x40) + frame(TEXT, after, rsv=0x40))
    first, second = messages(talk.segments, bodies=BODIES)
    assert (len(first.httpipe_websocket_content or ""), first.httpipe_websocket_decoded_size) == (1000, 4000)
    assert first.httpipe_marks == ("truncated",)
    assert second.httpipe_websocket_content == "abcdefgh again"


def test_a_last_block() -> None:
    """A sender may end a message with a final block (RFC 7692, section 7.2.3.4)."""
    talk = opened(DEFLATE + b"; server_no_context_takeover")
    stream = zlib.compressobj(wbits=-15)
    talk.server(frame(TEXT, stream.compress(b"one") + stream.flush() + b"\0", rsv=0x40))
    talk.server(frame(TEXT, deflated(b"two")[0], rsv=0x40))
    assert [each.httpipe_websocket_content for each in messages(talk.segments, bodies=BODIES)] == ["one", "two"]


def test_an_extension_that_is_not_known() -> None:
    """It may use the reserved bits; what it does to payloads cannot be undone, so their content is absent."""
    talk = opened(b"x-secret")
    talk.server(frame(TEXT, b"?", rsv=0x20))
    assert brief(messages(talk.segments, bodies=BODIES)) == [("server", "text", 0, 1, None)]


@pytest.mark.parametrize(
    ("types", "text", "binary"),
    [((), "t", "b"), (("text/*",), "t", None), (("application/octet-stream",), None, "b"), (("application/json",), None, None)],
)
def test_content_types(types: tuple[str, ...], text: str | None, binary: str | None) -> None:
    """A text message counts as ``text/plain``, a binary one as ``application/octet-stream``."""
    talk = opened()
    talk.server(frame(TEXT, b"t") + frame(BINARY, b"b"))
    found = messages(talk.segments, bodies=BodyOptions(content_types=types))
    assert [each.httpipe_websocket_content for each in found] == [text, binary]


@pytest.mark.parametrize("at", ["payload", "header"])
def test_lost_bytes(at: str) -> None:
    """Inside a frame its length counts them. Where they hide a header, nothing is reported until frames are certain again."""
    talk = opened()
    if at == "payload":
        talk.server(frame(BINARY, b"x" * 4000))
        whole = lost(talk, 3)
    else:
        talk.server(frame(BINARY, b"x" * 40))
        talk.server(frame(BINARY, b"x" * 40))
        whole = lost(talk, 3)
    for number in range(7):
        talk.server(frame(TEXT, b"message %d" % number))
    whole += [each for each in talk.segments if each.payload.startswith(b"\x81")]
    found, counts = events_of(whole, bodies=BODIES)
    rest = [("server", "text", number + 1, 9, f"message {number}") for number in range(7)]
    shown = brief([each for each in found if not isinstance(each, Exchange)])
    if at == "payload":
        assert shown[0][:4] == ("server", "binary", 0, 4000)
        assert shown[0][5:] == ("truncated", "gap")
        assert shown[1:] == rest
    else:
        assert [each[1:4] for each in shown] == [("binary", 0, 40), *[("text", None, 9)] * 3]
        assert [each[4:] for each in shown[1:]] == [("message 4", "gap"), ("message 5",), ("message 6",)]
        assert counts["decoder_skipped_bytes"] == 4 * 11


def test_bytes_left_out_by_the_kernel_are_no_loss() -> None:
    """A long frame of which only the beginning was copied is exact, and what follows is found."""
    talk = opened()
    large = frame(BINARY, b"x" * 9000)
    talk.send(large[:1000], client=False, length=len(large))
    talk.server(frame(TEXT, b"next"))
    assert brief(messages(talk.segments)) == [("server", "binary", 0, 9000, None), ("server", "text", 1, 4, None)]
    cut = messages(talk.segments, bodies=BODIES)[0]
    assert (len(cut.httpipe_websocket_content or ""), cut.httpipe_marks) == (996, ("truncated",))


def test_lost_bytes_of_a_compressed_message() -> None:
    """With context takeover no later content of that direction can be known, and each says so; the other direction is whole."""
    talk = opened(DEFLATE)
    texts = [bytes(range(65, 91)) * 3, bytes(range(65, 91)) + b"!"]
    first, second = deflated(*texts)
    talk.server(frame(TEXT, first[:10], rsv=0x40, final=False))
    talk.server(frame(CONTINUATION, first[10:]))
    talk.server(frame(TEXT, second, rsv=0x40))
    talk.client(frame(TEXT, deflated(b"up")[0], client=True, rsv=0x40))
    segments = [
        msgspec.structs.replace(each, payload=each.payload[:5], cut=True) if each.payload.startswith(b"\x41") else each
        for each in talk.segments
    ]
    shown = brief(messages(segments, bodies=BODIES))
    assert shown == [
        ("server", "text", 0, len(first), None, "gap"),
        ("server", "text", 1, len(second), None, "gap"),
        ("client", "text", 0, len(deflated(b"up")[0]), "up"),
    ]


FAULTY: list[tuple[str, Callable[[], bytes]]] = [
    ("reserved bit", lambda: frame(TEXT, b"x", rsv=0x40)),
    ("reserved opcode", lambda: frame(3, b"x")),
    ("reserved control opcode", lambda: frame(11)),
    ("ping in parts", lambda: frame(PING, final=False)),
    ("long ping", lambda: frame(PING, b"x" * 126)),
    ("continuation of nothing", lambda: frame(CONTINUATION, b"x")),
    ("message within a message", lambda: frame(TEXT, b"x", final=False) + frame(TEXT, b"y")),
    ("length of 64 bits", lambda: b"\x82\x7f" + b"\xff" * 8),
]


@pytest.mark.parametrize("bytes_of", [made for _, made in FAULTY], ids=[name for name, _ in FAULTY])
def test_what_a_receiver_must_refuse_ends_reading(bytes_of: Callable[[], bytes]) -> None:
    """The faulty frame is the last that is reported, and marked; what follows means nothing and is counted."""
    talk = opened()
    talk.server(bytes_of())
    talk.server(frame(TEXT, b"after"))
    talk.client(frame(TEXT, b"other", client=True))
    found, counts = events_of(talk.segments, bodies=BODIES)
    shown = brief([each for each in found if not isinstance(each, Exchange)])
    assert shown[-1] == ("client", "text", 0, 5, "other")
    assert shown[-2][-1] == "protocol_error"
    assert "after" not in [each[4] for each in shown]
    assert counts["decoder_skipped_bytes"] >= 7


@pytest.mark.parametrize("client", [True, False])
def test_a_mask_on_the_wrong_side(*, client: bool) -> None:
    """RFC 6455, section 5.1: a receiver must fail the connection. What was sent is no less certain: it is read, and marked."""
    talk = opened()
    say = talk.client if client else talk.server
    say(frame(TEXT, b"one", client=not client), frame(TEXT, b"two", client=not client), frame(TEXT, b"three", client=client))
    found, counts = events_of(talk.segments, bodies=BODIES)
    side = "client" if client else "server"
    assert brief([each for each in found if not isinstance(each, Exchange)]) == [
        (side, "text", 0, 3, "one", "protocol_error"),
        (side, "text", 1, 3, "two", "protocol_error"),
        (side, "text", 2, 5, "three"),
    ]
    assert not counts["decoder_skipped_bytes"]


def test_an_answer_that_does_not_name_the_protocol() -> None:
    """It can be none but the one that was asked for."""
    talk = Talk().client(ASK).server(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n")
    talk.server(frame(TEXT, b"one"))
    found, _ = events_of(talk.segments, bodies=BODIES)
    assert brief([each for each in found if not isinstance(each, Exchange)]) == [("server", "text", 0, 3, "one")]


def test_a_longer_form_of_a_length_than_needed() -> None:
    """RFC 6455, section 5.2, forbids it, and most receivers take it: it is marked."""
    talk = opened()
    talk.server(b"\x81\x7e\x00\x02hi" + frame(TEXT, b"next"))
    assert brief(messages(talk.segments, bodies=BODIES)) == [
        ("server", "text", 0, 2, "hi", "protocol_error"),
        ("server", "text", 1, 4, "next"),
    ]


def test_first_frames_in_the_segment_of_the_upgrade() -> None:
    """A server may speak at once."""
    talk = Talk()
    talk.client(b"GET /s HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    talk.server(accepted() + frame(TEXT, b"welcome"))
    assert brief(messages(talk.segments, bodies=BODIES)) == [("server", "text", 0, 7, "welcome")]


def test_bytes_lost_right_behind_the_upgrade() -> None:
    """Then it is not known where the first frame begins: nothing is made of what follows until that is certain."""
    talk = opened()
    for number in range(7):
        talk.server(frame(TEXT, b"message %d" % number))
    shown = brief(messages(lost(talk, 2), bodies=BODIES))
    assert [each[2:] for each in shown] == [(None, 9, "message 5", "gap"), (None, 9, "message 6")]


def test_an_upgrade_whose_request_was_not_seen() -> None:
    """Where the client's first frame begins is not known then; the server's is."""
    talk = opened()
    talk.client(frame(TEXT, b"up", client=True))
    talk.server(frame(TEXT, b"down"))
    segments = [each for each in talk.segments if not each.payload.startswith(b"GET")]
    (message,) = messages(segments, bodies=BODIES)
    assert brief([message]) == [("server", "text", 0, 4, "down")]
    assert message.url_path is None


def test_text_that_came_in_bytes() -> None:
    """Every byte a segment of its own gives the same."""
    talk = opened(DEFLATE, mss=1)
    for client in (True, False):
        say = talk.client if client else talk.server
        say(frame(TEXT, b"ab", client=client) + frame(TEXT, deflated(b"compressed")[0], client=client, rsv=0x40))
    assert [each[:5] for each in brief(messages(talk.segments, bodies=BODIES))] == [
        (side, "text", number, size, text)
        for side in ("client", "server")
        for number, size, text in ((0, 2, "ab"), (1, len(deflated(b"compressed")[0]), "compressed"))
    ]
