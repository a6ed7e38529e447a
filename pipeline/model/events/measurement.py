"""``http.measurement``: numbers about many events. All of them are attributes, since a group may be made of any fields."""

from typing import ClassVar

from pipeline.model.events.event import Event
from pipeline.model.events.fields import Field, FieldType
from pipeline.model.events.kind import Kind

INT, FLOAT = FieldType.INT, FieldType.FLOAT


class Measurement(Event, frozen=True, gc=False):
    """Numbers about the events of one window and group, all of them attributes. ``timestamp_ns`` is the window's beginning."""

    event_name: ClassVar[str] = "http.measurement"


# fmt: off
MEASUREMENT = Kind(
    Measurement,
    "Rate, errors and latency of one group of exchanges in one window of time, as `aggregate` measures them.",
    (
        Field("timestamp", FieldType.TIMESTAMP, "Beginning of the window.", attribute="timestamp_ns"),
    ),
    attributes=(
        Field("httpipe.requests", INT, "Requests of the group; one that stands for several (`sample`) counts as so many."),
        Field("httpipe.errors", INT, "Those of them for which the condition `errors` holds."),
        Field("httpipe.window_secs", FLOAT, "Length of the window.", "secs"),
        Field("httpipe.requests_per_sec", FLOAT, "Requests by the length of the window."),
        Field("httpipe.errors_ratio", FLOAT, "Errors by requests, 0 to 1."),
        Field("httpipe.latency_ms.count", INT, "Requests whose duration is known; what follows is about them."),
        Field("httpipe.latency_ms.mean", FLOAT, "Mean of the durations.", "ms"),
        Field("httpipe.latency_ms.max", FLOAT, "Longest duration.", "ms"),
        *(Field(f"httpipe.latency_ms.p{each}", FLOAT, f"The duration that {each} % of the requests did not exceed, within 2 %.", "ms") for each in (50, 90, 95, 99)),
        *(Field(f"httpipe.latency_ms.le_{bound}", INT, f"Requests that took up to {bound} ms.") for bound in (5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000)),
    ),
)
# fmt: on
