"""What conditions mean, which errors they give, and that nothing outside the language can be reached."""

import pytest

from pipeline.expressions.condition import compile_condition, compile_filter
from pipeline.expressions.errors import ExpressionError
from pipeline.expressions.value import compile_value
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import Exchange
from pipeline.model.events.fields import FieldType
from pipeline.model.events.measurement import Measurement
from pipeline.model.events.tls_handshake import TlsHandshake
from pipeline.model.events.websocket_message import WebsocketMessage

FULL = Exchange(
    timestamp_ns=1_767_225_600_000_000_000,  # 2026-01-01T00:00:00Z
    attributes={"team": "payments", "score": 7, "sampled": True, "tags": ("a", "b"), "queue.wait_ms": 300.0},
    http_request_method="POST",
    url_path="/api/users/7",
    url_query="page=2&q=a%20b+c&empty&%74oken=x",
    server_address="shop.example",
    server_port=8080,
    client_address="10.1.2.3",
    http_response_status_code=503,
    http_request_body_size=20_480,
    http_request_headers={"x-id": ("abc",), "accept": ("text/html", "text/plain"), "content-length": ("42",)},
    httpipe_duration_ms=251.5,
    httpipe_ttfb_ms=1.5,
    httpipe_marks=("gap",),
)
EMPTY = Exchange(timestamp_ns=0)
KNOWN = {
    "team": FieldType.STRING,
    "score": FieldType.INT,
    "sampled": FieldType.BOOL,
    "tags": FieldType.STRINGS,
    "queue.wait_ms": FieldType.FLOAT,
}

TRUE = [
    'http.response.status_code >= 500 and url.path.startswith("/api/")',
    'status == 503 and method == "POST" and host == "shop.example" and port == 8080',
    "500 <= status < 600",
    "status in (502, 503) and status not in [200, 204]",
    'method in ("GET", "POST")',
    'not client in cidr("192.168.0.0/16")',
    'client.address in cidr("10.0.0.0/8", "fd00::/8")',
    'path.endswith("7") and path.contains("users") and "users" in path and "nothing" not in path',
    'path.startswith("/x", "/api")',
    'path.upper() == "/API/USERS/7" and method.lower() == "post"',
    'path.glob("/api/*/7") and path.glob("/api/**") and not path.glob("/api/*")',
    'path.matches("^/api/(users|groups)/[0-9]+$")',
    'http.request.header["X-Id"] == "abc"',
    'http.request.header.accept == "text/html, text/plain"',
    'int(http.request.header["content-length"]) == 42',
    'url.query["page"] == "2" and query["q"] == "a b c" and query["empty"] == "" and query["token"] == "x"',
    'http.request.body.size > "10KiB" and http.request.body.size <= "20.48 kB"',
    'duration_ms > "250ms" and duration_ms < "1s"',
    'duration_ms - ttfb_ms == "250ms"',
    "duration_ms / 2 > 125 and duration_ms // 2 == 125 and status % 10 == 3 and -status < 0 and status * 2 == 1006",
    "has(status) and has(marks) and not has(user_agent.original)",
    'has(http.request.header["x-id"]) and not has(http.request.header.cookie) and has(query["page"])',
    '"gap" in httpipe.marks and "truncated" not in marks',
    'timestamp == "2026-01-01T00:00:00Z" and timestamp < "2026-01-01T01:00:00.5+01:00" or timestamp > "2025-12-31"',
    'team == "payments" and score > 5 and sampled and "a" in tags',
    'queue.wait_ms > "0.2s"',
    'attributes["team"] == "payments" and attributes["score"] == 7 and attributes["sampled"] == True',
    'coalesce(user_agent.original, "none") == "none" and len(path) == 12 and len(marks) == 1',
    '("slow" if duration_ms > 100 else "quick") == "slow"',
    'str(status).startswith("5") and method + " " + path == "POST /api/users/7"',
    'event.name == "http.exchange"',
    "status >= 500\n  and status < 600  # over several lines",
    "sampled == True",
]


