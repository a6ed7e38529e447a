"""A disk queue on a small file system of its own that runs full, with the real ``No space left on device``."""

import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from pipeline.api import Exchange
from pipeline.config.options import WhenFull
from pipeline.delivery.batch import Batch, size_of
from pipeline.delivery.clock import Clock
from pipeline.delivery.disk import DiskBuffer
from pipeline.delivery.health import Health
from pipeline.delivery.ledger import Ledger, Reason
from pipeline.errors import ConfigError
from pipeline.model.snapshot import State
from pipeline.telemetry.logs import ComponentLog
from pipeline.testing.fakes import bounds, numbers

pytestmark = [pytest.mark.live, pytest.mark.anyio]

LOG = ComponentLog("bus")
Place = Callable[[], Path]


def run(*command: str | Path) -> None:
    """A command that must succeed."""
    subprocess.run(command, check=True, timeout=20)


@pytest.fixture(params=["tmpfs", "ext4"])
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of a few MiB, as they are: in memory, or with blocks, reserved ones and late allocation."""
    if request.param == "ext4" and not Path("/dev/loop-control").exists():
        pytest.skip("no loop devices here")
    place = tmp_path / "disk"
    place.mkdir()
    if request.param == "tmpfs":
        run("mount", "-t", "tmpfs", "-o", "size=4m,mode=0755", "httpipe-test", place)
    else:
        image = tmp_path / "image"
        image.touch()
        os.truncate(image, 12 << 20)
        run("mkfs.ext4", "-q", image)
        run("mount", "-o", "loop", image, place)
    yield place
    run("umount", "--lazy", place)


def made(folder: Path, when_full: WhenFull = "block") -> DiskBuffer:
    """A queue whose bounds its file system cannot hold."""
    asked = bounds(1_000_000, 1 << 30, when_full)
    return DiskBuffer(str(folder / "q"), asked, Ledger(), log=LOG, health=Health(LOG), clock=Clock())


@asynccontextmanager
async def running(buffer: DiskBuffer) -> AsyncIterator[DiskBuffer]:
    """The queue with its thread at work."""
    await buffer.open()
    async with anyio.create_task_group() as group:
        group.start_soon(buffer.run)
        with anyio.fail_after(60):
            yield buffer
        group.cancel_scope.cancel()
    await buffer.abandon(Reason.SHUTDOWN)
    await buffer.aclose()


dice = random.Random(26)


def batch_of(first: int, last: int) -> Batch:
    """Events that do not compress."""
    made_up = [
        Exchange(timestamp_ns=n, httpipe_sequence=n, url_path=dice.randbytes(400).hex(), memory_bytes=1200)
        for n in range(first, last)
    ]
    return Batch(made_up, size_of(made_up), (), 0.0)


async def fill(buffer: DiskBuffer, first: int = 0) -> int:
    """Offer events from ``first`` on, with nobody who takes them, until the disk takes no more; the number after the last one."""
    offered = first
    while buffer._halvings < 5:
        if buffer._front.events < 300:
            assert buffer.offer_nowait(batch_of(offered, offered + 100)) is None
            offered += 100
        await anyio.sleep(0.002)
    assert buffer.queued_events > 200
    return offered


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    while not condition():  # noqa: ASYNC110  a condition of a file, seen from outside
        await anyio.sleep(0.001)


async def delivered(buffer: DiskBuffer, wanted: int) -> list[int]:
    """The sink is back."""
    found: list[int] = []
    while len(found) < wanted:
        batch = await buffer.take(100, 1 << 20, 0)
        assert batch is not None
        found += numbers(batch.events)
        buffer.ledger.sent += len(batch.events)
        buffer.done(batch)
    return found


def fill_up(place: Path) -> None:
    """Somebody else takes what is left, to the last byte."""
    with (place / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))


@pytest.mark.parametrize("others", ["leave room", "take the rest"])
async def test_a_queue_that_filled_its_disk_works_again_with_its_sink(
    small_disk: Path, others: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing else makes room: what was accepted comes in order, what stood outside follows, and new events pass, each time."""
    caplog.set_level("INFO", logger="httpipe")
    async with running(made(small_disk)) as buffer:
        first = 0
        for turn in range(2):
            caplog.clear()
            last = await fill(buffer, first)
            assert "nearly full" in buffer._health.error
            if others == "take the rest" and not turn:
                fill_up(small_disk)
                assert os.statvfs(small_disk).f_bavail == 0
            assert await delivered(buffer, last - first) == list(range(first, last))
            await until(lambda: not buffer._blocks.to_delete and buffer._health.state is not State.DEGRADED)
            told = [record.getMessage() for record in caplog.records if record.levelname in {"INFO", "ERROR"}]
            assert told == ["the disk queue cannot be written", "the disk queue can be written again"]
            first = last
        assert (buffer.ledger.received, buffer.ledger.discarded, buffer.ledger.balance()) == (first, {}, 0)
    async with running(made(small_disk)) as again:
        assert (again.events, again.ledger.restored) == (0, 0)


