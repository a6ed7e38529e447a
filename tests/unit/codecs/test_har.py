"""HTTP Archives: what the specification asks for is there, and what is not known is said as it has it."""

import json
from typing import Any

import pytest

from pipeline.api import Event, Exchange
from pipeline.codecs import har

HEAD = (
    b"POST /a?x=1&y=%20z HTTP/1.1\r\nHost: shop.example\r\nCookie: sid=abc; b=2\r\n"
    b"Content-Type: text/plain\r\nX-Long: one\r\n two\r\n\r\n"
)
ANSWER = b"HTTP/1.1 302 Moved On\r\nLocation: /b\r\nSet-Cookie: t=1; Path=/\r\nContent-Type: text/html\r\n\r\n"
WHOLE = Exchange(
    timestamp_ns=1_767_323_045_678_901_234,
    http_request_method="POST",
    url_scheme="http",
    url_path="/a",
    url_query="x=1&y=%20z",
    server_address="shop.example",
    server_port=8080,
    client_address="192.0.2.1",
    client_port=4000,
    network_local_address="2001:db8::1",
    network_local_port=8080,
    network_protocol_version="1.1",
    http_response_status_code=302,
    http_request_body_size=5,
    http_response_body_size=100,
    httpipe_duration_ms=12.5,
    httpipe_ttfb_ms=10.25,
    httpipe_request_target="/a?x=1&y=%20z",
    httpipe_connection="c-1",
    request_head=HEAD,
    response_head=ANSWER,
    http_request_body_content="hello",
    http_response_body_content="aGk=",
    httpipe_response_body_encoding="base64",
    httpipe_response_body_decoded_size=300,
    process_executable_name="nginx",
    process_pid=7,
)
REQUIRED = {
    "": {"startedDateTime": str, "time": (int, float), "request": dict, "response": dict, "cache": dict, "timings": dict},
    "request": {
        "method": str,
        "url": str,
        "httpVersion": str,
        "cookies": list,
        "headers": list,
        "queryString": list,
        "headersSize": int,
        "bodySize": int,
    },
    "response": {
        "status": int,
        "statusText": str,
        "httpVersion": str,
        "cookies": list,
        "headers": list,
        "content": dict,
        "redirectURL": str,
        "headersSize": int,
        "bodySize": int,
    },
    "timings": {"send": (int, float), "wait": (int, float), "receive": (int, float)},
}
"""Names and types that HAR 1.2 does not call optional."""


def entries(*events: Event, **options: Any) -> list[dict[str, Any]]:
    """Of a whole document."""
    log = json.loads(har.document(events, "1.0", **options))["log"]
    assert (log["version"], log["creator"]["name"]) == ("1.2", "httpipe")
    found: list[dict[str, Any]] = log["entries"]
    return found


@pytest.mark.parametrize(
    "exchange",
    [
        WHOLE,
        Exchange(timestamp_ns=0),
        Exchange(timestamp_ns=1, http_response_status_code=200, httpipe_marks=("unmatched_response",)),
        Exchange(timestamp_ns=1, http_request_method="GET", url_path="/x", server_address="h", error_type="reset"),
        Exchange(timestamp_ns=1, http_request_method="CONNECT", httpipe_request_target="h:443", url_path=None),
        Exchange(
            timestamp_ns=1,
            url_path="/\udcff",
            http_request_method_original="FOO\udc80",
            request_head=b"\xff\xfe",
            response_head=b"",
        ),
    ],
)
def test_what_is_required_is_there(exchange: Exchange) -> None:
    """Of any exchange, whole or not, whatever bytes stand in it."""
    [entry] = entries(exchange)
    for place, wanted in REQUIRED.items():
        part = entry[place] if place else entry
        assert {name: part[name] for name in wanted if not isinstance(part.get(name), wanted[name])} == {}, place
    assert all(entry["timings"][name] >= 0 for name in ("send", "wait", "receive"))
    assert {"size", "mimeType"} <= set(entry["response"]["content"])


