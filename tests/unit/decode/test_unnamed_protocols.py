"""Protocols that begin where HTTP/1 could go on: behind CONNECT, STARTTLS, the PROXY protocol, or in very short segments."""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from tls_talks import decode, only, segments

from pipeline.decode import DecodeOptions, Decoder
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import Exchange
from pipeline.model.events.tls_handshake import TlsHandshake
from pipeline.model.records import Segment, reverse
from pipeline.sources.pcap.reader import read_segments
from pipeline.testing.packets import Talk

HTTP2 = Path(__file__).resolve().parents[2] / "replay/captures/http2/nghttp-nginx.pcap"
CONNECT = [(True, b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"), (False, b"HTTP/1.1 200 Go on\r\n\r\n")]
PROXY_1 = [(True, b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n")]
PROXY_2 = [(True, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12))]
IN_FRONT: dict[str, list[tuple[bool, bytes]]] = {
    "PROXY protocol, version 1": PROXY_1,
    "PROXY protocol, version 2": PROXY_2,
    "CONNECT": CONNECT,
    "SMTP": [
        (False, b"220 mail ESMTP\r\n"), (True, b"EHLO me\r\n"), (False, b"250-mail\r\n250 STARTTLS\r\n"), (True, b"STARTTLS\r\n"),
        (False, b"220 go on\r\n"),
    ],
    "IMAP": [(False, b"* OK ready\r\n"), (True, b"a STARTTLS\r\n"), (False, b"a OK\r\n")],
    "POP3": [(False, b"+OK ready\r\n"), (True, b"STLS\r\n"), (False, b"+OK\r\n")],
    "FTP": [(False, b"220 ftp\r\n"), (True, b"AUTH TLS\r\n"), (False, b"234 ok\r\n")],
    "PostgreSQL": [(True, bytes.fromhex("0000000804d2162f")), (False, b"S")],
    "MySQL": [
        (False, bytes.fromhex("4a0000000a352e372e32") + b"x" * 60),
        (True, bytes.fromhex("2000000105aea20000000001") + bytes(24)),
    ],
    "LDAP": [
        (True, bytes.fromhex("301d02010177188016312e332e362e312e342e312e313436362e3230303337")),
        (False, bytes.fromhex("300c02010178070a010004000400")),
    ],
    "RDP": [
        (True, bytes.fromhex("0300001300e000000000000100080003000000")),
        (False, bytes.fromhex("030000130ed000001234000209080002000000")),
    ],
    "SOCKS": [(True, b"\5\1\0"), (False, b"\5\0"), (True, b"\5\1\0\3\7abc.com\1\xbb"), (False, b"\5\0\0\1\0\0\0\0\0\0")],
}  # fmt: skip


def said(records: list[Segment]) -> list[tuple[bool, bytes]]:
    """Who said what on the first connection of a capture."""
    client = next(each.key for each in records if each.payload)
    return [(each.key == client, each.payload) for each in records if each.payload and each.key in {client, reverse(client)}]


@cache
def http2() -> list[tuple[bool, bytes]]:
    """A connection of nghttp's."""
    return said([segment for batch in read_segments(HTTP2) for segment in batch])


def talk(*turns: tuple[bool, bytes], cut: int = 1 << 20, handshake: bool = True) -> list[Segment]:
    """These turns, in pieces of so many bytes."""
    made = Talk(handshake=handshake)
    for client, data in turns:
        for at in range(0, len(data), cut):
            (made.client if client else made.server)(data[at : at + cut])
    return made.close().segments


def exchanges(records: list[Segment]) -> list[Exchange]:
    """All there are, whoever reads them."""
    counts: Counter[str] = Counter()
    decoder = Decoder(DecodeOptions(), source="test", count=lambda name, by: counts.update({name: by}))
    events = [*decoder.feed(records), *decoder.finish()]
    assert counts["decoder_internal_errors"] == 0
    assert decoder.held_exchanges == decoder.held_bytes == decoder.connections == 0
    return [event for event in events if isinstance(event, Exchange)]


def values(events: list[Exchange]) -> list[tuple[object, ...]]:
    """What does not depend on time."""
    return [
        (each.httpipe_stream_id, each.url_path, each.http_response_status_code, each.http_response_body_size, each.httpipe_marks)
        for each in events
    ]


@pytest.mark.parametrize("name", IN_FRONT)
@pytest.mark.parametrize("handshake", [True, False])
def test_a_handshake_behind_another_protocol(name: str, *, handshake: bool) -> None:
    """It is that which would be reported without what stands in front of it; nothing of the latter but a CONNECT is."""
    alone = only(talk(*said(segments("openssl-1.2"))))
    events, _ = decode(talk(*IN_FRONT[name], *said(segments("openssl-1.2")), handshake=handshake))
    found = [event for event in events if isinstance(event, TlsHandshake)]
    assert len(found) == 1
    assert len(events) == 1 + (name == "CONNECT")
    for field in ("tls_client_server_name", "httpipe_tls_client_ja4", "tls_server_subject", "tls_established", "httpipe_marks"):
        assert getattr(found[0], field) == getattr(alone, field)


@pytest.mark.parametrize("name", ["PROXY protocol, version 1", "PROXY protocol, version 2", "CONNECT"])
def test_http2_behind_another_protocol(name: str) -> None:
    """The same exchanges as without what stands in front, in whichever segment the preface begins."""
    alone = values(exchanges(talk(*http2())))
    assert len(alone) == 12
    *before, (client, last) = IN_FRONT[name]
    (_, preface), *rest = http2()
    for size in (0, 1, 3, 12, 13, 20, 24, 40):
        head = (client, last + preface[:size]) if client else (client, last)
        tail = preface[size:] if client else preface
        found = exchanges(talk(*before, head, (True, tail), *rest))
        assert values(found[name == "CONNECT" :]) == alone


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 11, 12, 13])
def test_a_preface_in_pieces(cut: int) -> None:
    """However short the first segments are, they are not taken for a request of HTTP/1."""
    assert values(exchanges(talk(*http2(), cut=cut))) == values(exchanges(talk(*http2())))


@pytest.mark.parametrize("handshake", [True, False])
@pytest.mark.parametrize("client", [True, False])
def test_an_upgrade_to_http2_of_which_one_side_was_captured(*, client: bool, handshake: bool) -> None:
    """What that side says behind it is read; nothing is claimed of how the other one ended."""
    asks = b"GET /small HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n"
    answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    records = talk((True, asks), (False, answer), *http2(), handshake=handshake)
    side = records[0].key
    found = exchanges([each for each in records if (each.key == side) == client])
    assert len(found) == 13
    assert all(each.error_type is None for each in found)
    streams = [each for each in found if each.httpipe_stream_id is not None]
    statuses = Counter(each.http_response_status_code for each in streams)
    assert statuses == ({None: 12} if client else {200: 6, 410: 3, 204: 3})


def test_what_waits_is_reported_where_an_unnamed_protocol_begins() -> None:
    """A request without an answer, and then a preface: the request is unmatched, and nobody says why."""
    asks = b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n"
    first, *rest = exchanges(talk((True, asks), *http2()))
    assert (first.url_path, first.error_type, first.httpipe_marks) == ("/first", None, ("unmatched_request",))
    assert values(rest) == values(exchanges(talk(*http2())))


def test_a_response_is_no_handshake_because_of_its_body() -> None:
    """A ClientHello inside a body, at the beginning of a segment, is a body."""
    hello = said(segments("openssl-1.2"))[0][1]
    turns = [
        (True, b"GET /hello.bin HTTP/1.1\r\nHost: a\r\n\r\n"),
        (False, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(hello)),
        (False, hello),
        (True, b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(hello)),
        (True, hello),
        (False, b"HTTP/1.1 204 No Content\r\n\r\n"),
    ]
    events: list[Event]
    events, _ = decode(talk(*turns))
    assert [type(event) for event in events] == [Exchange, Exchange]


def test_a_client_whose_preface_is_missing() -> None:
    """It begins with SETTINGS as a server does; the request behind them says who it is."""
    (_, first), *rest = http2()
    found = exchanges(talk((True, first[24:]), *rest))
    assert [each.http_request_method for each in found] == ["GET"] * 12
    assert {each.client_port for each in found} == {40000}
