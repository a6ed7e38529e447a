"""What the sink `otlp` writes, read by OpenTelemetry's own classes: spans, log records, metrics, and what they belong to."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.api import DEFAULT, Context, Event, FieldType, Measurement
from pipeline.codecs.flat import flat
from pipeline.codecs.selection import Selection
from pipeline.model.events.exchange import EXCHANGE, Exchange
from pipeline.model.events.firewall_decision import FirewallDecision
from pipeline.model.events.tls_handshake import TlsHandshake
from pipeline.sinks.otlp.answer import refused_in, retry_delay
from pipeline.sinks.otlp.signals import Exchanges, Export, Signal
from pipeline.sinks.otlp.spans import KindOption
from pipeline.testing.contract import odd_events
from pipeline.transforms.aggregate import Aggregate, AggregateConfig
from tests.otlp_receiver import attributes, items

NOW_NS = 1_767_225_600 * 1_000_000_000
SERVER, CLIENT = 2, 3
GET = Exchange(
    timestamp_ns=NOW_NS,
    http_request_method="GET",
    url_scheme="http",
    url_path="/items/7",
    url_query="a=b",
    server_address="shop.example",
    server_port=8080,
    client_address="192.0.2.1",
    client_port=40_000,
    network_local_address="192.0.2.2",
    network_local_port=8080,
    http_response_status_code=200,
    httpipe_duration_ms=12.5,
    httpipe_connection="c1",
    httpipe_sequence=3,
    httpipe_marks=("mid_stream",),
)
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def export(
    events: Sequence[Event],
    signal: Signal = Signal.TRACES,
    kind: KindOption = "auto",
    exchanges: Exchanges = "spans",
    selection: Selection | None = None,
    **resource: str,
) -> list[tuple[dict[str, Any], Any]]:
    """Resource and item of each event, as a server reads them."""
    made = Export(
        exchanges, kind, {name.replace("_", "."): text for name, text in resource.items()}, selection or Selection(), "1"
    )
    assert all(made.signal_of(event) is signal for event in events)
    return list(items(signal, made.body(signal, events)))


def span(event: Exchange, kind: KindOption = "auto", **options: Any) -> Any:
    """The span of one exchange."""
    ((_, found),) = export([event], kind=kind, **options)
    return found


def test_a_span_says_what_the_exchange_says() -> None:
    """Names, times in nanoseconds, every field under its name; what the span has a field of its own for is no attribute."""
    found = span(GET)
    assert (found.name, found.kind, found.status.code) == ("GET", SERVER, 0)
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == (NOW_NS, NOW_NS + 12_500_000)
    said = flat(GET)
    for name in ("event.name", "timestamp", "httpipe.duration_ms"):
        del said[name]
    said["httpipe.marks"] = list(said["httpipe.marks"])  # type: ignore[arg-type, assignment]
    assert attributes(found.attributes) == said


def test_a_client_span_names_the_ends_as_a_client_does() -> None:
    """Its peer is the server, it has the whole URL, and a 4xx is its error (semantic conventions, HTTP client spans)."""
    found = span(GET.replace(http_response_status_code=404), "client")
    said = attributes(found.attributes)
    assert (found.kind, found.status.code) == (CLIENT, 2)
    assert (said["network.peer.address"], said["network.peer.port"]) == ("192.0.2.2", 8080)
    assert (said["network.local.address"], said["network.local.port"]) == ("192.0.2.1", 40_000)
    assert said["url.full"] == "http://shop.example:8080/items/7?a=b"
    assert said["error.type"] == "404"
    assert attributes(span(GET.with_attributes(**{"url.full": "mine"}), "client").attributes)["url.full"] == "mine"


@pytest.mark.parametrize(
    ("changes", "option", "kind", "service"),
    [
        ({}, "auto", SERVER, "unknown_service"),
        ({"process_executable_name": "nginx", "httpipe_process_end": "server"}, "auto", SERVER, "nginx"),
        ({"process_executable_name": "curl", "httpipe_process_end": "client"}, "auto", CLIENT, "curl"),
        ({"process_executable_name": "curl", "httpipe_process_end": "client"}, "server", SERVER, "unknown_service"),
        (
            {
                "process_executable_name": "nginx",
                "httpipe_process_end": "server",
                "httpipe_client_process_executable_name": "curl",
            },
            "client",
            CLIENT,
            "curl",
        ),
    ],
)
def test_which_end_a_span_is_of(changes: dict[str, Any], option: KindOption, kind: int, service: str) -> None:
    """That whose process is known, or as the option says; its process names the service where nothing else does."""
    ((resource, found),) = export([GET.replace(**changes)], kind=option)
    assert (found.kind, resource) == (kind, {"service.name": service})


@pytest.mark.parametrize(
    ("changes", "of_server", "of_client"),
    [
        ({"http_response_status_code": 302}, 0, 0),
        ({"http_response_status_code": 404}, 0, 2),
        ({"http_response_status_code": 500, "error_type": "500"}, 2, 2),
        ({"http_response_status_code": None, "error_type": "reset"}, 2, 2),
        ({"rpc_grpc_status_code": 0}, 0, 0),
        ({"rpc_grpc_status_code": 5}, 0, 2),
        ({"rpc_grpc_status_code": 14}, 2, 2),
    ],
)
def test_the_status_is_an_error_as_the_conventions_say(changes: dict[str, Any], of_server: int, of_client: int) -> None:
    """Of a server its own faults, of a client every answer that is an error, HTTP and gRPC alike."""
    event = GET.replace(**changes)
    assert (span(event, "server").status.code, span(event, "client").status.code) == (of_server, of_client)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "GET"),
        ({"attributes": {"url.template": "/items/{id}"}}, "GET /items/{id}"),
        ({"attributes": {"url.template": "/items/{id}", "http.route": "/items/:id"}}, "GET /items/:id"),
        ({"http_request_method": "_OTHER", "http_request_method_original": "BREW"}, "HTTP"),
        ({"http_request_method": None}, "HTTP"),
        ({"rpc_system": "grpc", "rpc_service": "shop.Cart", "rpc_method": "Add"}, "shop.Cart/Add"),
    ],
)
def test_a_span_is_named_as_the_conventions_say(changes: dict[str, Any], name: str) -> None:
    """Method and route, never the path; a call by service and method."""
    found = span(GET.replace(**changes))
    assert found.name == name
    if "attributes" in changes:
        assert attributes(found.attributes)["http.route"] == name.partition(" ")[2]


@pytest.mark.parametrize(
    "changes",
    [
        {"http_request_headers": {"traceparent": (f"00-{TRACE}-{SPAN}-01",), "tracestate": ("a=1", "b=2")}},
        {"http_request_headers": {"b3": (f"{TRACE}-{SPAN}-1",), "tracestate": ("a=1,b=2",)}},
        {"attributes": {"trace_id": TRACE, "span_id": SPAN, "trace_sampled": True}},
    ],
)
def test_the_trace_is_that_of_the_request(changes: dict[str, Any]) -> None:
    """From its headers or from what the transform `trace` found there; the caller's span is the parent."""
    found = span(GET.replace(**changes))
    assert (found.trace_id.hex(), found.parent_span_id.hex(), found.flags) == (TRACE, SPAN, 0x301)
    assert found.trace_state == ("a=1,b=2" if "http_request_headers" in changes else "")
    assert len(found.span_id) == 8
    assert found.span_id.hex() != SPAN
    assert "trace_id" not in attributes(found.attributes)


