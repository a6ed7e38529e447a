"""The disk queue with its real file: order, bounds, restart, damage, full disks."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from pipeline.config.options import WhenFull
from pipeline.delivery.acknowledgement import Positions
from pipeline.delivery.clock import Clock
from pipeline.delivery.disk import DiskBuffer
from pipeline.delivery.disk_store import DiskStore, StoreError
from pipeline.delivery.health import Health
from pipeline.delivery.ledger import Ledger, Reason
from pipeline.errors import ConfigError
from pipeline.telemetry.logs import ComponentLog
from pipeline.testing.fakes import batch_of, bounds, numbers

pytestmark = pytest.mark.anyio

LOG = ComponentLog("bus")


def made(path: Path, max_events: int = 1000, max_bytes: int = 1 << 20, when_full: WhenFull = "block") -> DiskBuffer:
    """A queue in this folder."""
    asked = bounds(max_events, max_bytes, when_full)
    return DiskBuffer(str(path), asked, Ledger(), log=LOG, health=Health(LOG), clock=Clock())


@asynccontextmanager
async def running(buffer: DiskBuffer) -> AsyncIterator[DiskBuffer]:
    """The queue with its thread at work."""
    await buffer.open()
    async with anyio.create_task_group() as group:
        group.start_soon(buffer.run)
        with anyio.fail_after(5):
            yield buffer
        group.cancel_scope.cancel()
    await buffer.abandon(Reason.SHUTDOWN)
    await buffer.aclose()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110  a condition of a file, seen from outside
            await anyio.sleep(0.001)


async def drained(buffer: DiskBuffer, batch_events: int = 100) -> list[int]:
    """Close the queue and take everything."""
    buffer.close()
    found = []
    while (batch := await buffer.take(batch_events, 1 << 20, 0)) is not None:
        found += numbers(batch.events)
        buffer.ledger.sent += len(batch.events)
        buffer.done(batch)
    return found


async def test_everything_comes_back_in_order_and_is_deleted(tmp_path: Path) -> None:
    """Through the file and out again; afterwards the file holds nothing."""
    async with running(made(tmp_path)) as buffer:
        for at in range(0, 600, 40):
            await buffer.offer(batch_of(at, at + 40))
        assert await drained(buffer) == list(range(600))
        assert buffer.ledger.balance() == 0
    async with running(made(tmp_path)) as again:
        assert (again.events, again.bytes, again.ledger.restored) == (0, 0, 0)


async def test_a_new_process_finds_what_was_queued(tmp_path: Path) -> None:
    """What was committed and not delivered is there again, also what was taken but not done."""
    async with running(made(tmp_path)) as buffer:
        await buffer.offer(batch_of(0, 300))
        await until(lambda: buffer.queued_events == 300)
        assert await buffer.take(50, 1 << 20, 0) is not None
    async with running(made(tmp_path)) as again:
        assert again.ledger.restored == 300
        assert await drained(again) == list(range(300))
        assert again.ledger.balance() == 0


async def test_tickets_settle_with_the_commit(tmp_path: Path) -> None:
    """On disk is as good as delivered, for the source."""
    line = Positions()
    async with running(made(tmp_path)) as buffer:
        await buffer.offer(batch_of(0, 10, tickets=(line.issue("first"),)))
        await until(lambda: line.open_batches == 0)
        assert line.take_position() == (True, "first")
        assert buffer.events == 10


async def test_batches_smaller_than_blocks(tmp_path: Path) -> None:
    """A block that is larger than a batch is taken in parts, and deleted when all are done."""
    async with running(made(tmp_path, max_events=100_000)) as buffer:
        await buffer.offer(batch_of(0, 100))
        assert await drained(buffer, batch_events=7) == list(range(100))
        assert buffer.ledger.balance() == 0
    async with running(made(tmp_path)) as again:
        assert again.events == 0


async def test_a_batch_waits_for_company_on_disk_too(tmp_path: Path) -> None:
    """``batch.timeout_secs`` gives full batches; a queue that is half full, or closed, waits for nothing."""
    async with running(made(tmp_path, max_events=200)) as buffer, anyio.create_task_group() as group:
        taken: list[int] = []

        async def take() -> None:
            batch = await buffer.take(40, 1 << 20, 60)
            assert batch is not None
            taken.append(len(batch.events))
            buffer.ledger.sent += len(batch.events)
            buffer.done(batch)

        group.start_soon(take)
        for at in range(0, 40, 10):
            await buffer.offer(batch_of(at, at + 10))
            await until(lambda at=at: buffer.queued_events == at + 10 or bool(taken))  # type: ignore[misc]
        await until(lambda: taken == [40])
        await buffer.offer(batch_of(40, 140))
        with anyio.fail_after(5):
            assert len((await buffer.take(1000, 1 << 20, 60) or batch_of(0, 0)).events) == 100
        await buffer.offer(batch_of(140, 150))
        buffer.close()
        with anyio.fail_after(5):
            assert len((await buffer.take(1000, 1 << 20, 60) or batch_of(0, 0)).events) == 10


async def test_put_back_comes_first(tmp_path: Path) -> None:
    """A batch that was not delivered comes again before all others."""
    async with running(made(tmp_path)) as buffer:
        await buffer.offer(batch_of(0, 40))
        batch = await buffer.take(10, 1 << 20, 0)
        assert batch is not None
        buffer.put_back(batch)
        assert await drained(buffer) == list(range(40))


async def test_block_holds_the_source_back(tmp_path: Path) -> None:
    """The queue never holds more than its bound, and loses nothing."""
    async with running(made(tmp_path, max_events=64)) as buffer, anyio.create_task_group() as group:
        group.start_soon(buffer.offer, batch_of(0, 200))
        await until(lambda: buffer.events == 64)
        found: list[int] = []
        while len(found) < 200:
            batch = await buffer.take(10, 1 << 20, 0)
            assert batch is not None
            found += numbers(batch.events)
            buffer.done(batch)
            assert buffer.events <= 64
        assert found == list(range(200))


async def test_block_waits_for_bytes_too_and_settles_nothing_early(tmp_path: Path) -> None:
    """A queue full of bytes takes every event in the end: none counts as too large, none is acknowledged before it is written."""
    line = Positions()
    async with running(made(tmp_path, max_bytes=8192)) as buffer, anyio.create_task_group() as group:
        for at in range(0, 400, 20):
            group.start_soon(buffer.offer, batch_of(at, at + 20, memory_bytes=2000, tickets=(line.issue(at),)))
        found: list[int] = []
        while len(found) < 400:
            batch = await buffer.take(10, 1 << 20, 0)
            assert batch is not None
            found += numbers(batch.events)
            buffer.ledger.sent += len(batch.events)
            acknowledged = (line.take_position()[1] or 0) + 20 if line.open_batches < 20 else 0
            assert acknowledged <= len(found) + buffer.events
            buffer.done(batch)
        assert sorted(found) == list(range(400))
        assert (buffer.ledger.received, buffer.ledger.discarded, buffer.ledger.balance()) == (400, {}, 0)
    assert line.open_batches == 0


@pytest.mark.parametrize("when_full", ["block", "drop_oldest", "drop_newest"])
async def test_only_what_exceeds_the_whole_bound_is_too_large(tmp_path: Path, when_full: WhenFull) -> None:
    """While most of the queue is taken an event that fits its bound waits or gives way as ``queue_full``."""
    async with running(made(tmp_path, max_bytes=65_536, when_full=when_full)) as buffer:
        await buffer.offer(batch_of(0, 300, memory_bytes=200))
        await until(lambda: buffer.queued_events == 300)
        rest = buffer.offer_nowait(batch_of(300, 301, memory_bytes=60_000))
        buffer.offer_nowait(batch_of(301, 302, memory_bytes=65_537))
        assert (rest is not None) == (when_full == "block")
        left = await drained(buffer)
        lost = {reason: events for (reason, _), events in buffer.ledger.discarded.items()}
        assert lost.pop("too_large") == 1
        assert lost == ({} if when_full == "block" else {"queue_full": 301 - len(left)})
        assert buffer.ledger.balance() == 0


async def test_an_event_larger_than_the_front_may_be_passes_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of the queue decides, not how much of it memory may hold."""
    monkeypatch.setattr("pipeline.delivery.disk.FRONT_BYTES", 1000)
    async with running(made(tmp_path)) as buffer:
        for at in range(5):
            await buffer.offer(batch_of(at, at + 1, memory_bytes=5000))
            assert buffer._front.bytes <= 5000
        assert await drained(buffer) == list(range(5))
        assert (buffer.ledger.received, buffer.ledger.discarded, buffer.ledger.balance()) == (5, {}, 0)


