"""Transforms that change events: set, remove, rename, template_path, trace, limit."""

import pytest

from pipeline.api import ConfigError, FieldType
from pipeline.testing.transforms import Driven, exchange
from pipeline.transforms.limit import Limit
from pipeline.transforms.remove import Remove
from pipeline.transforms.rename import Rename
from pipeline.transforms.set import Set
from pipeline.transforms.template_path import TemplatePath
from pipeline.transforms.trace import Trace

EVENT = exchange(
    attributes={"team": "a", "old": 1},
    url_query="x=1",
    server_address="Shop.Example",
    http_request_headers={"x-tenant": ("t1", "t2"), "cookie": ("c",)},
    http_response_headers={"server": ("nginx",)},
    request_head=b"GET / HTTP/1.1\r\n\r\n",
)


def test_set_reads_everything_from_the_event_as_it_came() -> None:
    """Fields, headers and attributes are set from expressions and templates; what cannot be computed stays as it is."""
    driven = Driven(
        Set,
        {
            "values": {
                "server.address": "host.lower()",
                "slow": 'duration_ms > "1s"',
                "class": "status // 100",
                "team": "duration_ms",
            },
            "texts": {"copy": "{{host}}:{{attributes['team']}}", "http.request.header.X-New": "{{status}}"},
        },
    )
    event = driven.one(EVENT)
    assert event.server_address == "shop.example"
    assert event.attributes == {"team": "a", "old": 1, "slow": False, "class": 2, "copy": "Shop.Example:a"}
    assert event.http_request_headers["x-new"] == ("200",)
    assert driven.counts == {"missing_value": 1, "missing_field": 2}
    assert driven.transform.adds == {
        "slow": FieldType.BOOL,
        "class": FieldType.INT,
        "team": FieldType.FLOAT,
        "copy": FieldType.STRING,
    }
    assert driven.transform.adds_headers == ["http.request.header.X-New"]
    assert EVENT.server_address == "Shop.Example"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"values": {"status": "path"}}, "gives string, but http.response.status_code holds int"),
        ({"texts": {"status": "x"}}, "use values.status"),
        ({"values": {"timestamp": "timestamp"}}, "cannot be changed"),
        ({"texts": {"a": "{{nothing}}"}}, 'unknown field "nothing"'),
        ({}, "nothing to set"),
    ],
)
def test_set_refuses_what_does_not_fit(options: dict[str, object], message: str) -> None:
    """Types are checked before any event comes."""
    with pytest.raises(ConfigError, match=message):
        Driven(Set, options)


def test_remove_takes_fields_headers_and_what_is_below_a_name() -> None:
    """The raw heads go too, since they repeat what was removed."""
    names = ["url.query", "http.request.header.cookie", "old", "http.response.header.*", "nothing"]
    event = Driven(Remove, {"fields": names}).one(EVENT)
    assert event.url_query is None
    assert dict(event.http_request_headers) == {"x-tenant": ("t1", "t2")}
    assert dict(event.http_response_headers) == {}
    assert event.attributes == {"team": "a"}
    assert event.request_head is None
    untouched = exchange()
    assert Driven(Remove, {"fields": names}).one(untouched) is untouched


def test_rename_moves_values() -> None:
    """All old values are read before any new one is written, so names can change places."""
    event = Driven(
        Rename, {"fields": {"http.request.header.x-tenant": "tenant", "old": "team", "team": "old", "url.query": "q"}}
    ).one(EVENT)
    assert event.attributes == {"tenant": "t1, t2", "team": 1, "old": "a", "q": "x=1"}
    assert "x-tenant" not in event.http_request_headers
    assert event.url_query is None
    assert Driven(Rename, {"fields": {"old": "http.request.header.x-old"}}).transform.adds_headers == [
        "http.request.header.x-old"
    ]
    with pytest.raises(ConfigError, match="is int"):
        Driven(Rename, {"fields": {"status": "url.path"}})


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/users/123", "/users/{id}"),
        ("/users/123/orders/9", "/users/{user}/orders/{order}"),
        ("/static/js/app.js", "/static/{file...}"),
        ("/v1/5d41402abc4b2a76b9719d911017c592/x", "/v1/{id}/x"),
        ("/f/550e8400-e29b-41d4-a716-446655440000", "/f/{id}"),
        ("/facade/deadbeefdeadbeef", "/facade/deadbeefdeadbeef"),
        ("/", "/"),
        ("", ""),
        ("*", "*"),
        ("/users/me/orders/", "/users/me/orders/"),
        ("//", "//"),
    ],
)
def test_template_path(path: str, template: str) -> None:
    """Rules first, then what looks like an id."""
    rules = ["/users/{user}/orders/{order}", "/static/{file...}"]
    assert Driven(TemplatePath, {"rules": rules}).one(exchange(url_path=path)).attributes == {"url.template": template}


