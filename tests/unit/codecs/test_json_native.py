"""JSON lines by the compiled extension: the bytes that Python writes, and what is left to Python."""

from unittest.mock import patch

import pytest

from pipeline import native
from pipeline.codecs.json import JsonCodec
from pipeline.codecs.json_native import native_lines
from pipeline.codecs.selection import Selection
from pipeline.model.events.connection_event import ConnectionEvent
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import Exchange, Mark

pytestmark = pytest.mark.skipif(native.lane is None, reason=f"the lane: {native.missing}")

USUAL = Exchange(
    timestamp_ns=1_700_000_000_000_000_007,
    http_request_method="GET",
    url_path='/a"b\\c',
    url_query="",
    server_port=0,
    http_response_status_code=200,
    httpipe_duration_ms=1.25,
    httpipe_ttfb_ms=0.0,
    httpipe_marks=(Mark.GAP, "mid_stream"),
)
REPORTED = USUAL.replace(http_request_headers={"x-a": ("1", "2")}, http_response_headers={"server": ("n",), "x-none": ()})
TAGGED = USUAL.with_attributes(team="a\nb", number=3)
ODD: list[Event] = [
    USUAL.replace(url_path="/é"),
    USUAL.replace(url_path="/\x7f"),
    USUAL.replace(url_path="/\n"),
    USUAL.replace(url_path="\ud800"),
    USUAL.replace(http_request_size=1 << 70),
    USUAL.replace(http_request_size=-1),
    USUAL.replace(httpipe_duration_ms=1e-9),
    USUAL.replace(httpipe_duration_ms=float("nan")),
    USUAL.replace(timestamp_ns=-1),
    USUAL.replace(http_request_headers={"é": ("1",)}),
    USUAL.replace(httpipe_marks=("é",)),
    USUAL.with_attributes(**{"event.name": "x"}),
    ConnectionEvent(timestamp_ns=1),
]


def left_to_python(events: list[Event]) -> list[Event]:
    """The events whose lines Python writes."""
    odd: list[Event] = []

    def line(event: Event) -> bytes:
        odd.append(event)
        return JsonCodec().encode(event) + b"\n"

    assert native_lines(events, line) is not None
    return odd


def python_lines(events: list[Event]) -> bytes:
    """What is written without the extension."""
    with patch.multiple(native, lane=None, missing="not wanted"):
        return bytes(JsonCodec().encode_batch(events))


def test_usual_exchanges_are_not_python_s() -> None:
    """With headers and with attributes, too."""
    events: list[Event] = [USUAL, REPORTED, TAGGED, TAGGED, REPORTED.with_attributes(team="b")]
    assert left_to_python(events) == []
    assert JsonCodec().encode_batch(events) == python_lines(events)


@pytest.mark.parametrize("event", ODD, ids=range(len(ODD)))
def test_what_is_not_plain_is_left_to_python(event: Event) -> None:
    """Alone and among others: only its own line."""
    events = [USUAL, event, REPORTED]
    assert left_to_python(events) == [event]
    assert JsonCodec().encode_batch(events) == b"".join(map(python_lines, ([USUAL], [event], [REPORTED])))


def test_a_selection_and_other_kinds_are_python_s() -> None:
    """The extension writes all fields of exchanges."""
    selected = JsonCodec(Selection(only=("url",)))
    assert bytes(selected.encode_batch([USUAL])) == b'{"url.path":"/a\\"b\\\\c","url.query":""}\n'
    assert native_lines([ConnectionEvent(timestamp_ns=1)], JsonCodec().encode) is None
    assert native_lines([], JsonCodec().encode) is None