@pytest.mark.parametrize("when_full", ["drop_oldest", "drop_newest"])
async def test_a_full_queue_drops_by_its_policy_and_counts(tmp_path: Path, when_full: WhenFull) -> None:
    """What is left plus what was dropped is what came, and the right end gave way."""
    async with running(made(tmp_path, max_events=64, when_full=when_full)) as buffer:
        for at in range(0, 640, 16):
            await buffer.offer(batch_of(at, at + 16))
            await until(lambda: not buffer._committing)
        left = await drained(buffer)
        assert len(left) + buffer.ledger.lost == 640
        assert (0 in left) == (when_full == "drop_newest")
        assert (639 in left) == (when_full == "drop_oldest")
        assert buffer.ledger.balance() == 0


async def test_a_damaged_block_is_counted_and_stepped_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One rotten block loses its own events only."""
    async with running(made(tmp_path)) as buffer:
        await buffer.offer(batch_of(0, 300))
        await until(lambda: buffer.queued_events == 300)
    with sqlite3.connect(tmp_path / "queue.db") as database:
        database.execute("UPDATE blocks SET block = zeroblob(length(block)) WHERE id = 2")
        lost = database.execute("SELECT events FROM blocks WHERE id = 2").fetchone()[0]
    database.close()
    async with running(made(tmp_path)) as again:
        left = await drained(again)
        assert len(left) == 300 - lost
        assert again.ledger.discarded == {("damaged", False): lost}
        assert again.ledger.balance() == 0
    assert "damaged block" in caplog.text


async def test_a_file_that_is_no_database_is_put_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The queue starts empty and says so; the old file is kept for whoever wants to look."""
    (tmp_path / "queue.db").write_bytes(b"this is not a database, whatever its name says" * 100)
    async with running(made(tmp_path)) as buffer:
        await buffer.offer(batch_of(0, 10))
        assert await drained(buffer) == list(range(10))
    assert (tmp_path / "queue.db.damaged").exists()
    assert "was damaged" in caplog.text