def test_template_path_is_bounded() -> None:
    """A scanner that makes up paths gets `{other}` after a while; templates that were known before stay."""
    driven = Driven(TemplatePath, {"max_templates": 10})
    found = {driven.one(exchange(url_path=f"/x{number}y")).attributes["url.template"] for number in range(100)}
    assert len(found) == 11
    assert "{other}" in found
    assert driven.counts == {"other_templates": 90}
    assert driven.one(exchange(url_path="/x3y")).attributes["url.template"] == "/x3y"


TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("headers", "ids"),
    [
        ({"traceparent": TRACEPARENT}, ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True)),
        ({"traceparent": "cc" + TRACEPARENT[2:] + "-what-ever"}, ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True)),
        ({"traceparent": TRACEPARENT + "-x"}, (None, None, None)),
        ({"traceparent": "ff" + TRACEPARENT[2:]}, (None, None, None)),
        ({"traceparent": TRACEPARENT.upper()}, (None, None, None)),
        ({"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"}, (None, None, None)),
        ({"traceparent": "bad", "x-request-id": "r-1"}, ("r-1", None, None)),
        (
            {"b3": "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90"},
            ("80f198ee56343ba864fe8b2a57d3eff7", "e457b5a2e4d86bd1", True),
        ),
        ({"b3": "0"}, (None, None, None)),
        (
            {"x-b3-traceid": "64fe8b2a57d3eff7", "x-b3-spanid": "e457b5a2e4d86bd1", "x-b3-sampled": "0"},
            ("0" * 16 + "64fe8b2a57d3eff7", "e457b5a2e4d86bd1", False),
        ),
        ({"x-request-id": "550e8400-e29b-41d4-a716-446655440000"}, ("550e8400e29b41d4a716446655440000", None, None)),
        ({"x-request-id": "a\x1b[2J"}, (None, None, None)),
        ({"x-request-id": "a" * 1_000_000}, (None, None, None)),
        ({}, (None, None, None)),
    ],
)
def test_trace(headers: dict[str, str], ids: tuple[object, ...]) -> None:
    """Only ids that the specifications allow are taken."""
    event = Driven(Trace).one(exchange(http_request_headers={name: (value,) for name, value in headers.items()}))
    assert tuple(event.attributes.get(name) for name in ("trace_id", "span_id", "trace_sampled")) == ids


def test_limit_cuts_and_marks() -> None:
    """What is too long ends at the limit, what is too many stops there; an event within its limits is the same event."""
    driven = Driven(Limit, {"max_text_chars": 5, "max_header_chars": 3, "max_headers": 4, "max_body_chars": 2})
    event = exchange(
        url_path="/" + "x" * 1_000_000,
        http_request_headers={f"h{number}": ("1234", "1") for number in range(10_000)},
        http_response_body_content="body",
        attributes={"long": "123456", "list": ("123456",) * 9, "number": 123456},
    )
    cut = driven.one(event)
    assert cut.url_path == "/xxxx"
    assert dict(cut.http_request_headers) == {"h0": ("123", "1"), "h1": ("123", "1")}
    assert cut.http_response_body_content == "bo"
    assert cut.attributes == {"long": "12345", "list": ("12345",) * 5, "number": 123456}
    assert cut.httpipe_marks == ("truncated",)
    assert driven.one(exchange()) is not None
    assert driven.counts == {"cut_events": 1}
    small = exchange()
    assert driven.one(small) is small