def test_a_caller_that_does_not_sample_is_told() -> None:
    """By the flags, so that the backend may leave it out."""
    assert span(GET.replace(http_request_headers={"traceparent": (f"00-{TRACE}-{SPAN}-00",)})).flags == 0x300


@pytest.mark.parametrize("wrong", ["0" * 32, "xyz", "a-request-id", TRACE.upper()])
def test_what_is_no_trace_id_is_none(wrong: str) -> None:
    """A request id that is not one of 32 digits, zeros: then ids are made, and there is no parent."""
    found = span(GET.replace(attributes={"trace_id": wrong, "span_id": SPAN}))
    assert found.trace_id == span(GET).trace_id
    assert not found.parent_span_id


def test_made_ids_are_the_same_for_the_same_exchange_and_differ_else() -> None:
    """So that a backend can tell what is sent again."""
    events = [GET, GET.replace(httpipe_sequence=4), GET.replace(timestamp_ns=NOW_NS + 1), GET.replace(httpipe_connection="c2")]
    ids = [(found.trace_id, found.span_id) for _, found in export(events)]
    assert len(set(ids)) == 4
    assert [(found.trace_id, found.span_id) for _, found in export(events)] == ids


def test_what_events_belong_to_stands_once_in_a_resource() -> None:
    """By host, service, container and pod; the event's own word is worth more than the file's."""
    shop = {"service.name": "shop", "host.name": "a"}
    events = [
        GET.replace(attributes=shop),
        GET.replace(attributes=dict(shop), container_id="c"),
        GET,
        GET.replace(attributes={**shop, "my.own": 1}),
    ]
    found = export(events, service_name="other", deployment_environment_name="test")
    always = {"deployment.environment.name": "test"}
    assert [resource for resource, _ in found] == [
        {**always, **shop}, {**always, **shop}, {**always, **shop, "container.id": "c"}, {**always, "service.name": "other"},
    ]  # fmt: skip
    assert attributes(found[1][1].attributes)["my.own"] == 1
    assert not any(
        name.startswith(("service.", "host.", "container.")) for _, each in found for name in attributes(each.attributes)
    )