def test_an_exchange_with_heads_and_bodies() -> None:
    """Everything of it, secrets replaced."""
    [entry] = entries(WHOLE)
    request, response = entry["request"], entry["response"]
    assert (entry["startedDateTime"], entry["time"]) == ("2026-01-02T03:04:05.678Z", 12.5)
    assert {name: entry["timings"][name] for name in ("send", "wait", "receive")} == {"send": 0, "wait": 10.25, "receive": 2.25}
    assert (request["method"], request["url"], request["httpVersion"]) == (
        "POST",
        "http://shop.example:8080/a?x=1&y=%20z",
        "HTTP/1.1",
    )
    assert request["queryString"] == [{"name": "x", "value": "1"}, {"name": "y", "value": " z"}]
    assert {"name": "X-Long", "value": "one two"} in request["headers"]
    assert {"name": "Cookie", "value": "REDACTED"} in request["headers"]
    assert request["postData"] == {"mimeType": "text/plain", "text": "hello"}
    assert (response["status"], response["statusText"], response["redirectURL"]) == (302, "Moved On", "/b")
    assert response["content"] == {"size": 300, "compression": 200, "mimeType": "text/html", "text": "aGk=", "encoding": "base64"}
    assert (response["bodySize"], response["headersSize"], request["headersSize"]) == (100, len(ANSWER), len(HEAD))
    assert (entry["serverIPAddress"], entry["connection"]) == ("2001:db8::1", "c-1")
    assert entry["_httpipe"] == {"client": "192.0.2.1:4000", "server": "[2001:db8::1]:8080", "process": "nginx", "pid": 7}


def test_secrets_where_they_are_asked_for() -> None:
    """Cookies as HAR has them."""
    [entry] = entries(WHOLE, show_secrets=True)
    assert entry["request"]["cookies"] == [{"name": "sid", "value": "abc"}, {"name": "b", "value": "2"}]
    assert entry["response"]["cookies"] == [{"name": "t", "value": "1", "path": "/"}]


def test_a_head_of_http2_has_no_start_line() -> None:
    """Pseudo fields stand among the others; how many bytes it had on the wire is not known."""
    exchange = Exchange(
        timestamp_ns=1,
        http_request_method="GET",
        url_path="/x",
        network_protocol_version="2",
        http_response_status_code=200,
        request_head=b":method: GET\r\n:path: /x\r\n:scheme: https\r\ncookie: s=1\r\naccept: */*\r\n\r\n",
        response_head=b":status: 200\r\ncontent-type: text/plain\r\n?\r\n\r\n",
    )
    [entry] = entries(exchange)
    assert [(each["name"], each["value"]) for each in entry["request"]["headers"]] == [
        (":method", "GET"),
        (":path", "/x"),
        (":scheme", "https"),
        ("cookie", "REDACTED"),
        ("accept", "*/*"),
    ]
    assert (entry["request"]["headersSize"], entry["response"]["headersSize"]) == (-1, -1)
    assert (entry["response"]["statusText"], entry["response"]["content"]["mimeType"]) == ("", "text/plain")


def test_without_heads_there_are_the_headers_that_were_asked_for() -> None:
    """Of HTTP/2 here."""
    exchange = Exchange(
        timestamp_ns=1,
        http_request_method="GET",
        url_scheme="https",
        url_path="/",
        server_address="h.example",
        server_port=443,
        network_protocol_version="2",
        http_response_status_code=404,
        http_response_headers={"content-type": ("application/json",)},
    )
    [entry] = entries(exchange)
    assert (entry["request"]["url"], entry["request"]["httpVersion"]) == ("https://h.example/", "HTTP/2.0")
    assert (entry["response"]["statusText"], entry["response"]["headersSize"]) == ("", -1)
    assert entry["response"]["content"]["mimeType"] == "application/json"


def test_what_is_missing_is_said() -> None:
    """A request without its answer, an answer without its request."""
    alone, other = entries(
        Exchange(
            timestamp_ns=1,
            http_request_method="GET",
            url_path="/",
            server_address="h",
            error_type="reset",
            httpipe_marks=("unmatched_request", "gap"),
        ),
        Exchange(timestamp_ns=1, http_response_status_code=200, httpipe_marks=("unmatched_response",)),
    )
    assert (alone["response"]["status"], alone["_error"], alone["comment"]) == (0, "reset", "unmatched_request, gap")
    assert (other["request"]["url"], other["request"]["method"]) == ("", "")


def test_a_library_reads_it() -> None:
    """haralyzer, of the exchanges of a capture: each with its URL, status, headers and times."""
    from haralyzer import HarParser  # noqa: PLC0415

    [entry] = HarParser(json.loads(har.document([WHOLE], "1.0"))).pages[0].entries
    assert (entry.request.method, entry.request.url) == ("POST", "http://shop.example:8080/a?x=1&y=%20z")
    assert (entry.response.status, entry.response.get_header_value("Location")) == (302, "/b")
    assert entry.startTime.isoformat() == "2026-01-02T03:04:05.678000+00:00"
    assert (entry.timings["wait"], entry.response.textEncoding) == (10.25, "base64")