async def test_a_broken_page_costs_what_is_on_it(tmp_path: Path) -> None:
    """Pages in the middle of the file are overwritten; what can be read is delivered, the rest counted, new events pass."""
    async with running(made(tmp_path, max_events=20_000)) as buffer:
        for at in range(0, 5000, 100):
            await buffer.offer(batch_of(at, at + 100))
        await until(lambda: buffer.queued_events == 5000)
    path = tmp_path / "queue.db"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 8 * 4096] = b"\xff" * 8 * 4096
    path.write_bytes(content)
    async with running(made(tmp_path, max_events=20_000)) as again:
        before = again.ledger.restored
        await again.offer(batch_of(5000, 5100))
        left = await drained(again)
        assert set(left) >= set(range(5000, 5100))
        assert len(set(left)) > 2500
        assert before + 100 >= len(set(left))
        assert again.ledger.balance() == 0


async def test_a_broken_queue_that_finds_no_room_is_read_back_when_there_is_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start is refused, with the reason, as often as it fails; not an event that can be read is lost by that."""
    async with running(made(tmp_path, max_events=20_000)) as buffer:
        for at in range(0, 5000, 100):
            await buffer.offer(batch_of(at, at + 100))
        await until(lambda: buffer.queued_events == 5000)
    path = tmp_path / "queue.db"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 8 * 4096] = b"\xff" * 8 * 4096
    path.write_bytes(content)
    free, copied = DiskStore._free_bytes, [2]

    def full_soon(self: DiskStore) -> int:
        copied[0] -= 1
        return free(self) if copied[0] >= 0 else 0

    monkeypatch.setattr(DiskStore, "_free_bytes", full_soon)
    monkeypatch.setattr("pipeline.delivery.disk_damage.PORTION_BYTES", 10_000)
    for attempt in range(3):
        copied[0] = attempt
        with pytest.raises(ConfigError, match="nearly full"):
            await made(tmp_path, max_events=20_000).open()
    monkeypatch.setattr(DiskStore, "_free_bytes", free)
    async with running(made(tmp_path, max_events=20_000)) as again:
        left = await drained(again)
        assert len(set(left)) > 2500
        assert again.ledger.restored == len(left)
        assert again.ledger.balance() == 0


async def test_a_full_disk_is_reported_and_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While commits fail events wait in the front and give way there, counted; when there is room again they go on."""
    buffer = made(tmp_path, max_events=100, when_full="drop_oldest")
    commit = buffer._store.commit
    full = [True]

    def commit_or_fail(*args: object) -> object:
        if full[0]:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise StoreError(error)
        return commit(*args)  # type: ignore[arg-type]

    def nothing_to_gain() -> bool:
        meanwhile.append((buffer.events, buffer.ledger.balance()))
        return False

    meanwhile: list[tuple[int, int]] = []
    buffer._store.start_empty = nothing_to_gain  # type: ignore[method-assign]

    buffer._store.commit = commit_or_fail  # type: ignore[method-assign,assignment]
    async with running(buffer):
        for at in range(0, 200, 10):
            await buffer.offer(batch_of(at, at + 10))
        await until(lambda: buffer._health.errors > 0)
        assert buffer._health.state == "degraded"
        reloaded = Health(LOG)
        buffer.report_to(reloaded)
        await until(lambda: reloaded.state == "degraded")
        full[0] = False
        left = await drained(buffer)
        assert 199 in left
        assert reloaded.state == "ok"
        assert {in_flight - balance for in_flight, balance in meanwhile} == {0}
        assert len(left) + buffer.ledger.lost == 200
        assert buffer.ledger.balance() == 0
    assert "disk is full" in " ".join(str(vars(record).get("error")) for record in caplog.records)


