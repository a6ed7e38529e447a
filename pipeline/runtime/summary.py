"""How a run ended: the exit code's reason and the last snapshot, as fields for a log and as lines for people."""

from collections.abc import Collection
from enum import StrEnum

import msgspec

from pipeline.delivery.ledger import Reason
from pipeline.model.snapshot import ComponentSnapshot, Discarded, Snapshot, State


class Outcome(StrEnum):
    """Why the run ended as it did; the command gives each its exit code."""

    OK = "ok"
    DAMAGED_INPUT = "damaged_input"  # a source could not read its input to the end, or what it read was not an event
    UNDELIVERED = "undelivered"  # events were lost behind a source


NOT_UNDELIVERED = frozenset({Reason.QUEUE_FULL, Reason.UNDECODABLE})
"""All that is lost is undelivered but this: dropping is what ``when_full`` says, and no fault of the run; and what is not an
event never was one."""


HINDERED = frozenset({State.DEGRADED, State.FAILED})
"""States of a component that cannot do its part, or not all of it."""


def outcome_of(lost: Collection[str], *, damaged: bool) -> Outcome:
    """From the reasons for which anything was lost. Output that is missing weighs more than input that was."""
    if set(lost) - NOT_UNDELIVERED:
        return Outcome.UNDELIVERED
    return Outcome.DAMAGED_INPUT if damaged or Reason.UNDECODABLE in lost else Outcome.OK


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a run. ``left_events`` waited or were being written when the shutdown deadline passed.

    ``removed`` are events that were lost by components which a reload has removed, by reason. ``damage`` says by source what
    could not be read; the log has it already, so the lines do not repeat it.
    """

    outcome: Outcome
    snapshot: Snapshot
    left_events: int = 0
    dry_run: bool = False
    removed: dict[str, int] = {}
    damage: dict[str, str] = {}

    @property
    def components(self) -> tuple[ComponentSnapshot, ...]:
        """All of them, in the order of the graph."""
        return self.snapshot.components

    @property
    def exchanges(self) -> int:
        """Events that the sources brought in."""
        return sum(each.received for each in self.components if each.kind == "source")

    def of(self, component_id: str) -> ComponentSnapshot:
        """The component with this id."""
        return self.snapshot.of(component_id)

    def fields(self) -> dict[str, object]:
        """For a log of JSON: all of it, every component included."""
        return {
            "outcome": str(self.outcome),
            "uptime_secs": round(self.snapshot.uptime_secs, 3),
            "exchanges": self.exchanges,
            "left_events": self.left_events,
            "dry_run": self.dry_run,
            "removed": self.removed,
            "damage": self.damage,
            "components": [_component(each) for each in self.components],
        }

    def lines(self) -> list[str]:
        """For people: one line a component, aligned, with what was lost or left out and why; no transform without any of it."""
        rows = [
            _row(each, dry_run=self.dry_run, damaged=each.id in self.damage)
            for each in self.components
            if each.kind != "transform" or each.discarded or each.state in HINDERED
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else []
        table = [f"  {row[0]:<{widths[0]}}  {row[1]:<{widths[1]}} {row[2]:>{widths[2]}}{row[3]}" for row in rows]
        kinds = {each.brings for each in self.components if each.kind == "source"}
        what = kinds.pop() if len(kinds) == 1 else "event" if kinds else "exchange"
        head = f"{_count(self.exchanges, what)} seen in {self.snapshot.uptime_secs:.1f} s"
        lines = [head, *table]
        if self.removed:
            lost = "".join(f" · dropped {events:,} ({reason})" for reason, events in sorted(self.removed.items()))
            lines.append(f"  what a reload removed{lost}")
        if self.left_events:
            lines.append(f"  {_count(self.left_events, 'event')} could not be delivered before the shutdown deadline")
        return lines


def _component(each: ComponentSnapshot) -> dict[str, object]:
    return {
        "id": each.id,
        "kind": each.kind,
        "state": each.state,
        "error": each.error,
        "received": each.received,
        "sent": each.sent,
        "discarded": {gone.reason: gone.events for gone in each.discarded},
        "in_flight": each.in_flight,
        "counters": {name: count for name, count in each.counters.items() if count},
    }


def _row(each: ComponentSnapshot, *, dry_run: bool, damaged: bool) -> tuple[str, str, str, str]:
    """Name, what its main number counts, that number, remarks."""
    number = each.received if each.kind == "source" else each.sent
    verb = {"source": "seen", "transform": "passed", "sink": "would get" if dry_run else "sent"}[each.kind]
    remarks = [_discarded(each, gone) for gone in each.discarded]
    remarks += [f"{name} {count:,}" for name, count in sorted(each.counters.items()) if count]
    if each.decoder:
        remarks.append(f"decoded by {each.decoder}")
    if each.in_flight:
        remarks.append(f"{each.in_flight:,} kept on disk" if each.kind == "sink" else f"{each.in_flight:,} held")
    if each.state in HINDERED and each.error:
        remarks.append("its input is damaged" if damaged else f"{each.state}: {each.error}")
    return f"{each.kind} {each.id}", verb, f"{number:,}", "".join(f" · {remark}" for remark in remarks)


def _discarded(each: ComponentSnapshot, gone: Discarded) -> str:
    kept_back = "not passed" if each.kind == "transform" else "not sent"
    return f"{kept_back if gone.intentional else 'dropped'} {gone.events:,} ({gone.reason})"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
