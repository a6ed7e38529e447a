"""The file of a disk queue: an SQLite database of blocks of events. Synchronous; one thread may write while another reads.

In: blocks of bytes. Out: the same blocks, in order. It knows nothing of events but their number. WAL mode with
``synchronous=FULL`` syncs the log at every commit, so what ``commit`` returned for survives power loss
(https://www.sqlite.org/wal.html); SQLite's own checksums end the log at the first frame that is not whole, and a CRC of ours
finds a block that rotted in the database file. A lock file keeps a second process out.
"""

import fcntl
import os
import sqlite3
import threading
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar

from pipeline.delivery.disk_damage import is_damage, portions, readable

P = ParamSpec("P")
T = TypeVar("T")

PAGE_BYTES = 4096
LOG_PAGES = 1000
"""Pages in the log before they move into the database: SQLite's default, 4 MB."""
SLACK_PAGES = 256
"""Beside the blocks: the tree, and blocks that are delivered but not yet deleted."""
RESERVE_BYTES = 64 * PAGE_BYTES
"""Left free on the file system when blocks are added, so that there is always room to delete them again."""

_SETUP = (
    f"PRAGMA page_size={PAGE_BYTES}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    f"PRAGMA wal_autocheckpoint={LOG_PAGES}",
    f"PRAGMA journal_size_limit={4 * LOG_PAGES * PAGE_BYTES}",
    "CREATE TABLE IF NOT EXISTS blocks (id INTEGER PRIMARY KEY AUTOINCREMENT, events INTEGER, crc INTEGER, block BLOB)",
)


class Entry(NamedTuple):
    """A block on disk: its id, how many events it holds and how long it is."""

    id: int
    events: int
    bytes: int


class StoreError(Exception):
    """The database cannot be opened or read, or a commit failed; nothing of it was stored.

    ``damaged``: the file itself is broken. ``full``: there is no room for it, or not enough to do it safely.
    """

    def __init__(self, error: Exception, *, damaged: bool = False) -> None:
        super().__init__(str(error))
        self.damaged = damaged
        self.full = isinstance(error, _NoRoomError) or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


class _NoRoomError(Exception):
    """Writing now could leave no room for what must follow."""


def _one_writer(method: Callable[Concatenate["DiskStore", P], T]) -> Callable[Concatenate["DiskStore", P], T]:
    """Let a method wait until no other thread writes.

    A connection that is closed under a thread that uses it is a crash in C, and the order of the engine's tasks cannot rule that
    out: a task that waits for the thread may be cancelled from outside (``asyncio.Task.cancel``), which no scope shields from.
    """

    @wraps(method)
    def alone(self: "DiskStore", /, *arguments: P.args, **named: P.kwargs) -> T:
        with self.writes:
            return method(self, *arguments, **named)

    return alone


