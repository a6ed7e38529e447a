"""Logs: sentences with fields, harmless on a terminal, and limited when they repeat."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from pipeline.telemetry import logs
from pipeline.telemetry.logs import BURST, WINDOW_SECS, ComponentLog, RateLimit


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    """The logger belongs to the whole process."""
    logger = logging.getLogger(logs.ROOT)
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.level, logger.propagate = before


def test_text_is_one_harmless_line() -> None:
    """Component, sentence, fields; control characters from the wire are escaped."""
    out = io.StringIO()
    logs.configure("info", "text", out)
    ComponentLog("bus").warning("cannot deliver", extra={"error": "evil\x1b[2J\nline", "attempt": 3})
    ComponentLog("bus").debug("not shown")
    line = out.getvalue()
    assert line.count("\n") == 1
    assert 'WARNING bus: cannot deliver  error="evil\\u001b[2J\\nline" attempt=3' in line


def test_json_is_one_object_a_line() -> None:
    """The same fields."""
    out = io.StringIO()
    logs.configure("debug", "json", out)
    ComponentLog("bus").error("events are lost", extra={"events": 7})
    ComponentLog("").info("reloaded")
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert (first["level"], first["component"], first["message"], first["events"]) == ("error", "bus", "events are lost", 7)
    assert first["timestamp"].endswith("Z")
    assert second["component"] == ""


def test_repeated_lines_are_counted_instead_of_written() -> None:
    """The first few of a kind in a minute; the next minute begins with how many were left out."""
    now = [0.0]
    limit = RateLimit(lambda: now[0])
    records = [logging.makeLogRecord({"msg": "cannot deliver", "component": "bus"}) for _ in range(100)]
    assert sum(limit.filter(record) for record in records) == BURST
    assert limit.filter(logging.makeLogRecord({"msg": "cannot deliver", "component": "other"}))
    now[0] = WINDOW_SECS + 1
    late = logging.makeLogRecord({"msg": "cannot deliver", "component": "bus"})
    assert limit.filter(late)
    assert logs.fields_of(late) == {"suppressed": 100 - BURST}


def test_kinds_of_lines_are_bounded() -> None:
    """A plugin that makes up sentences cannot fill the memory."""
    limit = RateLimit(lambda: 0.0)
    for number in range(5000):
        limit.filter(logging.makeLogRecord({"msg": f"sentence {number}"}))
    assert len(limit._seen) <= logs.MAX_KINDS