def test_a_selection_of_fields_is_kept() -> None:
    """Also of what is derived, and of headers and attributes."""
    event = GET.replace(http_request_headers={"x-a": ("1", "2")}, attributes={"url.template": "/items/{id}", "my.own": 1.5})
    only = span(event, "client", selection=Selection(only=("http.request", "my")))
    assert attributes(only.attributes) == {"http.request.method": "GET", "http.request.header.x-a": ["1", "2"], "my.own": 1.5}
    without = attributes(span(event, "client", selection=Selection(without=("url", "httpipe", "network"))).attributes)
    assert not any(name.startswith(("url.", "httpipe.", "network.")) for name in without)


def test_a_log_record_says_what_the_event_says() -> None:
    """In words as its body, every field as an attribute; severity by what happened; the caller's ids."""
    event = GET.replace(http_response_status_code=503, error_type="503", attributes={"trace_id": TRACE, "span_id": SPAN})
    ((_, found),) = export([event], Signal.LOGS, exchanges="logs")
    assert (
        found.body.string_value
        == "503 GET shop.example:8080/items/7?a=b 12.5ms - / - 192.0.2.1:40000 → 192.0.2.2:8080 mid_stream"
    )
    assert (found.time_unix_nano, found.observed_time_unix_nano) == (NOW_NS, NOW_NS)
    assert (found.severity_number, found.severity_text, found.event_name) == (17, "ERROR", "http.exchange")
    assert (found.trace_id.hex(), found.span_id.hex(), found.flags) == (TRACE, SPAN, 1)
    assert attributes(found.attributes)["httpipe.duration_ms"] == 12.5


@pytest.mark.parametrize(
    ("event", "severity"),
    [
        (TlsHandshake(NOW_NS), "INFO"),
        (TlsHandshake(NOW_NS, error_type="handshake_failure"), "ERROR"),
        (FirewallDecision(NOW_NS, httpipe_firewall_action="refused"), "WARN"),
        (FirewallDecision(NOW_NS, httpipe_firewall_action="allowed"), "INFO"),
        (Event(NOW_NS, {"event.name": "plugin.thing", "n": 1}), "INFO"),
    ],
)
def test_other_kinds_are_log_records(event: Event, severity: str) -> None:
    """Named by their kind."""
    ((_, found),) = export([event], Signal.LOGS)
    assert (found.severity_text, found.event_name) == (severity, flat(event)["event.name"])


def measured(durations: Sequence[float | None], **options: Any) -> Event:
    """What `aggregate` makes of requests with these durations, by host."""
    transform = Aggregate(AggregateConfig.model_validate({"by": ["server.address"], **options}), Context("a"))
    transform.process([GET.replace(httpipe_duration_ms=each, http_response_status_code=500) for each in durations])
    (event,) = transform.flush(NOW_NS, last=True)[DEFAULT]
    return event


