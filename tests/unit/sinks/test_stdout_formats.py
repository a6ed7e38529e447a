"""What the formats of the stdout sink look like, off and on a terminal."""

import os
import re
import termios
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.api import Event, Exchange, Measurement
from pipeline.codecs.json import JsonCodec
from pipeline.model.events.firewall_decision import FirewallDecision
from pipeline.model.events.http_request import HttpRequest
from pipeline.model.events.tls_handshake import TlsHandshake
from pipeline.model.events.websocket_message import WebsocketMessage
from pipeline.sinks.stdout.cells import cells
from pipeline.sinks.stdout.clock import local_second
from pipeline.sinks.stdout.lines import LineFormat
from pipeline.sinks.stdout.raw import RawFormat

NOON_NS = 1_767_355_445_123_456_789  # 2026-01-02T12:04:05.123456789Z
HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\n\x9b31m\x7f\u202egpj.exe\u2066\u2028\udc80"
ANSI = re.compile(r"\x1b\[[0-9;]*m")
FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC here."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    local_second.cache_clear()
    yield
    monkeypatch.undo()
    time.tzset()
    local_second.cache_clear()


@pytest.fixture
def terminal() -> Iterator[int]:
    """The program's end of a pseudo-terminal."""
    controller, program = os.openpty()
    yield program
    os.close(program)
    os.close(controller)


@pytest.fixture
def no_terminal() -> Iterator[int]:
    """The writing end of a pipe."""
    reader, writer = os.pipe()
    yield writer
    os.close(writer)
    os.close(reader)


def exchange(**changes: object) -> Exchange:
    """A plain GET."""
    plain = Exchange(
        timestamp_ns=NOON_NS,
        http_request_method="GET",
        url_path="/api/orders",
        url_query="page=2",
        server_address="shop.example",
        server_port=80,
        client_address="192.0.2.7",
        client_port=51234,
        network_local_address="192.0.2.80",
        network_local_port=80,
        http_response_status_code=200,
        http_request_body_size=0,
        http_response_body_size=5123,
        httpipe_duration_ms=12.34,
    )
    return plain.replace(**changes)


def printed(fd: int, *events: Event, **environment: str) -> str:
    """The text of a batch."""
    return LineFormat(fd, environment).render(events).decode()


def test_a_line_off_a_terminal(no_terminal: int) -> None:
    """Time, status, method, host and path, duration, sizes, client → server; no colour, nothing shortened."""
    assert printed(no_terminal, exchange()) == (
        "12:04:05.123 200 GET     shop.example/api/orders?page=2                     12.3ms      0B / 5.1kB  "
        "192.0.2.7:51234       → 192.0.2.80:80\n"
    )
    path = "/long" * 100
    assert f"shop.example{path}?page=2 " in printed(no_terminal, exchange(url_path=path))


def test_what_is_missing_and_what_is_marked(no_terminal: int) -> None:
    """A request without an answer, an estimated size, an odd port, an IPv6 host."""
    line = printed(
        no_terminal,
        exchange(
            http_response_status_code=None,
            http_response_body_size=1_234_567,
            httpipe_duration_ms=None,
            httpipe_marks=("unmatched_request", "size_estimated"),
            server_address="2001:db8::1",
            server_port=8080,
            client_address="2001:db8::2",
        ),
    )
    assert " --- GET     [2001:db8::1]:8080/api/orders?page=2" in line
    assert "        -     0B / ~1.2MB" in line
    assert "[2001:db8::2]:51234" in line
    assert line.endswith("unmatched_request,size_estimated\n")
    unknown = " ".join(printed(no_terminal, Exchange(timestamp_ns=0)).split())
    assert unknown == "00:00:00.000 --- - - - - / - ?:? → ?:?"


def test_why_an_answer_is_not_whole(no_terminal: int, terminal: int) -> None:
    """A body that was cut by a reset says so among the marks; a 500 is told by its status alone."""
    termios.tcsetwinsize(terminal, (24, 120))
    for fd in (no_terminal, terminal):
        assert " reset" in printed(fd, exchange(error_type="reset"), NO_COLOR="1")
    waited = exchange(error_type="timeout", httpipe_marks=("unmatched_request",))
    assert printed(no_terminal, waited).endswith(" unmatched_request,timeout\n")
    assert printed(no_terminal, exchange(http_response_status_code=500, error_type="500")).count("500") == 1


