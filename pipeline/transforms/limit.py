"""``limit``: no text longer than this, no more headers than that. For sinks that pay by the byte or refuse large messages."""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Annotated, Any

from pydantic import Field

from pipeline.api import DEFAULT, Config, Context, Event, Exchange, Mark, Outputs, Transform
from pipeline.model.events.exchange import FIELDS
from pipeline.model.events.fields import FieldType
from pipeline.transforms.changes import held_by, text_names

Chars = Annotated[int, Field(ge=1, le=1 << 30)]

BODIES = ("http_request_body_content", "http_response_body_content")
TEXTS = tuple(dict.fromkeys(each.attribute for each in FIELDS if each.type is FieldType.STRING and each.attribute not in BODIES))


texts_of: Callable[[Exchange], tuple[str | None, ...]] = attrgetter(*TEXTS)
bodies_of: Callable[[Exchange], tuple[str | None, ...]] = attrgetter(*BODIES)


class LimitConfig(Config):
    """Bound the size of events."""

    max_text_chars: Chars = 4096
    """Longest text in a field or attribute."""
    max_header_chars: Chars = 1024
    """Longest value of a header."""
    max_headers: Annotated[int, Field(ge=0, le=100_000)] = 64
    """Most header values of a request, and of a response; the first ones stay."""
    max_body_chars: Annotated[int, Field(ge=0, le=1 << 30)] = 65_536
    """Longest body content."""


class Limit(Transform):
    """Cuts texts and headers that are too long or too many.

    What is cut ends there, and the exchange is marked `truncated`. Raw heads longer than all limits together are let go.

    Counter: `cut_events`.
    """

    api_version = 1
    Config = LimitConfig

    def __init__(self, config: LimitConfig, context: Context) -> None:
        self.count = context.count
        self.config = config
        self.longest_head = config.max_headers * config.max_header_chars + config.max_text_chars

    def process(self, batch: Sequence[Event]) -> Outputs:
        """A new event for each that is too large anywhere."""
        limited = [self._limited(event) for event in batch]
        if cut := sum(1 for before, after in zip(batch, limited, strict=True) if before is not after):
            self.count("cut_events", cut)
        return {DEFAULT: limited}

    def _limited(self, event: Event) -> Event:
        changes = self._fields(event) if isinstance(event, Exchange) else self._other_fields(event)
        longest = self.config.max_text_chars
        if event.attributes and any(isinstance(each, str | tuple) and len(each) > longest for each in event.attributes.values()):
            changes["attributes"] = {name: _cut(value, longest) for name, value in event.attributes.items()}
        return event.replace(**changes) if changes else event

    def _fields(self, exchange: Exchange) -> dict[str, Any]:
        config = self.config
        changes: dict[str, Any] = {}
        for names, values, longest in (
            (TEXTS, texts_of(exchange), config.max_text_chars),
            (BODIES, bodies_of(exchange), config.max_body_chars),
        ):
            if max(map(len, filter(None, values)), default=0) > longest:
                changes |= {
                    name: value[:longest] for name, value in zip(names, values, strict=True) if value and len(value) > longest
                }
        for name, headers in (
            ("http_request_headers", exchange.http_request_headers),
            ("http_response_headers", exchange.http_response_headers),
        ):
            if headers and self._too_many(headers):
                changes[name] = self._headers(headers)
        for name, head in (("request_head", exchange.request_head), ("response_head", exchange.response_head)):
            if head is not None and len(head) > self.longest_head:
                changes[name] = None
        if changes and Mark.TRUNCATED not in exchange.httpipe_marks:
            changes["httpipe_marks"] = (*exchange.httpipe_marks, Mark.TRUNCATED.value)
        return changes

    def _other_fields(self, event: Event) -> dict[str, Any]:
        """The texts of another kind of event; its content has the limit of bodies."""
        changes: dict[str, Any] = {}
        for name in text_names(type(event)):
            value = getattr(event, name)
            longest = self.config.max_body_chars if name.endswith("_content") else self.config.max_text_chars
            if value and len(value) > longest:
                changes[name] = _cut(value, longest)
        if changes and "httpipe_marks" in held_by(type(event)):
            marks = getattr(event, "httpipe_marks")  # noqa: B009  some kinds have it
            changes["httpipe_marks"] = tuple(dict.fromkeys((*marks, Mark.TRUNCATED.value)))
        return changes

    def _too_many(self, headers: Mapping[str, tuple[str, ...]]) -> bool:
        longest = self.config.max_header_chars
        total = 0
        for values in headers.values():
            total += len(values)
            if total > self.config.max_headers or any(len(value) > longest for value in values):
                return True
        return False

    def _headers(self, headers: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        kept: dict[str, tuple[str, ...]] = {}
        left = self.config.max_headers
        for name, values in headers.items():
            if left <= 0:
                break
            kept[name] = tuple(value[: self.config.max_header_chars] for value in values[:left])
            left -= len(values)
        return kept


def _cut(value: Any, longest: int) -> Any:  # noqa: ANN401  any attribute value
    if isinstance(value, tuple):
        return tuple(each[:longest] for each in value[:longest])
    return value[:longest] if isinstance(value, str) else value
