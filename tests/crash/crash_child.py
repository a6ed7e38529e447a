"""A process that fills and empties a disk queue until it is killed. Run by test_disk_crash.py; not a test.

It says on its standard output ``Q n`` when the queue has committed number n, and ``D n`` when n was delivered; each is one
write to a pipe, so what was said before ``kill -9`` is heard.
"""

import os
import random
import sys
from collections.abc import Callable

import anyio

from pipeline.delivery.acknowledgement import Ticket
from pipeline.delivery.clock import Clock
from pipeline.delivery.disk import DiskBuffer
from pipeline.delivery.health import Health
from pipeline.delivery.ledger import Ledger
from pipeline.telemetry.logs import ComponentLog
from pipeline.testing.fakes import batch_of, bounds, numbers


class Told(Ticket):
    """Calls ``tell`` when the queue is responsible."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__()
        self._tell = tell

    def acknowledge(self) -> None:
        """Committed."""
        self._tell()


async def life(folder: str, first: int, seed: int) -> None:
    """Offer and deliver until killed."""
    dice = random.Random(seed)
    log = ComponentLog("crash")
    buffer = DiskBuffer(folder, bounds(50_000, 64 << 20), Ledger(), log=log, health=Health(log), clock=Clock())
    await buffer.open()

    async def deliver() -> None:
        while (batch := await buffer.take(dice.choice([1, 50, 1000]), 1 << 20, 0)) is not None:
            say("D", numbers(batch.events))
            if dice.random() < 0.5:
                await anyio.sleep(dice.random() * 0.02)
            buffer.done(batch)

    async with anyio.create_task_group() as group:
        group.start_soon(buffer.run)
        group.start_soon(deliver)
        at = first
        while True:
            size = dice.choice([1, 10, 300])
            span = range(at, at + size)
            await buffer.offer(batch_of(at, at + size, tickets=(Told(lambda span=span: say("Q", span)),)))  # type: ignore[misc]
            at += size
            await anyio.sleep(dice.random() * 0.003)


def say(what: str, spoken: object) -> None:
    """One write."""
    os.write(1, "".join(f"{what} {number}\n" for number in spoken).encode())  # type: ignore[attr-defined]


def main() -> None:
    """Fork a life for each line ``first seed`` on standard input, and tell its process id: imports are paid for once."""
    folder = sys.argv[1]
    for line in sys.stdin:
        first, seed = map(int, line.split())
        child = os.fork()
        if not child:
            anyio.run(life, folder, first, seed)
        os.write(2, f"{child}\n".encode())
        os.waitpid(child, 0)
        os.write(2, b"gone\n")


if __name__ == "__main__":
    main()