@pytest.mark.parametrize(
    ("known", "ends"),
    [
        ({"process_executable_name": "nginx", "httpipe_process_end": "server"}, "192.0.2.7:51234       → 192.0.2.80:80 nginx"),
        ({"process_executable_name": "curl", "httpipe_process_end": "client"}, "192.0.2.7:51234 curl  → 192.0.2.80:80"),
        (
            {
                "process_executable_name": "nginx",
                "httpipe_process_end": "server",
                "httpipe_client_process_executable_name": "c\x1b[2Jl",
            },
            "192.0.2.7:51234 c\\x1b[2Jl → 192.0.2.80:80 nginx",
        ),
    ],
)
def test_the_program_stands_at_its_end(no_terminal: int, known: dict[str, str], ends: str) -> None:
    """Of one that only asks on this host, too; control characters in its name are shown, not sent."""
    assert printed(no_terminal, exchange(**known)).endswith(f"  {ends}\n")


def test_a_program_gives_way_on_a_terminal(terminal: int) -> None:
    """Its name is shortened where there is no room, before the address is."""
    termios.tcsetwinsize(terminal, (24, 160))
    known = exchange(
        process_executable_name="nginx", httpipe_process_end="server", httpipe_client_process_executable_name="curl-with-a-name"
    )
    assert printed(terminal, known, NO_COLOR="1").endswith("  192.0.2.7:51234 cur…e → 192.0.2.80:80 nginx\n")


@pytest.mark.parametrize(("code", "shown"), [(14, "  grpc:UNAVAILABLE\n"), (99, "  grpc:99\n"), (0, ":80\n"), (None, ":80\n")])
def test_a_call_that_failed_says_so(no_terminal: int, code: int | None, shown: str) -> None:
    """HTTP's status is 200 all the same."""
    line = printed(no_terminal, exchange(rpc_grpc_status_code=code))
    assert " 200 GET" in line
    assert line.endswith(shown)


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "xterm"}])
@pytest.mark.parametrize("columns", [10, 20, 26, 30, 40, 50, 60, 80, 100, 120, 132, 200])
def test_a_terminal_is_never_overrun(terminal: int, columns: int, environment: dict[str, str]) -> None:
    """Whatever the width, no line is wider than the terminal, trailing blanks included."""
    termios.tcsetwinsize(terminal, (24, columns))
    texts = printed(
        terminal,
        exchange(),
        exchange(url_path="/long" * 100, http_request_method="PROPPATCH"),
        exchange(url_path="/zh/" + "漢字" * 40, httpipe_duration_ms=123_456.0),
        exchange(http_response_status_code=None, httpipe_duration_ms=None, url_path=None),
        exchange(httpipe_marks=("gap",)),
        exchange(url_path="/long" * 100, httpipe_marks=("unmatched_response", "ambiguous_framing", "protocol_error")),
        **environment,
    )
    assert max(cells(ANSI.sub("", text)) for text in texts.splitlines()) <= max(columns, 22)  # time, status and method at least


@pytest.mark.parametrize(
    ("columns", "shown"),
    [(30, " !"), (60, "unmatch…est"), (80, "unmatched_request"), (120, "unmatched_request"), (200, "unmatched_request")],
)
def test_a_mark_is_shown_on_any_terminal(terminal: int, columns: int, shown: str) -> None:
    """However narrow it is, what is not whole is told, and no other column moves."""
    termios.tcsetwinsize(terminal, (24, columns))
    _, whole, marked = printed(
        terminal, exchange(url_path="/p" * 100), exchange(url_path="/p" * 100, httpipe_marks=("unmatched_request",)), NO_COLOR="1"
    ).splitlines()
    assert shown in marked
    assert len(marked) == len(whole)
    assert marked.find("12.3ms") == whole.find("12.3ms")