class DiskStore:
    """One queue's database in ``folder``. ``report`` is called with damage, as a sentence."""

    def __init__(self, folder: str, max_bytes: int, report: Callable[[str], None]) -> None:
        self.path = Path(folder) / "queue.db"
        self._max_pages = 2 * max_bytes // PAGE_BYTES + SLACK_PAGES
        self._report = report
        self._database: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._lock: int | None = None
        self.writes = threading.RLock()
        self._reads = threading.Lock()

    @_one_writer
    def open(self) -> list[Entry]:
        """Open or create the database; the blocks it holds, in order. A broken one is put aside and what can be read is kept."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._take_lock()
            self.path.touch(mode=0o600)
            return self._opened()
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise StoreError(error) from error
        except StoreError:
            self.close()
            raise

    def _opened(self) -> list[Entry]:
        try:
            return self._open_intact()
        except sqlite3.DatabaseError as error:
            self._disconnect()
            if not is_damage(error):
                raise
            self._report(f"{self.path} is damaged: {error}")
        return self._rescue()

    @_one_writer
    def commit(self, blocks: Sequence[tuple[int, bytes]], delivered: Sequence[int]) -> list[Entry]:
        """Add blocks of so many events each and delete those that are delivered, all or nothing, synced."""
        try:
            database = self._connected()
            if blocks:
                self._require_room(database, sum(len(block) + 2 * PAGE_BYTES for _, block in blocks))
            with database:
                database.executemany("DELETE FROM blocks WHERE id = ?", [(block_id,) for block_id in delivered])
                return [self._insert(database, events, block) for events, block in blocks]
        except (OSError, sqlite3.Error, _NoRoomError) as error:
            raise StoreError(error, damaged=is_damage(error)) from error

    @_one_writer
    def start_empty(self) -> bool:
        """Every block is delivered: put an empty database in the place of this one. False: it takes no room worth mentioning.

        Deleting the blocks needs room in the log; removing the files needs none. A crash in between leaves at most a log without
        a database, which SQLite ignores.
        """
        files = [self.path.with_name(f"{self.path.name}{suffix}") for suffix in ("", "-wal", "-shm")]
        try:
            if sum(file.stat().st_size for file in files if file.exists()) <= RESERVE_BYTES:
                return False
            self._disconnect()
            for file in files:
                file.unlink(missing_ok=True)
            self._connected()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(error) from error
        return True

    def read(self, block_ids: Sequence[int]) -> list[bytes | None]:
        """The blocks; None for one that is damaged. Raises ``StoreError`` where it cannot be known now."""
        with self._reads:
            return [self._read(block_id) for block_id in block_ids]

    @_one_writer
    def rescue(self) -> list[Entry]:
        """After damage was met: a fresh database with every block that can still be read, under new ids."""
        self._disconnect()
        try:
            return self._rescue()
        except (OSError, sqlite3.DatabaseError) as error:
            raise StoreError(error, damaged=True) from error

    @_one_writer
    def close(self) -> None:
        """Let go of the file, when no thread uses it any more. Safe twice."""
        self._disconnect()
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def _require_room(self, database: sqlite3.Connection, size: int) -> None:
        """Refuse to add so many bytes where the file system could run full before they are deleted again.

        What is added goes into the log and later, at a checkpoint, into the database: it needs room twice, and what the log holds
        already needs it once. A log that cannot be checkpointed is a dead end: nothing can be deleted any more. Free pages of the
        database are used before it grows, and a log that was checkpointed is used again from its beginning.
        """
        log = _size(self.path.with_name(f"{self.path.name}-wal"))
        if self._free_bytes() >= log + 2 * size + RESERVE_BYTES:
            return
        [(busy, *_)] = database.execute("PRAGMA wal_checkpoint(RESTART)")
        [(free_pages,)] = database.execute("PRAGMA freelist_count")
        needed = max(0, size - (0 if busy else log)) + max(0, size - free_pages * PAGE_BYTES) + RESERVE_BYTES
        if (free := self._free_bytes()) < needed:
            raise _NoRoomError(
                f"the disk is nearly full: the file system of {self.path.parent} has {free:,} bytes left, {needed:,} are needed"
            )

    def _free_bytes(self) -> int:
        """What the file system has left for everybody; a file system that does not know says 0 blocks in all."""
        status = os.statvfs(self.path.parent)
        return status.f_bavail * status.f_frsize if status.f_blocks else 1 << 62

    def _disconnect(self) -> None:
        with self._reads:
            for connection in (self._reader, self._database):
                if connection is not None:
                    with suppress(sqlite3.Error):  # the last close moves the log into the database; on a full disk it stays a log
                        connection.close()
            self._reader = self._database = None

    def _take_lock(self) -> None:
        """For this process, until it ends, however it ends. Raises ``OSError`` when another has it."""
        if self._lock is None:
            self._lock = os.open(self.path.with_name("queue.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError("locked: another httpipe uses this queue") from None

    def _open_intact(self) -> list[Entry]:
        database = sqlite3.connect(self.path, check_same_thread=False, timeout=0.2)
        self._database = database
        for statement in _SETUP:
            database.execute(statement)
        database.execute(f"PRAGMA max_page_count={self._max_pages}")
        self._reader = sqlite3.connect(self.path, check_same_thread=False, timeout=0.2)
        self._reader.execute("PRAGMA query_only=ON")
        rows = database.execute("SELECT id, events, length(block) FROM blocks ORDER BY id").fetchall()
        return [Entry(block_id, events, size) for block_id, events, size in rows if isinstance(events, int)]

    def _insert(self, database: sqlite3.Connection, events: int, block: bytes) -> Entry:
        sql = "INSERT INTO blocks (events, crc, block) VALUES (?, ?, ?)"
        block_id = database.execute(sql, (events, zlib.crc32(block), block)).lastrowid
        return Entry(block_id or 0, events, len(block))

    def _read(self, block_id: int) -> bytes | None:
        try:
            row = self._reading().execute("SELECT crc, block FROM blocks WHERE id = ?", (block_id,)).fetchone()
        except sqlite3.Error as error:
            if is_damage(error):
                return None
            raise StoreError(error) from error
        if row is None or not isinstance(row[1], bytes) or zlib.crc32(row[1]) != row[0]:
            return None
        return row[1]

    def _rescue(self) -> list[Entry]:
        """Put the broken files aside (one set; an older one is replaced) and copy what can be read, or leave all as it was."""
        aside = self.path.with_name("queue.db.damaged")
        self._move(self.path, aside)
        try:
            self._connected()
            kept = [entry for part in portions(readable(aside)) for entry in self.commit(part, ())]
        except BaseException:  # no room, most likely: what was put aside must not be forgotten for that
            self._disconnect()
            self._move(aside, self.path)
            raise
        self._report(f"{aside} is the damaged queue; {sum(entry.events for entry in kept)} events were read back from it")
        return kept

    def _move(self, source: Path, target: Path) -> None:
        """A database and its log take the place of another; the index of a log is rebuilt."""
        for suffix in ("-shm", "-wal", ""):
            target.with_name(target.name + suffix).unlink(missing_ok=True)
        source.with_name(f"{source.name}-shm").unlink(missing_ok=True)
        for suffix in (
            "-wal",
            "",
        ):  # the log first: without its database it is ignored, a database without its log is another one
            old = source.with_name(source.name + suffix)
            if old.exists():
                old.replace(target.with_name(target.name + suffix))

    def _reading(self) -> sqlite3.Connection:
        if self._reader is None:
            raise StoreError(RuntimeError("the queue is not open"))
        return self._reader

    def _connected(self) -> sqlite3.Connection:
        """The database, opened again where that failed before."""
        if self._lock is None:
            raise StoreError(RuntimeError("the queue is not open"))
        if self._database is None:
            try:
                self.path.touch(mode=0o600)
                self._open_intact()
            except BaseException:
                self._disconnect()
                raise
        if self._database is None:
            raise StoreError(RuntimeError("the queue is not open"))
        return self._database


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
