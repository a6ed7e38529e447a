"""Handshakes as packets bring them: cut anywhere, out of order, with losses, of one direction only, and from hostile hands."""

import msgspec
import pytest
from tls_talks import cut_everywhere, decode, facts, only, segments, split, with_payload

from pipeline.model.events.exchange import Exchange
from pipeline.model.events.tls_handshake import TlsHandshake
from pipeline.model.records import Owner, Process, reverse
from pipeline.testing.packets import Talk, flow_key

NAMES = ["openssl-1.3", "openssl-1.2", "openssl-1.3-retry", "openssl-1.2-client-certificate", "alert-cipher", "go"]


def record(kind: int, body: bytes, version: bytes = b"\3\1") -> bytes:
    """One record."""
    return bytes([kind]) + version + len(body).to_bytes(2, "big") + body


def message(kind: int, body: bytes) -> bytes:
    """One handshake message."""
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def hello(body: bytes = b"") -> bytes:
    """A ClientHello in its record."""
    return record(22, message(1, body or _hello()))


def _hello() -> bytes:
    names = bytes.fromhex("0000000e000c0000096c6f63616c686f7374")
    extensions = names + bytes.fromhex("ff01000100") + bytes.fromhex("00170000")
    return bytes.fromhex("0301" + "11" * 32 + "00" + "0004002f00ff" + "0100") + len(extensions).to_bytes(2, "big") + extensions


def server_hello(cipher: str = "002f") -> bytes:
    """A ServerHello of TLS 1.0 in its record."""
    return record(22, message(2, bytes.fromhex("0301" + "22" * 32 + "00" + cipher + "00")))


@pytest.mark.parametrize("name", NAMES)
def test_it_does_not_matter_how_segments_are_cut(name: str) -> None:
    """Byte by byte, in threes, and in whatever batches: the same event."""
    whole = segments(name)
    expected = facts(only(whole))
    for size in (1, 3, 500):
        assert facts(only(cut_everywhere(whole, size))) == expected
    for batch in (1, 2, 7):
        assert facts(only(whole, batch=batch)) == expected


def test_a_hello_may_be_cut_at_every_byte() -> None:
    """In two segments, and the second one may come first."""
    whole = segments("openssl-1.3")
    first = with_payload(whole)[0]
    expected = facts(only(whole))
    for place in range(1, whole[first].length):
        pieces = list(split(whole[first], place))
        for order in (pieces, pieces[::-1]):
            assert facts(only([*whole[:first], *order, *whole[first + 1 :]])) == expected


def test_a_hello_may_be_cut_into_records() -> None:
    """RFC 8446, section 5.1: handshake messages may be fragmented across records."""
    body = message(1, _hello())
    for place in range(1, len(body)):
        talk = Talk().client(record(22, body[:place]) + record(22, body[place:])).server(server_hello()).close()
        event = only(talk.segments)
        assert (event.tls_client_server_name, event.httpipe_marks) == ("localhost", ())
        assert event.tls_cipher == "TLS_RSA_WITH_AES_128_CBC_SHA"
    several = b"".join(record(22, body[place : place + 1]) for place in range(len(body)))
    assert only(Talk().client(several).close().segments).tls_client_server_name == "localhost"


def test_segments_may_come_in_any_order() -> None:
    """Neighbours of one direction change places."""
    for name in ("openssl-1.2", "go"):
        whole = cut_everywhere(segments(name), 200)
        expected = facts(only(whole))
        for place in range(len(whole) - 1):
            one, two = whole[place], whole[place + 1]
            if one.key == two.key and one.payload and two.payload:
                assert facts(only([*whole[:place], two, one, *whole[place + 2 :]])) == expected


