"""A batch as requests: which events go together, to which address, with which header fields and in which bytes. Pure.

What templates insert is chosen by untrusted peers: in an address only harmless characters of it stay, in a header field only
printable ASCII, and the host is always the one that the pipeline file names.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from pipeline.codecs.registry import Codec
from pipeline.errors import ConfigError, Problem
from pipeline.expressions.errors import ExpressionError
from pipeline.expressions.template import Template, compile_sanitised, compile_template
from pipeline.model.events.event import Event
from pipeline.model.events.fields import FieldType
from pipeline.sinks.compression import Compression, compressed
from pipeline.sinks.http.rounds import Part

Body = Literal["lines", "array", "event"]

LONGEST_FIELD = 2000
"""Characters of a field that a template makes: servers take 8 KiB for all fields together."""

_HOST = re.compile(r"https?://[^/?#@\s]+(?:[/?]|$)", re.IGNORECASE)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token (RFC 9110, section 5.6.2)."""
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")
OWN = {"content-length", "content-encoding", "transfer-encoding", "host", "connection"}
"""What follows from the request and no table can say."""


class Target(NamedTuple):
    """Where events go together, and with which header fields."""

    url: str
    fields: Mapping[str, str]


class Addressing:
    """URL and header fields of each event. Raises ``ConfigError`` with every problem of the templates."""

    def __init__(self, url: str, fields: Mapping[str, str], extra: Mapping[str, FieldType]) -> None:
        problems: list[Problem] = []
        templates: dict[str, Template] = {}
        for place, text in {"url": url, **{f"headers.{name}": text for name, text in fields.items()}}.items():
            try:
                templates[place] = compile_sanitised(text, extra) if place == "url" else compile_template(text, extra)
            except ExpressionError as error:
                problems += error.at(place)
        if "url" in templates and (problem := _wrong_url(templates["url"])):
            problems.append(Problem("url", problem))
        for name, text in fields.items():
            if (problem := wrong_field(name, text)) is not None:
                problems.append(Problem(f"headers.{name}", problem))
        if problems:
            raise ConfigError(problems)
        self._url = compile_sanitised(url, extra)
        self._fields = {name.lower(): templates[f"headers.{name}"] for name in fields}
        self._literal = {name: template.text for name, template in self._fields.items()}
        self._alike = self._url.is_literal and all(template.is_literal for template in self._fields.values())

    def requests(self, batch: Sequence[Event], *, apart: bool) -> list[Part[Target]]:
        """Events of one address and the same fields together, in their order; ``apart``: each on its own."""
        if self._alike and not apart:
            return [Part(Target(self._url.text, self._literal), range(len(batch)))]
        groups: dict[tuple[object, ...], list[int]] = {}
        made: list[Part[Target]] = []
        for place, event in enumerate(batch):
            url = self._url.render(event)
            fields = {name: _field(template, event) for name, template in self._fields.items()}
            key = (place,) if apart else (url, *fields.values())
            if key not in groups:
                groups[key] = []
                made.append(Part(Target(url, fields), groups[key]))
            groups[key].append(place)
        return made

    def overflows(self, events: Iterable[Event]) -> int:
        """How many of these have an address with ``other``, since there were too many."""
        return self._url.overflows(events)


def body_of(events: Sequence[Event], codec: Codec, body: Body, compression: Compression) -> bytes:
    """The bytes of one request. The same events always make the same ones."""
    match body:
        case "lines":
            data = bytes(codec.encode_batch(events))
        case "array":
            data = b"[" + b",\n".join(codec.encode_each(events)) + b"]"
        case "event":
            data = codec.encode(events[0])
    return compressed(data, compression)


def wrong_field(name: str, text: str) -> str | None:
    """What is wrong with a header field of the pipeline file; None where nothing is."""
    if not _NAME.fullmatch(name):
        return "is not a name of a header field"
    if name.lower() in OWN:
        return "follows from the request; leave it out"
    literal = re.sub(r"\{\{.*?\}\}", "x", text)
    return None if _VALUE.fullmatch(literal) else "is not a value of a header field: printable ASCII without a space at its ends"


def _wrong_url(url: Template) -> str | None:
    literal = url.literals[0]
    if "@" in "".join(literal.split("/")[2:3]):
        return "has credentials; write them as headers.authorization"
    host = _HOST.match(literal)
    if host is None or (host.end() == len(literal) and literal[-1] not in "/?" and not url.is_literal):
        return "must begin with http:// or https://, a host and a slash, before any {{value}}: traffic must not choose the host"
    return None


def _field(template: Template, event: Event) -> str:
    return template.text if template.is_literal else _NOT_PRINTABLE.sub("_", template.render(event)[:LONGEST_FIELD]).strip()
