"""What can still be read of a broken database of blocks, and how to tell that it is broken. Synchronous; it repairs nothing."""

import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

PORTION_BYTES = 1 << 20
"""Copied in one commit when a broken database is read back."""


def portions(blocks: Iterable[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    """Runs of blocks that one commit can hold without a log as large as the queue."""
    portion: list[tuple[int, bytes]] = []
    size = 0
    for each in blocks:
        portion.append(each)
        size += len(each[1])
        if size >= PORTION_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def readable(path: Path) -> Iterator[tuple[int, bytes]]:
    """Blocks of a broken database: forwards up to the first damage, then backwards from the end down to it."""
    seen: set[int] = set()
    tail: list[tuple[int, bytes]] = []
    try:
        with closing(sqlite3.connect(path)) as database:
            for order in ("ASC", "DESC"):
                with suppress(sqlite3.DatabaseError):
                    for block_id, events, crc, block in database.execute(
                        f"SELECT id, events, crc, block FROM blocks ORDER BY id {order}"  # noqa: S608  one of two constants
                    ):
                        if block_id in seen:
                            break
                        seen.add(block_id)
                        if isinstance(block, bytes) and isinstance(events, int) and zlib.crc32(block) == crc:
                            if order == "ASC":
                                yield events, block
                            else:
                                tail.append((events, block))
    except sqlite3.Error:
        return
    yield from reversed(tail)


def is_damage(error: Exception) -> bool:
    """Whether the file is broken, rather than full, locked or not writable."""
    return getattr(error, "sqlite_errorcode", None) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} or (
        getattr(error, "sqlite_errorname", "").startswith("SQLITE_CORRUPT")
    )