@pytest.mark.parametrize("text", TRUE)
def test_holds(text: str) -> None:
    """The condition holds for the full event, in all three forms that it is compiled to, and never raises on the empty one."""
    condition = compile_condition(text, KNOWN)
    assert condition.test(FULL) is True
    assert condition.select([FULL, FULL]) == [FULL, FULL]
    assert condition.split([FULL]) == ([FULL], [])
    assert condition.test(EMPTY) in (True, False)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("status >= 500", False),
        ("status < 500", False),
        ("status != 500", False),
        ("status == 500", False),
        ("not status >= 500", True),
        ('method not in ("GET",)', False),
        ('not method in ("GET",)', True),
        ("path.startswith('/')", False),
        ('client not in cidr("10.0.0.0/8")', False),
        ("status + 1 > 0", False),
        ("status / (status - status) > 0", False),
        ('"x" not in http.request.header.accept', False),
        ("int(method) == 1", False),
        ("attributes['nothing'] == 1", False),
        ("attributes['nothing']", False),
        ("has(status) or True", True),
        ("coalesce(status, 0) == 0", True),
        ('"gap" not in marks', True),
    ],
)
def test_missing_field_makes_a_comparison_false(text: str, holds: bool) -> None:  # noqa: FBT001
    """A comparison that touches a missing field is false whichever way it points; `not` negates the outcome."""
    assert compile_filter(text)(EMPTY) is holds


def test_misses_are_counted() -> None:
    """Each comparison that met a missing field counts once."""
    condition = compile_condition("status >= 500 or duration_ms > 5")
    condition.select([EMPTY, FULL, EMPTY])
    assert condition.new_misses() == 4
    assert condition.new_misses() == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http.respnse.status_code > 1", 'unknown field "http.respnse.status_code"; did you mean "http.response.status_code"?'),
        ("statuscode > 1", 'unknown field "statuscode"; did you mean "status"?'),
        ("status_code > 1", 'did you mean "'),
        ('status > "x"', "compares a number with the text"),
        ('duration_ms > "10KiB"', 'such as "250ms"'),
        ("path > 1", "compares text with a number"),
        ("path", "write has(url.path)"),
        ("status = 5", 'write "==" to compare'),
        ("status > 1 && path", 'write "and"'),
        ("status is None", "write == or has(field)"),
        ("status == None", "has(field)"),
        ('http.request.header["x-count"] > 10', "write int(…) around"),
        ('http.request.header.x-id == "a"', 'header["x-id"]'),
        ("ha(status)", 'did you mean "has"?'),
        ('path.startwith("x")', 'did you mean "startswith"?'),
        ('startswith(path, "x")', "url.path.startswith(…)"),
        ('path.matches("(")', "is not an RE2 pattern"),
        (r'path.matches("(a)\\1")', "is not an RE2 pattern"),
        ('client in cidr("10.0.0.1/8")', "has host bits set"),
        ('cidr("10.0.0.0/8")', 'stands after "in"'),
        ("marks == 'gap'", 'with "in"'),
        ("sampled > True", "no order"),
        ("status in ()", "at least one"),
        ("status in (path,)", "holds constants"),
        ("true", "write True"),
        ("", "is empty"),
        ("1 +", "cannot be read"),
        ('timestamp > "yesterday"', "is not a time"),
        ("path == 'a' if status else 'b'", "is a number, where true or false"),
        ("has(1)", "name of a field"),
        ('status > "5KB"', "write a plain number"),
        ("status > 1) or (status < 5", "cannot be read at column 11"),
        ("coalesce(path, status) == 1", "must have the same type"),
        ("path.startswith(method)", "constant texts"),
        ('attributes["url.path"] == ""', "is a field, not an attribute"),
        ('foo["x"] == 1', "only headers, url.query and attributes"),
        ("status >= 99999999999999999999", "is not a number"),
    ],
)
def test_errors_say_what_to_write(text: str, message: str) -> None:
    """What is wrong is said in words, with the right one where there is one."""
    with pytest.raises(ExpressionError) as caught:
        compile_condition(text, KNOWN)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "().__class__.__bases__[0].__subclasses__()",
        "path.__class__",
        "path.__class__.__mro__",
        "path.__len__() > 0",
        "path.format(status) == ''",
        "__import__('os').system('true')",
        "eval('1')",
        "exec('1')",
        "open('/etc/passwd')",
        "globals()",
        "miss()",
        "event == 1",
        "x.url_path == ''",
        "x",
        "k0(path)",
        "view(1)",
        "lambda: 1",
        "[c for c in marks]",
        "(v1 := 5) > 1",
        "f'{status}' == ''",
        "{**marks}",
        "{'a': 1}",
        "path[0] == '/'",
        "path[0:1] == '/'",
        "marks[0]",
        "9 ** 9 ** 9 > 1",
        "1 << 9999999999 > 1",
        "'a' * 99999999999 == 'a'",
        "has(status, status)",
        "has(*marks)",
        "path.startswith(prefix='x')",
        "status.real == 1",
        "attributes['a']['b'] == 1",
        "await path",
        "yield",
        "b'bytes' == path",
        "1j == status",
        "... == status",
        "path @ path",
        "~status == 1",
        "import os",
        "status == 1; status",
        "a.b.c.d.e.f()",
        "http.request.header['a'].__class__",
        "True.__class__",
        "('a').join(marks) == ''",
        "@path",
        ") or (True",
        "status == 1)\nimport os\n(1",
        "*marks",
    ],
)
def test_known_escapes_are_refused(text: str) -> None:
    """Nothing that is not in the language compiles, whatever it is built from."""
    with pytest.raises(ExpressionError):
        compile_condition(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "1" + ")" * 5000,
        "not " * 3000 + "True",
        "-" * 60_000 + "1 > 0",
        "a." * 5000 + "b",
        "1+" * 20_000 + "1 > 0",
        "x" * 70_000,
        "status > 1\x00",
        "\ud800 == 1",
    ],
)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_texts_made_to_exhaust_are_refused(text: str) -> None:
    """Depth and length are bounded before anything recurses."""
    with pytest.raises(ExpressionError):
        compile_condition(text)


