"""What the log says about losses."""

import logging
import re
from collections import Counter
from pathlib import Path

import pytest

from pipeline.delivery.ledger import Ledger, Reason
from pipeline.delivery.losses import CAPTURE_LOSSES, Books, Losses
from pipeline.telemetry.logs import ComponentLog
from pipeline.testing.fakes import FakeClock

LOG = ComponentLog("bus")


class Told:
    """A ledger that is looked at once a second, and what the log says."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.ledger = Ledger()
        self.counters: Counter[str] = Counter()
        self.books = Books(self.ledger, self.counters, LOG)
        self.clock = FakeClock()
        self.losses = Losses(self.clock.clock().monotonic)
        self._caplog = caplog
        caplog.set_level(logging.INFO, logger="httpipe")

    def lines(self) -> list[tuple[str, int]]:
        """Each sentence with its number of events, since last asked."""
        found = [(record.getMessage(), vars(record)["events"]) for record in self._caplog.records]
        self._caplog.clear()
        return found

    def pass_secs(self, secs: int, lost_each: int = 0, reason: Reason = Reason.QUEUE_FULL) -> None:
        """Let time pass, and lose so many events in each second."""
        for _ in range(secs):
            self.ledger.discard(reason, lost_each)
            self.clock.now += 1
            self.losses.look([self.books])


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    """Fresh."""
    return Told(caplog)


def test_a_loss_is_told_when_it_begins_each_minute_and_when_it_has_ended(told: Told) -> None:
    """Ten minutes of loss are a line a minute, whose numbers add up to the unit."""
    told.pass_secs(1, lost_each=7)
    assert told.lines() == [("events are being lost", 7)]
    told.pass_secs(180, lost_each=7)
    assert told.lines() == [("events are still being lost", 7 * 60)] * 3
    told.pass_secs(30, lost_each=7)
    told.pass_secs(59)
    assert told.lines() == [("events are still being lost", 7 * 30)]
    told.pass_secs(1)
    assert told.lines() == [("no more events are lost", 7 * 211)]
    told.pass_secs(600)
    assert told.lines() == []
    told.pass_secs(1, lost_each=1)
    assert told.lines() == [("events are being lost", 1)]


def test_one_burst_is_one_line(told: Told) -> None:
    """What was told whole when it began needs no summary."""
    told.pass_secs(1, lost_each=701)
    told.pass_secs(600)
    assert told.lines() == [("events are being lost", 701)]


def test_every_reason_is_told_and_what_was_meant_is_not(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    """Each reason is a loss of its own; what is discarded on purpose is none; the reason and what to do are fields."""
    for reason in Reason:
        told.ledger.discard(reason, 2)
    told.ledger.discard("filtered", 5, intentional=True)
    told.pass_secs(1)
    meant = {Reason.DEAD_LETTER, Reason.UNREAD, Reason.SINK_FINISHED, Reason.SHUTDOWN, Reason.REMOVED}
    assert {vars(record)["reason"] for record in caplog.records} == set(Reason) - meant
    assert [vars(record)["hint"] for record in caplog.records if vars(record)["reason"] == "too_large"] == [
        "raise buffer.max_bytes"
    ]


def test_at_the_end_everything_has_been_told(told: Told) -> None:
    """A run that is over within the second, or in the middle of a minute, tells what it has lost."""
    told.ledger.discard(Reason.QUEUE_FULL, 3)
    told.losses.look([told.books], last=True)
    assert told.lines() == [("events are being lost", 3)]
    told.pass_secs(5, lost_each=1)
    told.losses.look([told.books], last=True)
    assert told.lines()[-1] == ("no more events are lost", 5 + 3)


def test_what_the_capture_loses_is_told_alike(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    """By the name of its counter, and what can be set; counters that stand for no loss are not told."""
    for _ in range(70):
        told.counters.update(ring_full=3, packets=1000)
        told.pass_secs(1)
    told.losses.look([told.books], last=True)
    lines = [
        (record.getMessage(), vars(record)["count"], vars(record)["counter"], vars(record)["hint"]) for record in caplog.records
    ]
    assert lines == [
        ("the capture is incomplete", 3, "ring_full", "raise ring_bytes"),
        ("the capture is still incomplete", 180, "ring_full", "raise ring_bytes"),
        ("the capture is complete again", 210, "ring_full", "raise ring_bytes"),
    ]


def test_every_counter_that_the_documentation_calls_a_loss_is_told() -> None:
    """But those that the source tells of itself, that say the same in bytes, or that are counted when the run has ended."""
    docs = Path(__file__).parents[3] / "docs"
    rows = [line for page in docs.glob("*.md") for line in page.read_text().splitlines() if "| **lost:**" in line]
    documented = {name for row in rows for name in re.findall("`([a-z0-9_]+)`", row.split("|")[1])}
    in_bytes = {"ring_full_bytes", "not_attributed_bytes"}
    assert documented - CAPTURE_LOSSES == {"shed_connections", "shed_requests", "unread_at_stop", *in_bytes}
    assert documented >= CAPTURE_LOSSES