@pytest.mark.parametrize("name", ["openssl-1.3", "openssl-1.2", "go"])
def test_what_is_lost_makes_nothing_wrong(name: str) -> None:
    """Of each segment that the capture lost: what is reported is right, and the event says that something is missing."""
    whole = cut_everywhere(segments(name), 400)
    expected = msgspec.structs.asdict(only(whole))
    for lost in with_payload(whole):
        events, _ = decode([*whole[:lost], *whole[lost + 1 :]])
        for event in events:
            assert isinstance(event, TlsHandshake)
            for field in ("tls_client_server_name", "tls_cipher", "tls_client_ja3", "tls_server_ja3s", "tls_server_subject"):
                assert getattr(event, field) in {None, expected[field]}
            assert event.tls_established is not False
            assert event.tls_resumed in {None, expected["tls_resumed"]}


@pytest.mark.parametrize("client", [True, False])
def test_one_direction_alone_says_what_it_knows(client: bool) -> None:  # noqa: FBT001  a parameter of the test
    """Nobody can tell then whether the handshake came to its end."""
    whole = segments("openssl-1.2")
    key = whole[0].key if client else reverse(whole[0].key)
    event = only([each for each in whole if each.key == key])
    assert (event.tls_client_server_name, event.tls_cipher is None) == (("server.example", True) if client else (None, False))
    assert (event.tls_established, event.error_type) == (None, None)
    assert event.httpipe_marks == (() if client else ("mid_stream",))


def test_a_connection_joined_before_its_hello_is_one_like_any_other() -> None:
    """Without its SYNs the connection is older, and the handshake whole."""
    whole = segments("openssl-1.2")
    assert facts(only(whole[3:])) | {"httpipe_connection": ""} == facts(only(whole)) | {"httpipe_connection": ""}


def test_a_connection_joined_behind_its_hellos_is_passed_over() -> None:
    """Encrypted records say nothing."""
    whole = segments("openssl-1.3")
    events, counts = decode(whole[with_payload(whole)[3] :])
    assert (events, counts["decoder_internal_errors"]) == ([], 0)


def test_a_handshake_is_reported_as_soon_as_it_is_over_and_its_connection_is_left() -> None:
    """What follows takes no place in the table; another connection of the same ports is read again."""
    whole = segments("openssl-1.3")
    again = [
        msgspec.structs.replace(each, seq=each.seq + 5000 & 0xFFFFFFFF, ack=each.ack and each.ack + 5000 & 0xFFFFFFFF)
        for each in whole
    ]
    events, _ = decode([*whole, *again], batch=1)
    assert [event.httpipe_marks for event in events if isinstance(event, TlsHandshake)] == [(), ()]
    assert len(events) == 2


@pytest.mark.parametrize(
    ("ending", "error"), [("close", "closed"), ("reset", "reset"), ("nothing", None), ("silence", "timeout")]
)
def test_how_a_handshake_breaks_off(ending: str, error: str | None) -> None:
    """By a FIN of both, a reset, silence; or nobody knows, as the capture ended."""
    talk = Talk().client(hello())
    if ending == "close":
        talk.close()
    elif ending == "reset":
        talk.reset(client=False)
    elif ending == "silence":
        other = Talk(flow_key(client_port=41000), start_ns=talk.now_ns + 10**12).client(b"GET / HTTP/1.1\r\n\r\n").wait(2)
        other.client(b"GET / HTTP/1.1\r\n\r\n")
        talk.segments += other.segments
    events = [event for event in decode(talk.segments)[0] if isinstance(event, TlsHandshake)]
    assert [(event.error_type, event.tls_established) for event in events] == [(error, False if error else None)]
    assert events[0].httpipe_tls_client_versions == ("1.0",)
    assert (events[0].tls_client_supported_ciphers, events[0].httpipe_duration_ms) == (
        ("TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"),
        None,
    )


def test_a_server_that_speaks_something_else() -> None:
    """Such as HTTP to a client of HTTPS."""
    event = only(Talk().client(hello()).server(b"HTTP/1.1 400 Bad Request\r\n\r\n").close().segments)
    assert (event.error_type, event.tls_established, event.httpipe_marks) == ("not_tls", False, ("protocol_error",))