def test_measurements_are_metrics() -> None:
    """A histogram in seconds by OpenTelemetry's name and bounds, delta sums, and gauges; the window is the interval."""
    event = measured([3, 3, 70, 20_000, None])
    metrics = {found.name: found for _, found in export([event], Signal.METRICS)}
    histogram = metrics["http.server.request.duration"]
    assert (histogram.unit, histogram.histogram.aggregation_temporality) == ("s", 1)
    (point,) = histogram.histogram.data_points
    assert (point.count, list(point.bucket_counts)) == (4, [2, 0, 0, 0, 1, *[0] * 9, 1])
    assert list(point.explicit_bounds) == [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
    assert (point.sum, point.max) == (pytest.approx(20.076), 20.0)
    assert attributes(point.attributes) == {"server.address": "shop.example"}
    assert point.time_unix_nano - point.start_time_unix_nano == 10_000_000_000
    requests = metrics["httpipe.requests"].sum
    assert (requests.is_monotonic, requests.aggregation_temporality) == (True, 1)
    assert [each.as_int for each in requests.data_points] == [5]
    assert [each.as_int for each in metrics["httpipe.errors"].sum.data_points] == [5]
    assert metrics["httpipe.latency_ms.p50"].gauge.data_points[0].as_double == pytest.approx(3, rel=0.02)
    assert metrics["httpipe.latency_ms.p50"].unit == "ms"
    assert not any(name.startswith(("httpipe.latency_ms.le_", "httpipe.window", "httpipe.latency_ms.count")) for name in metrics)


def test_a_metric_stands_once_with_the_points_of_every_group() -> None:
    """As OTLP wants it; of a resource, that is."""
    events = [measured([1.0]), measured([2.0, 3.0], histogram=False)]
    found = [metric for _, metric in export(events, Signal.METRICS)]
    assert len({metric.name for metric in found}) == len(found)
    (requests,) = [metric for metric in found if metric.name == "httpipe.requests"]
    assert [point.as_int for point in requests.sum.data_points] == [1, 2]
    (histogram,) = [metric for metric in found if metric.name.startswith("http.")]
    assert len(histogram.histogram.data_points) == 1


def test_measurements_of_clients_are_named_so() -> None:
    """By the option."""
    names = {metric.name for _, metric in export([measured([1.0])], Signal.METRICS, "client")}
    assert "http.client.request.duration" in names


def test_a_measurement_that_was_changed_is_still_written() -> None:
    """A transform behind `aggregate` may put anything there."""
    odd = Measurement(-5, {"httpipe.requests": "many", "httpipe.latency_ms.count": 1, "httpipe.latency_ms.le_5": 3, "a": ("b",)})
    ((_, found),) = export([odd], Signal.METRICS)
    assert found.histogram.data_points[0].count == 3


@pytest.mark.parametrize("exchanges", ["spans", "logs"])
@pytest.mark.parametrize("kind", ["server", "client"])
def test_whatever_the_wire_can_hold_is_written(kind: KindOption, exchanges: Exchanges) -> None:
    """Huge, empty and hostile text, numbers beyond 64 bits, times before 1970, kinds that nobody knows."""
    made = Export(exchanges, kind, {}, Selection(), "1")
    for event in odd_events():
        signal = made.signal_of(event)
        assert len(list(items(signal, made.body(signal, [event])))) == 1


VALUES = {
    FieldType.STRING: st.text(max_size=200),
    FieldType.INT: st.integers(-(2**70), 2**70),
    FieldType.FLOAT: st.floats(),
    FieldType.STRINGS: st.lists(st.text(), max_size=3).map(tuple),
}
FIELDS = [field for field in EXCHANGE.fields if field.type in VALUES and not field.same_as and field.name != "container.id"]


@given(st.fixed_dictionaries({}, optional={field.attribute: VALUES[field.type] for field in FIELDS}))
def test_every_field_survives(changes: dict[str, Any]) -> None:
    """Any value of any field is read by OpenTelemetry's own classes as what it was; integers within 64 bits."""
    event = Exchange(NOW_NS, **changes)
    said = attributes(span(event, "server").attributes)
    for field in FIELDS:
        value = changes.get(field.attribute)
        if value in (None, ()) or field.name == "httpipe.duration_ms":
            assert field.name not in said
        elif field.type is FieldType.STRINGS:
            assert said[field.name] == list(value)
        elif field.type is FieldType.INT:
            assert said[field.name] == min(max(value, -(1 << 63)), (1 << 63) - 1)
        else:
            assert said[field.name] == value or value != value  # noqa: PLR0124  NaN


@given(st.binary(max_size=80))
def test_any_answer_can_be_read(data: bytes) -> None:
    """Nonsense is no partial success and asks for no pause; neither raises."""
    refused = refused_in(data)
    assert refused is None or refused.items >= 0
    delay = retry_delay(data)
    assert delay is None or delay >= 0