async def test_where_room_is_short_what_is_delivered_is_deleted_first_and_commits_get_smaller(tmp_path: Path) -> None:
    """A commit that found no room halves the next one, and what was delivered meanwhile is deleted without adding anything."""
    buffer = made(tmp_path, max_events=4000)
    commit = buffer._store.commit
    full = False
    commits: list[tuple[int, int]] = []

    def commit_or_fail(blocks: Sequence[tuple[int, bytes]], delivered: Sequence[int]) -> object:
        commits.append((sum(events for events, _ in blocks), len(delivered)))
        if full and blocks:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise StoreError(error)
        return commit(blocks, delivered)

    buffer._store.commit = commit_or_fail  # type: ignore[method-assign,assignment]
    async with running(buffer):
        await buffer.offer(batch_of(0, 40))
        await until(lambda: buffer.queued_events == 40)
        batch = await buffer.take(40, 1 << 20, 0)
        assert batch is not None
        full, commits[:] = True, []
        await buffer.offer(batch_of(40, 2040))
        await until(lambda: bool(commits))
        buffer.ledger.sent += len(batch.events)
        buffer.done(batch)
        await until(lambda: len(commits) >= 5)
        full = False
        assert await drained(buffer) == list(range(40, 2040))
    assert next(commit for commit in commits if commit[1]) == (0, 1)
    assert [events for events, _ in commits if events][:4] == [1000, 500, 250, 125]


async def test_a_queue_that_cannot_be_used_is_a_configuration_error(tmp_path: Path) -> None:
    """A folder that is a file, and a queue that another process has open."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"buffer\.path"):
        await made(tmp_path / "file").open()
    async with running(made(tmp_path / "q")) as buffer:
        await buffer.offer(batch_of(0, 1))
        await until(lambda: buffer.queued_events == 1)
        with pytest.raises(ConfigError, match="locked"):
            await made(tmp_path / "q").open()


async def test_a_disk_queue_is_for_its_owner_only(tmp_path: Path) -> None:
    """What went over the wire is nobody else's business."""
    async with running(made(tmp_path / "q")):
        assert (tmp_path / "q").stat().st_mode & 0o077 == 0
        assert (tmp_path / "q" / "queue.db").stat().st_mode & 0o077 == 0


