"""Every transform, with any events in any batches: the contract holds, order is kept, nothing is invented, nothing raises."""

import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.api import DEFAULT, AttributeValue, Context, Event, Exchange, Measurement, Transform
from pipeline.testing.transforms import START_NS, check_contract
from pipeline.transforms.aggregate import Aggregate
from pipeline.transforms.dedupe import Dedupe
from pipeline.transforms.enrich import Enrich
from pipeline.transforms.filter import Filter
from pipeline.transforms.limit import Limit
from pipeline.transforms.match_list import MatchList
from pipeline.transforms.redact import Redact
from pipeline.transforms.remove import Remove
from pipeline.transforms.rename import Rename
from pipeline.transforms.route import Route
from pipeline.transforms.sample import Sample
from pipeline.transforms.set import Set
from pipeline.transforms.template_path import TemplatePath
from pipeline.transforms.throttle import Throttle
from pipeline.transforms.trace import Trace
from pipeline.transforms.window import Window

CHOOSING: list[tuple[type[Transform], dict[str, Any]]] = [
    (Filter, {"where": 'status >= 500 or path.startswith("/a") or duration_ms > "1s"'}),
    (Filter, {"where": "not has(host)", "drop_to": "rest"}),
    (Route, {"routes": {"a": "status >= 500", "b": 'method == "GET"'}, "exclusive": True}),
    (Sample, {"ratio": 0.5, "key": "httpipe.connection", "always": "status >= 500"}),
    (Throttle, {"threshold": 1, "key": "host", "max_keys": 3, "drop_to": "beyond"}),
    (Dedupe, {"key": "path + str(status)", "max_keys": 3}),
    (Window, {"where": "status >= 500", "before_events": 2, "after_events": 1, "key": "host", "max_events": 4}),
]
CHANGING: list[tuple[type[Transform], dict[str, Any]]] = [
    (
        Set,
        {
            "values": {"slow": "duration_ms > 5", "url.path": "path.lower()", "n": "status / (status - 200)"},
            "texts": {"c": "{{host}}{{query}}"},
        },
    ),
    (Remove, {"fields": ["url.query", "http.request.header.*", "x"]}),
    (Rename, {"fields": {"x": "y", "url.path": "p", "http.request.header.a": "z"}}),
    (
        Redact,
        {
            "headers": ["a"],
            "query": ["q"],
            "json_paths": ["**.a"],
            "patterns": ["card_number", "email", "jwt"],
            "regexes": ["x+"],
        },
    ),
    (TemplatePath, {"rules": ["/a/{b}", "/c/{d...}"], "max_templates": 2}),
    (Trace, {}),
    (Limit, {"max_text_chars": 3, "max_header_chars": 2, "max_headers": 1, "max_body_chars": 1}),
    (MatchList, {"entries": ["/a/**", "*.b", "/*/c", "GET /"], "otherwise": "allow"}),
    (Enrich, {"file": "t.csv", "key": "host", "columns": {"team": "team"}}),
]
MEASURING: list[tuple[type[Transform], dict[str, Any]]] = [
    (Aggregate, {"by": ["host", "status"], "window_secs": 0.1, "grace_secs": 0, "max_groups": 2})
]

TEXT = st.one_of(
    st.none(),
    st.text(max_size=12),
    st.text(st.characters(codec=None, categories=["Cs", "Cc", "Lu"]), max_size=5),
    st.sampled_from(["/a/1", "/c/../a/x", "%", "q=4111111111111111&q", '{"a":1}', "[[[", "a.b", "", "me@x.org"]),
)
HEADERS: st.SearchStrategy[Mapping[str, tuple[str, ...]]] = st.dictionaries(
    st.sampled_from(["a", "b3", "traceparent", "x-request-id"]), st.lists(st.text(max_size=8), max_size=3).map(tuple), max_size=3
)
ATTRIBUTES: st.SearchStrategy[Mapping[str, AttributeValue]] = st.dictionaries(
    st.sampled_from(["x", "team", "url.path", "httpipe.sample_rate"]),
    st.one_of(
        st.text(max_size=5), st.integers(), st.floats(), st.booleans(), st.lists(st.text(max_size=3), max_size=2).map(tuple)
    ),
    max_size=2,
)
NUMBER = st.one_of(st.none(), st.integers(min_value=0, max_value=(1 << 63) - 1), st.sampled_from([200, 503]))
MOMENT = st.integers(min_value=START_NS, max_value=START_NS + 10**9)