def test_columns_stand_below_each_other(terminal: int) -> None:
    """On a wide terminal the arrow is in the same column of every line, however long the URL is."""
    termios.tcsetwinsize(terminal, (24, 160))
    _, *texts = printed(terminal, exchange(), exchange(url_path="/long" * 100), exchange(url_path="/"), NO_COLOR="1").splitlines()
    assert len({text.index("→") for text in texts}) == 1
    shortened = texts[1]
    assert "shop.example/long/long" in shortened
    assert "…" in shortened
    assert "long?page=2 " in shortened


def test_the_path_gets_the_room(terminal: int) -> None:
    """A long host gives way to the path; addresses come last, when the URL has sixty cells; IPv6 ends keep their ports."""
    event = exchange(server_address="catalog.production.svc.cluster.local", url_path="/api/v2/orders/77123", url_query=None)
    six = event.replace(client_address="2001:db8:85a3:8d3:1319:8a2e:370:7348", network_local_address="2001:db8::1")
    for columns, whole in ((80, "/api/v2/orders/77123"), (120, "catalog.production.svc.cluster.local/api/v2/orders/77123")):
        termios.tcsetwinsize(terminal, (24, columns))
        text = printed(terminal, event, NO_COLOR="1")
        assert whole in text
        assert "→" not in text
    termios.tcsetwinsize(terminal, (24, 160))
    text = printed(terminal, event, six, NO_COLOR="1")
    assert "192.0.2.7:51234       → 192.0.2.80:80\n" in text
    assert ":51234 → [2001:db8::1]:80\n" in text


def test_columns_are_named_once_a_screen(terminal: int, no_terminal: int) -> None:
    """At the beginning, when the last heading has left the screen, and when the terminal has another size; never in a pipe."""
    termios.tcsetwinsize(terminal, (10, 80))
    form = LineFormat(terminal, {"NO_COLOR": "1"})
    text = "".join(form.render([exchange()]).decode() for _ in range(17)).splitlines()
    assert [place for place, line in enumerate(text) if line.startswith("TIME ")] == [0, 9, 18]
    termios.tcsetwinsize(terminal, (10, 100))
    assert form.render([exchange()]).decode().startswith("TIME ")
    assert "TIME" not in printed(no_terminal, exchange())


def measurement(host: str, requests: int, **more: float) -> Measurement:
    """As `aggregate` makes one."""
    numbers = {"requests": requests, "window_secs": 10.0, "requests_per_sec": requests / 10, "errors_ratio": 0.012, **more}
    return Measurement(NOON_NS, {"server.address": host, **{f"httpipe.{name}": value for name, value in numbers.items()}})


def test_measurements_are_a_table_on_a_terminal(terminal: int, no_terminal: int) -> None:
    """Columns below each other under one heading; in a pipe the names and values as ever."""
    events = [measurement("shop.example", 12_345, **{"latency_ms.p50": 3.21, "latency_ms.p99": 1200.0}), measurement("a\x1b", 1)]
    for columns in (40, 80, 120):
        termios.tcsetwinsize(terminal, (24, columns))
        heading, *rows = printed(terminal, *events, NO_COLOR="1").splitlines()
        assert max(map(len, (heading, *rows))) <= columns
        assert heading.startswith("TIME     serve")
    assert rows[0].split() == ["12:04:05", "shop.example", "12,345", "1234.5", "1.2%", "3.2ms", "-", "1.20s", "-"]
    assert rows[1].split()[1] == "a\\x1b"
    assert heading.index("P99") + 3 == rows[0].index("1.20s") + 5
    assert " server.address=shop.example httpipe.requests=12345 " in printed(no_terminal, *events)


def test_colour_only_on_a_terminal_that_wants_it(terminal: int, no_terminal: int) -> None:
    """NO_COLOR and TERM=dumb are respected; the status tells the colour; without colour the text is the same."""
    termios.tcsetwinsize(terminal, (24, 200))
    coloured = printed(terminal, exchange(http_response_status_code=503, httpipe_marks=("gap",)), TERM="xterm")
    assert "\x1b[31m503\x1b[0m" in coloured
    assert coloured.count("\x1b[0m") == len(re.findall(r"\x1b\[[1-9]", coloured))
    plain = printed(terminal, exchange(http_response_status_code=503, httpipe_marks=("gap",)), NO_COLOR="1")
    assert ANSI.sub("", coloured) == plain
    assert "\x1b" not in plain + printed(terminal, exchange(), TERM="dumb") + printed(no_terminal, exchange())