def test_products_stay_within_a_float() -> None:
    """Numbers are bounded so that no product overflows when it meets a float."""
    with pytest.raises(ExpressionError, match="multiplications"):
        compile_condition(" * ".join(["status"] * 20) + " * 1.5 > 0")
    largest = Exchange(timestamp_ns=0, http_response_status_code=(1 << 64) - 1)
    assert compile_filter(" * ".join(["status"] * 9) + " / 3 > 1.5")(largest)


def test_attributes_of_another_type_count_as_missing() -> None:
    """An attribute that is not of its declared type is missing; a bool is no number."""
    odd = Exchange(timestamp_ns=0, attributes={"score": "seven", "team": 7})
    assert not compile_filter("score > 1 or team == 'x'", KNOWN)(odd)
    assert not compile_filter("attributes['flag'] == 1")(Exchange(timestamp_ns=0, attributes={"flag": True}))


def test_other_events_are_seen_through_their_attributes() -> None:
    """An event that is no exchange has the fields that its attributes are named after."""
    measured = Measurement(1, {"server.address": "a.example", "http.response.status_code": 503, "httpipe.requests": 9})
    known = {"httpipe.requests": FieldType.INT}
    condition = compile_condition(
        'host == "a.example" and status == 503 and httpipe.requests > 5 and event.name == "http.measurement"', known
    )
    assert condition.select([measured, FULL]) == [measured]
    assert not compile_filter("path == 'x'")(measured)


def test_the_kind_of_event_is_a_name_like_any_other() -> None:
    """Of an exchange, of a measurement, and of a kind that is not known here, whose name stands among its attributes."""
    events = [FULL, Measurement(1), Event(2, {"event.name": "next.year"}), Event(3, {"event.name": 4}), Event(5)]
    names = compile_value("event.name")
    assert [names.of(event) for event in events] == ["http.exchange", "http.measurement", "next.year", "event", "event"]
    assert compile_condition('event.name in ("http.exchange", "next.year")').select(events) == [events[0], events[2]]