EXCHANGES = st.builds(
    Exchange,
    timestamp_ns=MOMENT,
    attributes=ATTRIBUTES,
    url_path=TEXT,
    url_query=TEXT,
    server_address=TEXT,
    httpipe_connection=TEXT,
    http_request_method=st.sampled_from(["GET", "POST", None]),
    http_response_status_code=NUMBER,
    httpipe_duration_ms=st.one_of(st.none(), st.floats()),
    http_request_headers=HEADERS,
    http_response_headers=HEADERS,
    http_request_body_content=TEXT,
    httpipe_request_target=TEXT,
)
EVENTS = st.one_of(EXCHANGES, EXCHANGES, st.builds(Measurement, MOMENT, ATTRIBUTES))
BATCHES = st.lists(st.lists(EVENTS, max_size=5), max_size=4)


def making(component: type[Transform], options: Mapping[str, Any]) -> Callable[[], Transform]:
    """Makes the same transform again and again."""
    table = b"key,team\na.b,t1\n"
    return lambda: component(
        component.Config.model_validate(options), Context("it", read_file=lambda _path: table, now_ns=lambda: START_NS)
    )


def flat(batches: Sequence[Sequence[Event]]) -> list[Event]:
    """All events in order."""
    return [event for batch in batches for event in batch]


def in_order(found: Sequence[Event], events: Sequence[Event]) -> bool:
    """Whether these are some of the very same events, in the same order."""
    rest = iter(events)
    return all(any(event is other for other in rest) for event in found)


@pytest.mark.parametrize(("component", "options"), CHOOSING)
@settings(max_examples=15, deadline=None)
@given(batches=BATCHES)
def test_choosing_keeps_order_and_invents_nothing(
    component: type[Transform], options: dict[str, Any], batches: list[list[Event]]
) -> None:
    """Every output holds some of the events, each at most once and in order; what it adds is an attribute at most."""
    given_out = check_contract(making(component, options), batches)
    events = flat(batches)
    if component is Sample:
        moments = [event.replace(attributes={}) for event in events]
        assert all(event.replace(attributes={}) in moments for event in given_out.get(DEFAULT, []))
        return
    per_key = component is Window
    for found in given_out.values():
        assert len({id(event) for event in found}) == len(found)
        assert {id(event) for event in found} <= {id(event) for event in events}
        assert per_key or in_order(found, events)
    assert sum(map(len, given_out.values())) <= len(events)


@pytest.mark.parametrize(("component", "options"), CHANGING)
@settings(max_examples=15, deadline=None)
@given(batches=BATCHES)
def test_changing_gives_one_event_for_each(
    component: type[Transform], options: dict[str, Any], batches: list[list[Event]]
) -> None:
    """As many events as came, in order, each with the time and kind that it had; the same again for the same events."""
    make = making(component, options)
    given_out = check_contract(make, batches).get(DEFAULT, [])
    events = flat(batches)
    assert [(event.timestamp_ns, event.event_name) for event in given_out] == [
        (event.timestamp_ns, event.event_name) for event in events
    ]
    assert repr(check_contract(make, batches).get(DEFAULT, [])) == repr(given_out)


@pytest.mark.parametrize(("component", "options"), MEASURING)
@settings(max_examples=15, deadline=None)
@given(batches=BATCHES)
def test_measuring_counts_every_event_once(
    component: type[Transform], options: dict[str, Any], batches: list[list[Event]]
) -> None:
    """The requests of all measurements are the events that came in, whatever their times and groups."""
    events = [[event.replace(attributes={}) for event in batch] for batch in batches]
    measured = check_contract(making(component, options), events).get(DEFAULT, [])
    assert sum(int(str(event.attributes["httpipe.requests"])) for event in measured) == len(flat(events))


HOSTILE = Exchange(
    timestamp_ns=START_NS,
    url_path="/" + "a" * 1_000_000 + "\ud800",
    url_query="&".join(["q=%zz&a=" + "4" * 16] * 10_000),
    server_address="." * 100_000,
    http_request_headers={f"h{number}": ("x",) for number in range(10_000)}
    | {"a": ("\x00\xff" * 500_000,), "traceparent": ("0" * 1_000_000,)},
    http_request_body_content="[" * 10_000 + '{"a":1}' + "]" * 10_000,
    http_response_body_content='{"a":' * 10_000,
    httpipe_request_target="/?" + "q=1&" * 10_000,
    http_response_status_code=503,
    httpipe_duration_ms=float("nan"),
    attributes={"x": string.printable * 10_000},
)


@pytest.mark.parametrize(("component", "options"), [*CHOOSING, *CHANGING, *MEASURING])
def test_hostile_events_do_no_harm(component: type[Transform], options: dict[str, Any]) -> None:
    """Headers of a megabyte, ten thousand of them, JSON ten thousand deep, texts that are none: nothing raises."""
    check_contract(making(component, options), [[HOSTILE], [HOSTILE, HOSTILE]])