async def test_a_queue_that_filled_its_disk_goes_on_when_there_is_room(small_disk: Path) -> None:
    """The sink is still away, somebody else makes room: what stood outside is written, nothing is lost."""
    (small_disk / "filler").write_bytes(bytes(1 << 20))
    async with running(made(small_disk)) as buffer:
        offered = await fill(buffer)
        (small_disk / "filler").unlink()
        await until(lambda: buffer.queued_events == offered)
        assert await delivered(buffer, offered) == list(range(offered))
        assert (buffer.ledger.discarded, buffer.ledger.balance()) == ({}, 0)


@pytest.mark.parametrize("when_full", ["drop_oldest", "drop_newest"])
async def test_what_a_full_disk_refuses_is_counted_by_the_policy(small_disk: Path, when_full: WhenFull) -> None:
    """What was accepted stays; what finds no room in the front either is counted to the unit, at the right end."""
    async with running(made(small_disk, when_full)) as buffer:
        offered = await fill(buffer)
        accepted = buffer.queued_events
        for _ in range(300):
            await buffer.offer(batch_of(offered, offered + 100))
            offered += 100
        await anyio.lowlevel.checkpoint()
        refused = buffer.ledger.discarded["queue_full", False]
        assert refused > 0
        found = await delivered(buffer, offered - refused)
        assert found == sorted(set(found))
        assert found[:accepted] == list(range(accepted))
        assert (offered - 1 in found) == (when_full == "drop_oldest")
        assert (buffer.ledger.received, buffer.ledger.discarded) == (offered, {("queue_full", False): refused})
        assert buffer.ledger.balance() == 0
        await buffer.offer(batch_of(offered, offered + 100))
        assert await delivered(buffer, 100) == list(range(offered, offered + 100))


FILLER = """
import sys
import anyio
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_disk_queue_full import batch_of, fill, made

async def main():
    buffer = made(Path(sys.argv[1]))
    await buffer.open()
    async with anyio.create_task_group() as group:
        group.start_soon(buffer.run)
        await fill(buffer)
        print(buffer.queued_events, flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


def filled_and_killed(place: Path) -> int:
    """How many events a queue had accepted whose process was then killed."""
    command = [sys.executable, "-c", FILLER, place, Path(__file__).parent]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        accepted = int(child.stdout.readline())
        child.kill()
    return accepted


async def test_a_full_queue_survives_kill_9_on_a_full_disk(small_disk: Path) -> None:
    """With not a byte left the next start finds and delivers everything that was accepted, and then works."""
    accepted = filled_and_killed(small_disk)
    fill_up(small_disk)
    async with running(made(small_disk)) as buffer:
        restored = buffer.ledger.restored
        assert restored >= accepted
        assert await delivered(buffer, restored) == list(range(restored))
        await buffer.offer(batch_of(0, 500))
        assert await delivered(buffer, 500) == list(range(500))
        assert (buffer.ledger.discarded, buffer.ledger.balance()) == ({}, 0)


async def test_a_read_only_folder_is_told_at_the_start(small_disk: Path) -> None:
    """With the path and the reason."""
    run("mount", "-o", "remount,ro", small_disk)
    with pytest.raises(ConfigError, match=r"buffer\.path.*Read-only file system"):
        await made(small_disk).open()