def test_fields_of_other_kinds_are_named_and_typed_as_those_of_exchanges() -> None:
    """One expression serves a stream of several kinds: what an event's kind does not have is missing."""
    old = TlsHandshake(1, client_address="192.0.2.1", tls_protocol_version="1.0", tls_client_server_name="a.example")
    new = TlsHandshake(2, tls_protocol_version="1.3", httpipe_tls_client_alpn=("h2", "http/1.1"), httpipe_duration_ms=1500.0)
    large = WebsocketMessage(3, httpipe_websocket_size=20_480, url_path="/chat", server_address="a.example", server_port=8080)
    attribute = FULL.replace(attributes={"tls.protocol.version": "1.0", "httpipe.websocket.size": "20480"})
    events = [old, new, large, FULL, attribute]

    def kept(text: str) -> list[Event]:
        return compile_condition(text).select(events)

    assert kept('tls.protocol.version < "1.2"') == [old, attribute]
    assert kept('event.name == "tls.handshake" and client == "192.0.2.1" and sni.endswith(".example")') == [old]
    assert kept('"h2" in httpipe.tls.client.alpn and duration_ms > "1s"') == [new]
    assert kept('httpipe.websocket.size >= "20KiB" and path == "/chat" and port == 8080') == [large]
    assert kept("has(tls.client.server_name)") == [old]
    assert compile_value("tls.protocol.version").of(new) == "1.3"
    with pytest.raises(ExpressionError, match=r"is a field, not an attribute; write tls\.cipher"):
        compile_condition('attributes["tls.cipher"] == "x"')
    with pytest.raises(ExpressionError, match=r'did you mean "tls\.next_protocol"'):
        compile_condition('alpn == "h2"')


def test_usual_attributes_of_another_kind_have_their_types() -> None:
    """So a filter behind Kafka knows the numbers of measurements, which no transform upstream has declared."""
    slow = Measurement(1, {"httpipe.requests": 9, "httpipe.latency_ms.p99": 1500.0})
    odd = Measurement(2, {"httpipe.requests": "9", "httpipe.latency_ms.p99": True})
    assert compile_condition('httpipe.window_secs <= "1m"').select([Measurement(1, {"httpipe.window_secs": 60.0}), slow]) != []
    assert compile_condition('httpipe.latency_ms.p99 > "1s" and httpipe.requests >= 9').select([slow, odd, FULL]) == [slow]
    with pytest.raises(ExpressionError, match="compares a number with the text"):
        compile_condition('httpipe.requests == "nine"')


def test_fields_of_plugins_events_are_checked() -> None:
    """An event of a plugin may have fields of the same names and other types: they count as missing."""

    class Odd(Event, frozen=True):
        http_response_status_code: str = "many"
        url_path: str = "/x"

    assert compile_filter('path == "/x" and not status > 5')(Odd(timestamp_ns=0))
    assert compile_filter("status > 5")(Odd(0, {"http.response.status_code": 6}))


def test_hostile_text_is_matched_without_raising() -> None:
    """Lone surrogates, megabytes and bombs for backtracking engines go through every text function in bounded time."""
    bomb = Exchange(
        timestamp_ns=0,
        url_path="a" * 1_000_000 + "\ud800!",
        url_query="&".join(["%zz=%"] * 10_000),
        server_address="1" * 100_000,
        http_request_headers={f"h{n}": ("\ud800" * 3,) for n in range(10_000)} | {"n": ("9" * 1_000_000,)},
    )
    text = (
        'path.matches("^(a+)+$") or path.glob("*a*a*a*a*b") or query["x"] == "1" or host in cidr("::/0") or '
        'http.request.header["h1"].lower() == "x" or int(http.request.header.n) > 1 or float(http.request.header.n) > 1'
    )
    assert compile_filter(text)(bomb) is False


def test_mapped_addresses_count_as_ipv4() -> None:
    """An IPv4 address mapped into IPv6 is in the IPv4 network."""
    assert compile_filter('client in cidr("10.0.0.0/8")')(Exchange(timestamp_ns=0, client_address="::ffff:10.0.0.1"))


def test_explicit_names_win_over_nothing() -> None:
    """Fields that a condition reads are known by their outside names."""
    fields = compile_condition("status > 1 and host == 'a' and http.request.header['x-a'] == '1' and attributes['b'] == 1").fields
    assert fields == {"http.response.status_code", "server.address", "http.request.header.x-a", "b"}
