"""What views say of one event, of whatever kind."""

import pytest

from pipeline.api import Event
from pipeline.live.details import details
from pipeline.live.rows import row
from pipeline.model.events.http_request import HttpRequest
from pipeline.model.events.tls_handshake import TlsHandshake
from pipeline.model.events.websocket_message import WebsocketMessage
from tests.unit.watch.watch_events import exchange

ENDS = {"client_address": "192.0.2.1", "client_port": 1000, "network_local_address": "198.51.100.1", "network_local_port": 80}
ASKED = {"server_address": "shop.example", "server_port": 80}


@pytest.mark.parametrize(
    ("event", "title", "url", "outcome"),
    [
        (exchange(1), "GET 200", "http://shop.example/items/1", ""),
        (
            HttpRequest(timestamp_ns=1, http_request_method="GET", url_scheme="http", url_path="/a", **ASKED, **ENDS),
            "GET in progress",
            "http://shop.example/a",
            "open",
        ),
        (
            TlsHandshake(timestamp_ns=1, server_address="a.example", server_port=443, tls_established=False, **ENDS),
            "tls.handshake",
            "a.example",
            "failed",
        ),
        (
            WebsocketMessage(timestamp_ns=1, url_path="/prices", httpipe_websocket_opcode="text", **ASKED, **ENDS),
            "websocket.message",
            "shop.example /prices",
            "redirect",
        ),
    ],
)
def test_each_kind_has_a_title_a_place_and_ends(event: Event, title: str, url: str, outcome: str) -> None:
    """And a row that tells how well it went."""
    known = details(1, event)
    assert known["title"] == title
    assert known["url"].startswith(url)
    assert ("Client", "192.0.2.1:1000") in known["ends"]
    assert row(1, event)[-1] == outcome


def test_heads_of_http2_are_shown_without_a_start_line() -> None:
    """Pseudo fields are names like others; secrets are none."""
    head = details(1, exchange(1, request_head=b":method: GET\r\n:path: /a?sig=1\r\ncookie: a=1\r\n\r\n"))["request_head"]
    assert head == {"start": "", "fields": [(":method", "GET"), (":path", "/a?sig=REDACTED"), ("cookie", "REDACTED")]}