HANDSHAKE = TlsHandshake(
    NOON_NS,
    server_address="shop.example",
    server_port=443,
    client_address="192.0.2.7",
    client_port=51234,
    network_local_address="192.0.2.80",
    network_local_port=443,
    network_transport="tcp",
    tls_protocol_version="1.2",
    tls_next_protocol="h2",
    tls_cipher="TLS_RSA_WITH_AES_128_CBC_SHA",
    tls_established=True,
    tls_resumed=True,
    httpipe_duration_ms=12.3,
)


def test_a_handshake_stands_in_the_columns_of_exchanges(no_terminal: int, terminal: int) -> None:
    """Version, server, what was agreed, how long it took; or what was offered, and why there is no connection."""
    assert printed(no_terminal, HANDSHAKE) == (
        "12:04:05.123 1.2 TLS     shop.example h2 TLS_RSA_WITH_AES_128_CBC_SHA resumed   12.3ms                  "
        "192.0.2.7:51234       → 192.0.2.80:443\n"
    )
    failed = TlsHandshake(
        NOON_NS,
        server_address="2001:db8::1",
        server_port=8443,
        network_transport="quic",
        httpipe_tls_client_versions=("1.1", "1.0"),
        tls_established=False,
        error_type="protocol_version",
        httpipe_tls_ech=True,
    )
    assert "--- QUIC    [2001:db8::1]:8443 offers 1.1/1.0 ech " in printed(no_terminal, failed)
    assert printed(no_terminal, failed).endswith("  protocol_version\n")
    for columns in (40, 80, 120, 200):
        termios.tcsetwinsize(terminal, (24, columns))
        lines = printed(terminal, exchange(), HANDSHAKE, failed, NO_COLOR="1").splitlines()
        assert max(map(cells, lines)) <= columns
        assert len({line.index(verb) for line, verb in zip(lines[1:], ("GET", "TLS", "QUIC"), strict=True)}) == 1
    assert "\x1b[31m---\x1b[0m" in printed(terminal, failed, TERM="xterm")


def test_a_websocket_message_stands_in_the_columns_of_exchanges(no_terminal: int, terminal: int) -> None:
    """Sender, opcode, path, size on its sender's side; a close says its code and its reason, without its control characters."""
    ends = {"server_address": "chat.example", "server_port": 80, "url_path": "/room", "client_address": "192.0.2.7"}
    said = WebsocketMessage(
        NOON_NS, **ends, httpipe_websocket_sender="client", httpipe_websocket_opcode="text", httpipe_websocket_size=1500
    )
    close = WebsocketMessage(
        NOON_NS,
        **ends,
        httpipe_websocket_sender="server",
        httpipe_websocket_opcode="close",
        httpipe_websocket_size=5,
        httpipe_websocket_close_code=1011,
        httpipe_websocket_close_reason="a\x1bb",
        error_type="reset",
    )
    assert printed(no_terminal, said) == (
        "12:04:05.123 C→S text    chat.example/room                                       -       1.5kB / -  "
        "192.0.2.7:?           → ?:?\n"
    )
    line = printed(no_terminal, close)
    assert line.startswith("12:04:05.123 S→C close   chat.example/room 1011 a")
    assert "\x1b" not in line
    assert " - / 5B " in line
    assert line.endswith("  reset\n")
    for columns in (40, 80, 120, 200):
        termios.tcsetwinsize(terminal, (24, columns))
        lines = printed(terminal, exchange(), said, close, NO_COLOR="1").splitlines()
        assert max(map(cells, lines)) <= columns
        assert len({line.index(verb) for line, verb in zip(lines[1:], ("GET", "text", "close"), strict=True)}) == 1


