"""How a run ended: the exit code's reason and the last picture of every component, as data and as lines for people."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from pipeline.delivery.ledger import Reason
from pipeline.runtime.status import ComponentStatus, Discarded


class Outcome(StrEnum):
    """Why the run ended as it did; the command gives each its exit code."""

    OK = "ok"
    DAMAGED_INPUT = "damaged_input"  # a source could not read its input to the end, or what it read was no event
    UNDELIVERED = "undelivered"  # events were left or lost at the sinks


UNDELIVERED = frozenset({Reason.REJECTED, Reason.ATTEMPTS_EXHAUSTED})
"""What nobody chose to lose. ``queue_full`` is not here: dropping is what ``when_full`` says, and no fault of the run."""


def outcome_of(components: Iterable[ComponentStatus], *, left: int, damaged: bool) -> Outcome:
    """From the books. Output that is missing weighs more than input that was."""
    lost = {gone.reason for each in components for gone in each.discarded if not gone.intentional}
    if left or lost & UNDELIVERED:
        return Outcome.UNDELIVERED
    return Outcome.DAMAGED_INPUT if damaged or Reason.UNDECODABLE in lost else Outcome.OK


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a run. ``left_events`` waited or were being written when the shutdown deadline passed.

    ``damage`` says by source what could not be read; the log has told it already, so the lines do not repeat it.
    """

    outcome: Outcome
    uptime_secs: float
    components: tuple[ComponentStatus, ...]
    left_events: int = 0
    dry_run: bool = False
    damage: dict[str, str] = {}

    @property
    def exchanges(self) -> int:
        """Events that the sources brought in."""
        return sum(each.received for each in self.components if each.kind == "source")

    def of(self, component_id: str) -> ComponentStatus:
        """The component with this id."""
        return next(each for each in self.components if each.id == component_id)

    def lines(self) -> list[str]:
        """For people: one line a component, aligned, with what was lost and why."""
        rows = [
            _row(each, dry_run=self.dry_run, damaged=each.id in self.damage)
            for each in self.components
            if each.kind != "transform" or each.lost
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(2)] if rows else []
        table = [f"  {row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}{row[2]}" for row in rows]
        head = f"{_count(self.exchanges, 'exchange')} seen in {self.uptime_secs:.1f} s"
        left = f"  {_count(self.left_events, 'event')} could not be delivered before the shutdown deadline"
        return [head, *table, *([left] if self.left_events else [])]


def _row(each: ComponentStatus, *, dry_run: bool, damaged: bool) -> tuple[str, str, str]:
    """Name, main number, remarks."""
    number = each.received if each.kind == "source" else each.sent
    verb = {"source": "seen", "transform": "passed", "sink": "would get" if dry_run else "sent"}[each.kind]
    remarks = [_discarded(gone) for gone in each.discarded if each.kind != "transform" or not gone.intentional]
    remarks += [f"{name} {count:,}" for name, count in sorted(each.counters.items()) if count]
    if each.in_flight:
        remarks.append(f"{each.in_flight:,} kept on disk" if each.kind == "sink" else f"{each.in_flight:,} held")
    if each.state in {"degraded", "failed"} and each.error:
        remarks.append("its input is damaged" if damaged else f"{each.state}: {each.error}")
    return f"{each.kind} {each.id}", f"{verb} {number:,}", "".join(f" · {remark}" for remark in remarks)


def _discarded(gone: Discarded) -> str:
    return f"{'not sent' if gone.intentional else 'dropped'} {gone.events:,} ({gone.reason})"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