def test_what_only_begins_like_tls_is_no_handshake() -> None:
    """It is counted like everything else that is not HTTP."""
    events, counts = decode(Talk().client(b"\x16", b"\x99 and something else", b"more").close().segments)
    assert (events, counts["decoder_not_http"]) == ([], 1)


def test_an_alert_in_clear_is_named_and_who_sent_it() -> None:
    """A warning does not end the handshake, and is kept."""
    talk = Talk().client(hello()).server(record(21, bytes([1, 112]))).server(server_hello()).server(record(21, bytes([2, 40])))
    event = only(talk.close().segments)
    assert (event.httpipe_tls_alert, event.httpipe_tls_alert_from, event.error_type) == (
        "unrecognized_name",
        "server",
        "handshake_failure",
    )


def test_a_hello_in_the_form_of_ssl_2() -> None:
    """RFC 5246, appendix E.2: suites of three bytes, of which those of SSL 2 are left out."""
    body = bytes.fromhex("01" + "0301" + "0009" + "0000" + "0010" + "00002f" + "010080" + "000035") + bytes(16)
    talk = Talk().client((0x8000 | len(body)).to_bytes(2, "big") + body).server(server_hello()).close()
    event = only(talk.segments)
    assert event.tls_client_supported_ciphers == ("TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_AES_256_CBC_SHA")
    assert event.tls_protocol_version == "1.0"


def test_exchanges_out_of_order_are_not_taken_for_tls() -> None:
    """Where the second half of a request comes first, HTTP/1 is decoded as ever."""
    talk = Talk(mss=20).exchange(
        b"GET /abcdefghijklmnopqrstuvwxyz HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"
    )
    records = talk.close().segments
    first, second = with_payload(records)[:2]
    records[first], records[second] = records[second], records[first]
    events, _ = decode(records)
    assert [event.http_response_status_code for event in events if isinstance(event, Exchange)] == [204]


def test_encrypted_client_hello_and_its_outer_name() -> None:
    """RFC 9849: the name is that of the outer hello, and the event says that there is, or may be, another one."""
    outer = bytes.fromhex("fe0d0004") + bytes(4)
    body = _hello()
    extensions = body[body.index(bytes.fromhex("0000000e")) :] + outer
    grown = body[: body.index(bytes.fromhex("0000000e")) - 2] + len(extensions).to_bytes(2, "big") + extensions
    event = only(Talk().client(hello(grown)).close().segments)
    assert (event.httpipe_tls_ech, event.tls_client_server_name) == (True, "localhost")
    assert only(Talk().client(hello()).close().segments).httpipe_tls_ech is False


def test_the_owners_of_both_ends_are_told_as_of_exchanges() -> None:
    """Whenever they become known before the handshake is over."""
    talk = Talk().client(hello())
    server = Owner(reverse(talk.key), talk.now_ns, Process(7, "nginx", "c0ffee"))
    client = Owner(talk.key, talk.now_ns, Process(8, "curl"))
    before = list(talk.segments)
    event = only([*before, server, client, *talk.close().segments[len(before) :]])
    assert (event.process_pid, event.process_executable_name, event.container_id) == (7, "nginx", "c0ffee")
    assert (event.httpipe_client_process_pid, event.httpipe_client_process_executable_name) == (8, "curl")


def test_memory_is_bounded_by_the_option() -> None:
    """Whoever holds most is let go: a thousand connections whose certificates never end."""
    talks = [
        Talk(flow_key(client_port=2000 + number))
        .client(hello())
        .server(server_hello(), record(22, b"\x0b\1\xff\xff" + bytes(16000)), record(22, bytes(16000)))
        for number in range(100)
    ]
    events, counts = decode([each for talk in talks for each in talk.segments], batch=50, max_memory_bytes=1 << 20)
    assert counts["decoder_connections_evicted"] > 0
    assert len(events) == 100
