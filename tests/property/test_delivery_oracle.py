"""Delivery against an oracle: whatever a sink does, what arrived plus what was counted as dropped is what was sent.

Each case is a seed: it decides the sizes of batches, the faults of the sink, and when they stop. The rules are those of
docs/delivery.md: at least once for what is not counted as dropped, no order lost within one life of a batch, and after the
faults have stopped fresh events pass.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from pipeline.api import BackOff, BatchError, Event, NotConnected, Reject
from pipeline.config.options import BatchOptions, RetryOptions, SinkOptions, WhenFull
from pipeline.delivery.acknowledgement import Positions
from pipeline.delivery.buffer import Buffer
from pipeline.delivery.clock import Clock
from pipeline.delivery.disk import DiskBuffer
from pipeline.delivery.health import Health
from pipeline.delivery.ledger import Ledger, Reason
from pipeline.delivery.memory import MemoryBuffer
from pipeline.telemetry.logs import ComponentLog
from pipeline.testing.fakes import FakeClock, Script, batch_of, bounds, numbers, worker

pytestmark = pytest.mark.anyio

COUNT = 600
FRESH = 100
LOG = ComponentLog("oracle")


def a_fault(dice: random.Random, rejected: set[int]) -> Exception | Callable[[Sequence[Event]], None]:
    """One thing that a sink may do to a batch."""

    def some_fail(batch: Sequence[Event]) -> None:
        failures: dict[int, Exception] = {}
        for index, number in enumerate(numbers(batch)):
            match dice.randrange(4):
                case 0:
                    failures[index] = OSError("busy")
                case 1:
                    failures[index] = Reject("no")
                    rejected.add(number)
                case _:
                    delivered.append(number)
        raise BatchError(failures)

    def reject(batch: Sequence[Event]) -> None:
        rejected.update(numbers(batch))
        raise Reject("never")

    delivered: list[int] = []
    some_fail.delivered = delivered  # type: ignore[attr-defined]
    kinds = [NotConnected("gone"), BackOff(2), RuntimeError("fault"), TimeoutError("slow"), some_fail, reject]
    return dice.choice(kinds)


def a_buffer(kind: str, when_full: WhenFull, folder: Path) -> Buffer:
    """A small queue, so that it is often full."""
    asked = bounds(120, 1 << 20, when_full)
    if kind == "memory":
        return MemoryBuffer(asked, Ledger())
    return DiskBuffer(str(folder), asked, Ledger(), log=LOG, health=Health(LOG), clock=Clock())


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("when_full", ["block", "drop_oldest", "drop_newest"])
@pytest.mark.parametrize("kind", ["memory", "disk"])
async def test_arrived_plus_dropped_is_sent(kind: str, when_full: WhenFull, seed: int, tmp_path: Path) -> None:
    """The books are right to the unit, for any order of faults."""
    dice = random.Random(f"{kind} {when_full} {seed}")
    clock = FakeClock()
    rejected: set[int] = set()
    steps = [a_fault(dice, rejected) if dice.random() < 0.6 else (lambda _batch: None) for _ in range(40)]
    partly = [step.delivered for step in steps if hasattr(step, "delivered")]
    script = Script(*steps)
    options = SinkOptions(
        batch=BatchOptions(max_events=dice.choice([1, 7, 50])),
        retry=RetryOptions(max_attempts=dice.choice([None, 3])),
        max_in_flight=dice.choice([1, 1, 3]),
    )
    buffer = a_buffer(kind, when_full, tmp_path)
    sink = worker(script, clock.clock(random=dice.random()), options, buffer)
    positions = Positions()
    await buffer.open()
    async with anyio.create_task_group() as queue:
        queue.start_soon(buffer.run)
        async with anyio.create_task_group() as group:
            group.start_soon(sink.run)
            at = 0
            while at < COUNT:
                size = min(dice.choice([1, 5, 64, 200]), COUNT - at)
                await buffer.offer(batch_of(at, at + size, tickets=(positions.issue(at + size),)))
                at += size
                for _ in range(dice.randrange(4)):
                    await anyio.lowlevel.checkpoint()
            with anyio.fail_after(10):
                while script.steps or buffer.events or sink.writing_events:
                    if script.steps and not buffer.events and not sink.writing_events:
                        script.steps.clear()
                    await anyio.lowlevel.checkpoint()
                await buffer.offer(batch_of(COUNT, COUNT + FRESH))
                sink.drain()
    await buffer.abandon(Reason.SHUTDOWN)
    await buffer.aclose()

    ledger = buffer.ledger
    arrived = Counter(script.got + [number for part in partly for number in part])
    assert ledger.received == COUNT + FRESH
    assert ledger.balance() == 0
    assert ledger.sent == sum(arrived.values())
    dropped = sum(ledger.discarded.values())
    assert len(arrived) + dropped == COUNT + FRESH
    assert set(range(COUNT, COUNT + FRESH)) <= set(arrived)
    assert max(arrived.values()) == 1
    assert not rejected & set(arrived)
    assert len(rejected) == ledger.discarded.get(("rejected", False), 0)
    if when_full == "block":
        assert ("queue_full", False) not in ledger.discarded
    assert positions.open_batches == 0
    assert positions.take_position() == (True, COUNT)
