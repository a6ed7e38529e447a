"""JSON lines that stay as they are never say anything else than the events that Python makes of them, however written."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any
from unittest.mock import patch

import pytest

from pipeline import native
from pipeline.api import DEFAULT, Context, Transform
from pipeline.codecs.json import JsonCodec
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import FIELDS, Exchange, Mark
from pipeline.model.events.fields import FieldType
from pipeline.sources.replay.lines import LinesReader
from pipeline.transforms.filter import Filter, FilterConfig
from pipeline.transforms.set import Set, SetConfig

pytestmark = pytest.mark.skipif(native.lane is None, reason=f"the lane: {native.missing}")

LINES = 6000
SECOND = 1_000_000_000
TEXTS = ("", "/", "/api/a?b=c", 'a"b\\c', "\\", '"', ',"url.path":"x"', '","', "é", "\x7f", "\n", "a" * 300)
NUMBERS = (0, 1, 80, 200, 503, 10**17, 10**18, 2**63 - 1, -1)
DECIMALS = (0.0, 0.1, 1.5, 12.345678, 1e-4, 9.9e-5, 1e15, 123456789012345.6, 0.1 + 0.2, 5e-324, 100.0, 1e14, 31.000001)
FRAGMENTS = (
    '"', "\\", ",", ":", "{", "}", "[", "]", "0", "1.50", "1.5", "01", "-1", "1e3", "1E3", "0.00001", "null", "true", " ",
    '""', "\\u0041", "\\/", "\\n", '"a"', '["a"]', "[]", "é", "\x7f", ',"url.path":"/b"', ',"network.peer.port":1',
    ',"team":"x"', ',"url.path":null', ',"http.request.header.a":["1"]', ',"http.response.header.b":[]',
    ',"http.request.header.a":["2"]', "9" * 19, "24:00:00", "2026-02-30", "1969", "2262", "Z", "+00:00", "http.request",
    "0.1234567890123456", "0.30000000000000004", "0.3000000000000000444", "100.0", "100.00",
)  # fmt: skip
VALUES: dict[FieldType, Sequence[Any]] = {FieldType.STRING: TEXTS, FieldType.INT: NUMBERS, FieldType.FLOAT: DECIMALS}
COLUMNS = [field.attribute for field in FIELDS]


def exchange(random: Random) -> Exchange:
    """One with some of its fields."""
    values: dict[str, Any] = {}
    for field in FIELDS:
        if field.type is FieldType.STRINGS:
            values[field.attribute] = tuple(random.choices([*Mark, "x,]"], k=random.choice((0, 0, 1, 2))))
        elif field.type in VALUES and random.random() < 0.4:
            usual = random.random() < 0.95
            values[field.attribute] = random.choice(VALUES[field.type][: 8 if usual else None])
    values["timestamp_ns"] = random.randrange(9_223_372_036 * SECOND) if random.random() < 0.5 else 1_767_323_045 * SECOND
    for name in ("http_request_headers", "http_response_headers"):
        if random.random() < 0.1:
            values[name] = {key: tuple(random.choices(TEXTS[:8], k=2)) for key in random.sample(("a", 'x"y', "b.c"), 2)}
    if random.random() < 0.05:
        values["attributes"] = {"team": "shop"}
    return Exchange(**values)


def mutated(random: Random, line: str) -> str:
    """Another line: something put in, taken out, doubled, or put in another place."""
    pieces = re.split(r'(,"|":|[\[\]{}])', line)
    for _ in range(random.choice((1, 1, 2, 4))):
        at, to = random.randrange(len(pieces)), random.randrange(len(pieces))
        match random.randrange(5):
            case 0:
                pieces[at] = random.choice(FRAGMENTS)
            case 1:
                pieces[at] += random.choice(FRAGMENTS)
            case 2:
                pieces[at], pieces[to] = pieces[to], pieces[at]
            case 3:
                del pieces[at]
                pieces = pieces or [""]
            case _:
                pieces.insert(to, pieces[at])
    return "".join(pieces).replace("\n", "")


def lines(random: Random, count: int) -> bytes:
    """Lines as we write them, and others."""
    found = []
    for _ in range(count):
        line = JsonCodec().encode(exchange(random)).decode()
        found.append(line if random.random() < 0.5 else mutated(random, line))
    return "\n".join(found).encode() + b"\n"


def read(text: bytes) -> tuple[Sequence[Event], list[str]]:
    """The events of lines, and what is said of the others."""
    reader = LinesReader("x", lambda: 5)
    [events] = reader.feed(text)
    return events, [f"{event} {reason}" for event, reason in reader.take_undecodable()]


def encoded(events: Sequence[Event]) -> bytes:
    """Lines; from 1e16 on exponents depend on who else is in the batch."""
    return re.sub(rb"e\+(\d)", rb"e\1", bytes(JsonCodec().encode_batch(events))) if events else b""


def disagreement(text: bytes) -> str:
    """Where the two ways differ; empty where they do not."""
    events, complaints = read(text)
    with patch.multiple(native, lane=None, missing="not wanted"):
        expected, expected_complaints = read(text)
        written = encoded(expected)
    assert isinstance(events, native.EVENTS)
    again = encoded(events)  # before an object is made of any
    if again != written:
        pairs = zip(again.split(b"\n"), written.split(b"\n"), strict=False)
        return next(f"written: {mine!r} | {theirs!r}" for mine, theirs in pairs if mine != theirs)
    rows = events.columns(COLUMNS)
    if rows is not None and rows != [tuple(getattr(event, name) for name in COLUMNS) for event in expected]:
        return "columns"
    if events.sizes() != [event.memory_bytes for event in expected]:
        return "sizes"
    if complaints != expected_complaints:
        return "complaints"
    return "" if events == expected else next(f"{a!r} | {b!r}" for a, b in zip(events, expected, strict=True) if a != b)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_line_means_the_same(seed: int) -> None:
    """As it was written, and changed in whatever way: events, columns, sizes and what is written again."""
    random = Random(seed)
    for _ in range(LINES // 3 // 50):
        found = disagreement(lines(random, 50))
        assert not found, found


def test_our_own_lines_stay_as_they_are() -> None:
    """No object is made of what holds printable ASCII and usual numbers, with headers or without."""
    event = Exchange(
        timestamp_ns=1_767_323_045 * SECOND,
        client_port=5,
        url_path='/a"b',
        httpipe_duration_ms=1.25,
        httpipe_marks=(Mark.GAP,),
        http_request_headers={"a": ("1",)},
    )
    text = b"".join(JsonCodec().encode(each) + b"\n" for each in (event, Exchange(timestamp_ns=5)))

    def refused(*_: object) -> None:
        raise AssertionError("an object was made")

    assert native.lane is not None
    reader = LinesReader("x", lambda: 5)
    reader._decode = refused  # type: ignore[assignment]
    [events] = reader.feed(text)
    assert len(events) == 2
    assert JsonCodec().encode_batch(events) == text


def add(counts: Counter[str], name: str, by: int) -> None:
    """A context's counters."""
    counts[name] += by


