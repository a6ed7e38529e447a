"""Events → ``LogRecord`` (opentelemetry/proto/logs/v1/logs.proto). Pure."""

from pipeline.codecs.layout import as_registered
from pipeline.codecs.protobuf_wire import FixedValue, delimited
from pipeline.codecs.selection import Selection
from pipeline.codecs.text import whole
from pipeline.model.events.event import Event
from pipeline.model.events.kinds import EVENT, name_of
from pipeline.sinks.otlp.anyvalue import any_value
from pipeline.sinks.otlp.attributes import Wording, writer_of
from pipeline.sinks.otlp.context import SAMPLED, caller_of
from pipeline.sinks.severity import Severity, severity_of
from pipeline.sinks.stdout.lines import in_words

ATTRIBUTES = 6
"""Of LogRecord."""


NUMBERS = {Severity.INFO: ("INFO", b"\x10\x09"), Severity.WARNING: ("WARN", b"\x10\x0d"), Severity.ERROR: ("ERROR", b"\x10\x11")}
"""OpenTelemetry's short names, and the field ``severity_number``."""


class LogWriter:
    """Writes the log records of events: all that they say as attributes, and in words as the body."""

    def __init__(self, selection: Selection) -> None:
        self._wording = Wording(ATTRIBUTES, selection)

    def write(self, event: Event) -> bytes:
        """The fields of one LogRecord. Raises ``UnicodeEncodeError`` for text that UTF-8 cannot carry."""
        kind, shown = as_registered(event)
        if kind is EVENT:  # a class that nobody has registered: its attributes are what is known of it
            shown = Event(event.timestamp_ns, event.attributes)
        name, number = NUMBERS[severity_of(event)]
        time = FixedValue.pack(max(event.timestamp_ns, 0))
        return b"".join(
            (
                b"\x09", time, b"\x59", time,
                number, delimited(3, name.encode()),
                delimited(5, any_value(in_words(event))),
                writer_of(kind, self._wording)(shown),
                _ids(event),
                delimited(12, whole(name_of(event)).encode()),
            )
        )  # fmt: skip


def _ids(event: Event) -> bytes:
    """The caller's, where the request says them."""
    caller = caller_of(event)
    if caller is None:
        return b""
    flags = 0 if caller.sampled is False else SAMPLED
    span = delimited(10, bytes.fromhex(caller.span_id)) if caller.span_id else b""
    return delimited(9, bytes.fromhex(caller.trace_id)) + span + b"\x45" + flags.to_bytes(4, "little")