async def test_refuse_gives_up_what_is_on_disk_too(tmp_path: Path) -> None:
    """A sink that wants no more leaves nothing behind."""
    async with running(made(tmp_path)) as buffer:
        await buffer.offer(batch_of(0, 100))
        await until(lambda: buffer.queued_events == 100)
        buffer.refuse(Reason.SINK_FINISHED)
        assert buffer.ledger.balance() == 0
    async with running(made(tmp_path)) as again:
        assert again.events == 0


async def test_an_event_that_nothing_can_write_down_is_counted_and_left_out(tmp_path: Path) -> None:
    """A plugin may put anything into an event; the others must not wait for it for ever."""

    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError("no")

    async with running(made(tmp_path)) as buffer:
        mixed = batch_of(0, 10)
        bad = mixed.events[3].replace(attributes={"bad": Unprintable()})
        await buffer.offer(mixed._replace(events=[*mixed.events[:3], bad, *mixed.events[4:]]))
        assert await drained(buffer) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
        assert buffer.ledger.discarded == {("damaged", False): 1}
        assert buffer.ledger.balance() == 0


@pytest.mark.parametrize("method", ["_open_intact", "_insert", "_read"])
async def test_no_connection_is_closed_under_a_thread_that_uses_it(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing waits for whoever opens, writes or reads, though the task that waited for that thread is gone."""
    inside, go_on = threading.Event(), threading.Event()
    real = getattr(DiskStore, method)
    steps: list[str] = []

    def held(store: DiskStore, *arguments: object) -> object:
        inside.set()
        assert go_on.wait(5)
        result = real(store, *arguments)
        steps.append("used")
        return result

    buffer = made(tmp_path)
    if method != "_open_intact":
        await buffer.open()
        buffer.offer_nowait(batch_of(0, 10))
        if method == "_read":
            await buffer.abandon(Reason.SHUTDOWN)
    monkeypatch.setattr(DiskStore, method, held)
    work = {
        "_open_intact": buffer.open,
        "_insert": lambda: buffer.abandon(Reason.SHUTDOWN),
        "_read": lambda: buffer.take(10, 1 << 20, 0),
    }
    using = asyncio.create_task(work[method]())
    await anyio.to_thread.run_sync(inside.wait)
    using.cancel()  # as asyncio's own Ctrl-C does: no scope shields from it
    with pytest.raises(asyncio.CancelledError):
        await using
    closing = asyncio.create_task(buffer.aclose())
    done, _ = await asyncio.wait([closing], timeout=0.05)
    assert not done
    go_on.set()
    with anyio.fail_after(5):
        await closing
    assert steps == ["used"]


async def test_what_cannot_be_read_now_is_read_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No file handle or no memory for a moment is no damage: nothing is lost or counted twice; the log has beginning and end."""
    caplog.set_level("INFO", logger="httpipe")
    async with running(made(tmp_path)) as buffer:
        read, failures = buffer._store.read, [1, 2, 3]

        def read_or_fail(block_ids: Sequence[int]) -> list[bytes | None]:
            if failures:
                failures.pop()
                raise StoreError(sqlite3.OperationalError("unable to open database file"))
            return read(block_ids)

        async def drain() -> None:
            found.extend(await drained(buffer))

        found: list[int] = []
        buffer._store.read = read_or_fail  # type: ignore[method-assign]
        await buffer.offer(batch_of(0, 300))
        async with anyio.create_task_group() as group:
            group.start_soon(drain)
            await until(lambda: buffer._health.errors > 0)
            assert buffer.events == buffer.ledger.balance() == 300
        assert found == list(range(300))
        assert (buffer.ledger.discarded, buffer.ledger.balance()) == ({}, 0)
    assert [record.getMessage() for record in caplog.records if record.levelname != "DEBUG"] == [
        "the disk queue cannot be read",
        "the disk queue can be read again",
    ]
