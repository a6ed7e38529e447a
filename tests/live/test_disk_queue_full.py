"""A disk queue on a small file system of its own that runs full, with the real ``No space left on device``."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from pipeline.delivery.clock import Clock
from pipeline.delivery.disk import DiskBuffer
from pipeline.delivery.health import Health
from pipeline.delivery.ledger import Ledger, Reason
from pipeline.errors import ConfigError
from pipeline.telemetry.logs import ComponentLog
from pipeline.testing.fakes import bounds, chunk, numbers

pytestmark = [pytest.mark.live, pytest.mark.anyio]

LOG = ComponentLog("bus")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0755", "httpipe-test", place], check=True, timeout=10)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True, timeout=10)


async def test_a_full_disk_is_counted_and_survived(small_disk: Path) -> None:
    """What was queued is delivered while the disk is full; what finds no room is counted; with room again all goes on."""
    filler = small_disk / "filler"
    filler.write_bytes(bytes(600 * 1024))
    buffer = DiskBuffer(
        str(small_disk / "q"), bounds(4000, 64 << 20, "drop_oldest"), Ledger(), log=LOG, health=Health(LOG), clock=Clock()
    )
    await buffer.open()
    delivered: list[int] = []

    async def deliver(wanted: int) -> None:
        while len(delivered) < wanted:
            batch = await buffer.take(100, 1 << 20, 0)
            assert batch is not None
            delivered.extend(numbers(batch.events))
            buffer.ledger.sent += len(batch.events)
            buffer.done(batch)

    async with anyio.create_task_group() as group:
        group.start_soon(buffer.run)
        offered = 0
        with anyio.fail_after(30):
            while "full" not in buffer._health.error:  # how much that takes depends on how commits and offers interleave
                await buffer.offer(chunk(offered, offered + 100, weight=1000))
                offered += 100
                await anyio.lowlevel.checkpoint()
        assert buffer.events <= 4000
        before = buffer.queued_events
        with anyio.fail_after(30):
            await deliver(before)
        filler.unlink()
        with anyio.fail_after(30):
            await buffer.offer(chunk(offered, offered + 100))
            buffer.close()
            while (batch := await buffer.take(100, 1 << 20, 0)) is not None:
                delivered.extend(numbers(batch.events))
                buffer.ledger.sent += len(batch.events)
                buffer.done(batch)
        group.cancel_scope.cancel()
    await buffer.abandon(Reason.SHUTDOWN)
    await buffer.aclose()
    assert buffer.ledger.received == offered + 100
    assert buffer.ledger.balance() == 0
    assert len(delivered) == len(set(delivered)) == buffer.ledger.sent
    assert set(range(offered, offered + 100)) <= set(delivered)


async def test_a_read_only_folder_is_told_at_the_start(small_disk: Path) -> None:
    """With the path and the reason."""
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True, timeout=10)  # noqa: ASYNC221
    buffer = DiskBuffer(str(small_disk / "q"), bounds(), Ledger(), log=LOG, health=Health(LOG), clock=Clock())
    with pytest.raises(ConfigError, match=r"buffer\.path.*Read-only file system"):
        await buffer.open()