def test_a_request_in_progress_and_a_stream_of_events(no_terminal: int) -> None:
    """Dots stand where the status will be; an answer that lasts says what it is among the marks."""
    begun = HttpRequest(
        NOON_NS, server_address="shop.example", server_port=8080, http_request_method="GET", url_path="/events", url_query="a=1"
    )
    assert printed(no_terminal, begun).startswith("12:04:05.123 ··· GET     shop.example:8080/events?a=1  ")
    stream = exchange(http_response_headers={"content-type": ("text/event-stream; charset=utf-8",)})
    assert printed(no_terminal, stream).endswith("  event-stream\n")
    assert "event-stream" not in printed(no_terminal, exchange(http_response_headers={"content-type": ("text/html",)}))


def test_an_event_of_another_kind_is_its_name_and_what_is_known_of_it() -> None:
    """Under the names that a filter has for them; a kind that is not known here has its own name, too."""
    reader, writer = os.pipe()
    unknown = Event(NOON_NS, {"event.name": "next.year", "queue.depth": 3})
    try:
        line = LineFormat(writer, {"TZ": "UTC"}).render([unknown]).decode()
    finally:
        os.close(reader)
        os.close(writer)
    assert line.partition(" ")[2] == "next.year queue.depth=3\n"


@pytest.mark.parametrize(
    ("decision", "line"),
    [
        ({"action": "allowed"}, " ok GET     shop.example/a "),
        ({"action": "refused", "reason": "denied", "entry": "/a", "answer": "403"}, "403 GET     shop.example/a …  denied /a"),
        ({"action": "refused", "reason": "not_http", "answer": "reset"}, "rst GET     shop.example/a …  not_http"),
        ({"action": "refused", "reason": "fragment", "answer": "dropped"}, "drp GET     shop.example/a …  fragment"),
        (
            {"action": "would_refuse", "reason": "doubt", "doubts": ("framing", "hosts")},
            "--- GET     shop.example/a …  would_refuse doubt framing,hosts",
        ),
    ],
)
def test_decisions_of_the_firewall(no_terminal: int, decision: dict[str, Any], line: str) -> None:
    """What the client got stands where the status does, and why at the end."""
    own = {f"httpipe_firewall_{name}": value for name, value in decision.items()}
    event = FirewallDecision(
        NOON_NS, server_address="shop.example", server_port=80, http_request_method="GET", url_path="/a", **own
    )
    said = printed(no_terminal, event)
    begins, _, ends = line.partition("…")
    assert said.startswith(f"12:04:05.123 {begins}")
    assert said.endswith(f"{ends}\n")


@settings(max_examples=80, deadline=None)
@given(st.text(st.characters(), max_size=80))
def test_no_control_character_in_any_format(text: str) -> None:
    """Whatever stands in any field or head, no terminal obeys it."""
    hostile = text + HOSTILE
    head = hostile.encode("utf-8", "surrogatepass")
    event = exchange(
        url_path=hostile,
        server_address=hostile,
        http_request_method_original=hostile,
        client_address=hostile,
        url_query=hostile,
        http_request_headers={hostile: (hostile,)},
        attributes={hostile: hostile},
        request_head=head,
        response_head=b"HTTP/1.1 200 OK\r\n\x9b31m: \xff\x1b\r\n\r\n",
    )
    other = TlsHandshake(
        timestamp_ns=0, server_address=hostile, tls_next_protocol=hostile, error_type=hostile, attributes={"text": hostile}
    )
    reader, writer = os.pipe()
    try:
        rendered = [
            LineFormat(writer, {}).render([event, other]),
            RawFormat(show_secrets=True).render([event, other]),
            RawFormat(show_secrets=False).render([event, other]),
            bytes(JsonCodec().encode_batch([event, other])),
        ]
    finally:
        os.close(reader)
        os.close(writer)
    for output in rendered:
        assert FORBIDDEN.search(output.decode()) is None
    assert rendered[0].count(b"\n") == 2