def through(transform: Transform, events: Sequence[Event]) -> Sequence[Event]:
    """What a transform without other outputs gives."""
    outputs = transform.process(events)
    assert isinstance(outputs, dict)
    found: Sequence[Event] = outputs[DEFAULT]
    return found


@pytest.mark.parametrize(
    "where",
    [
        'status < 500 and path.startswith("/api/")',
        'duration_ms > 1 or "gap" in marks',
        'network.peer.port == 80 and timestamp > "2000-01-01T00:00:00Z"',
        'team == "shop"',
        'http.request.header.a == "/" or status == 1',
        'event.name == "http.exchange" and status >= 1',
    ],
)
def test_transforms_do_the_same_in_native_memory(where: str) -> None:
    """``filter`` and ``set`` with constants, and what is counted as missing."""
    text = lines(Random(7), 1500)
    found = []
    for compiled in (True, False):
        with patch.multiple(native, lane=native.lane if compiled else None):
            counts: Counter[str] = Counter()
            context = Context("t", count=partial(add, counts), attributes={"team": FieldType.STRING})
            events, _ = read(text)
            kept = through(Filter(FilterConfig(where=where), context), events)
            named = through(Set(SetConfig(texts={"team": "é\n", "cost.center": "5"}), context), kept)
            assert named[0] is named[:1][0]
            again = through(Set(SetConfig(texts={"more": "x"}), context), named)
            written = bytes(JsonCodec().encode_batch(again)) if again else b""
            found.append((list(kept), list(again), written, counts, sum(event.memory_bytes for event in again)))
    assert found[0] == found[1]
    assert 0 < len(found[0][0]) < 1500