HEAD = (
    b"GET http://user:pass@shop.example/a?sig=abc&b=2&X-Amz-Signature=deadbeef&x%2Damz%2Dcredential=AKIA HTTP/1.1\r\n"
    b"Host: shop.example\r\nAuthorization: Bearer topsecret\r\n also-topsecret\r\nX-Other: kept\r\n"
    b"cookie : a=topsecret\nProxy-Authorization: Basic topsecret\rX-Api-Key: topsecret\r\n"
    b"Referer: https://cdn.example/x?Signature=topsecret&y=1#f\r\n\r\n"
)


def test_raw_shows_heads_without_secrets() -> None:
    """Credentials, cookies and secret query values read REDACTED, in folded lines and behind odd line ends too."""
    text = (
        RawFormat(show_secrets=False)
        .render(
            [
                exchange(
                    request_head=HEAD, http_request_size=442, response_head=b"HTTP/1.1 200 OK\r\nSet-Cookie: topsecret\r\n\r\n"
                )
            ]
        )
        .decode()
    )
    assert text == (
        "12:04:05.123456 192.0.2.7:51234 -> 192.0.2.80:80 (length: 442)\n"
        "GET http://REDACTED@shop.example/a?sig=REDACTED&b=2&X-Amz-Signature=REDACTED&x%2Damz%2Dcredential=REDACTED HTTP/1.1\n"
        "Host: shop.example\nAuthorization: REDACTED\nX-Other: kept\ncookie : REDACTED\nProxy-Authorization: REDACTED\n"
        "X-Api-Key: REDACTED\nReferer: https://cdn.example/x?Signature=REDACTED&y=1#f\n\n"
        "12:04:05.123456 192.0.2.80:80 -> 192.0.2.7:51234 (length: 35)\nHTTP/1.1 200 OK\nSet-Cookie: REDACTED\n\n"
    ).replace("(length: 35)", "(length: 42)")


def test_raw_shows_secrets_when_asked() -> None:
    """``show_secrets`` shows the head as it was captured."""
    text = RawFormat(show_secrets=True).render([exchange(request_head=HEAD)]).decode()
    assert text.count("topsecret") == HEAD.count(b"topsecret")
    assert "REDACTED" not in text
    assert f"(length: {len(HEAD)})" in text


def test_raw_says_when_and_shows_bodies() -> None:
    """Each side at its own time; a body where one was kept, without what a terminal would obey; of binary ones how much it is."""
    event = exchange(
        request_head=b"POST / HTTP/1.1\r\n\r\n",
        response_head=b"HTTP/1.1 200 OK\r\n\r\n",
        httpipe_ttfb_ms=2.5,
        http_request_body_content='{"a": 1}\r\n\x1b[2J\n',
        http_response_body_content="AAECAw==",
        httpipe_response_body_encoding="base64",
    )
    assert RawFormat(show_secrets=False).render([event]).decode() == (
        "12:04:05.123456 192.0.2.7:51234 -> 192.0.2.80:80 (length: 19)\nPOST / HTTP/1.1\n\n"
        '{"a": 1}\n\\x1b[2J\n\n'
        "12:04:05.125956 192.0.2.80:80 -> 192.0.2.7:51234 (length: 19)\nHTTP/1.1 200 OK\n\n(4 bytes that are not text)\n\n"
    )


def test_raw_shows_only_what_was_captured() -> None:
    """An exchange without heads gives nothing, one with only an answer gives the answer."""
    assert RawFormat(show_secrets=False).render([exchange(), Event(timestamp_ns=0)]) == b""
    text = RawFormat(show_secrets=False).render(
        [exchange(response_head=b"HTTP/1.1 204 No Content\r\n\r\n", client_address="::1")]
    )
    assert text == b"12:04:05.123456 192.0.2.80:80 -> [::1]:51234 (length: 27)\nHTTP/1.1 204 No Content\n\n"


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=60))
def test_raw_never_shows_an_authorization(before: bytes, value: bytes) -> None:
    """Whatever stands before and in the field, its value does not appear."""
    secret = b"s3cr3t-" + value.replace(b"\r", b"").replace(b"\n", b"")
    text = RawFormat(show_secrets=False).render(
        [exchange(request_head=before + b"\r\nAuthorization: " + secret + b"\r\nX: y\r\n\r\n")]
    )
    assert b"s3cr3t" not in text
