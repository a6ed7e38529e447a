"""Recording: the batches that a source gives → a file, for ``record = {path, max_bytes}``. It sits between source and decode.

The capture never waits for the disk: a batch is encoded where it is (0.1 µs a record) and written by a thread. What is written
is bounded by ``max_bytes``, what waits by ``PENDING_BYTES``; a batch that finds no room is left out, and an error of the disk
ends the recording. Both are counted and logged, and the capture goes on.
"""

import contextlib
import logging
import os
import queue
import stat
import threading
from collections.abc import Callable, Sequence

from pipeline.codecs import records as codec
from pipeline.errors import CaptureError
from pipeline.model.records import Record

PENDING_BYTES = 32 * 1024 * 1024
"""What may wait for the disk: a second of a gigabit link with all bodies, minutes of heads."""
CLOSE_SECS = 5.0
MOST_RECORDINGS = 99
"""Of one path. A service that is started again and again must not fill the disk with what nobody looks at."""


class Recorder:
    """Writes one recording. Counters: ``recorded``, ``record_dropped`` (records), ``record_errors``."""

    def __init__(
        self,
        path: str,
        max_bytes: int,
        count: Callable[[str, int], None],
        log: logging.Logger | logging.LoggerAdapter[logging.Logger],
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._count = count
        self._log = log
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None
        self._queued = 0
        self._written = 0
        self._open = False
        self._overflowed = False

    def open(self) -> None:
        """Create the file, readable by its owner only: like any capture it holds secrets. Raises ``CaptureError``.

        A recording that is there already is never touched: this one gets a number behind its name. Once is enough: when its
        source is restarted, the recording goes on.
        """
        if self._thread is not None:
            return
        try:
            self._path, fd = _create(self._path)
        except OSError as error:
            message = f"cannot write the recording {self._path}: {error.strerror}"
            raise CaptureError(message, remedy="change record.path, or make the folder writable") from error
        self._log.info("recording", extra={"path": self._path})
        self._open = True
        self._thread = threading.Thread(target=self._write_all, args=(fd,), name="httpipe-recorder", daemon=True)
        self._thread.start()
        self._put(codec.MAGIC)

    def write(self, records: Sequence[Record]) -> None:
        """Record a batch, without waiting and without raising."""
        if not self._open or not records:
            return
        if self._error is not None:
            self._stop("recording stopped: writing failed", logging.ERROR, self._error)
            self._count("record_errors", 1)
            return
        try:
            frame = codec.encode(records)
        except Exception as error:  # noqa: BLE001  a plugin's records may hold anything; recording must not end the capture
            self._stop("recording stopped: a record cannot be encoded", logging.ERROR, error)
            self._count("record_errors", 1)
            return
        if self._queued + len(frame) > self._max_bytes:
            self._stop("recording stopped: max_bytes is reached", logging.WARNING)
        elif self._queued - self._written + len(frame) > PENDING_BYTES:
            self._count("record_dropped", len(records))
            if not self._overflowed:
                self._log.warning("recording cannot keep up with the capture; records left out", extra={"path": self._path})
            self._overflowed = True
        else:
            self._put(frame)
            self._count("recorded", len(records))

    def close(self) -> None:
        """Write what waits, within ``CLOSE_SECS``. Blocks for that long at most; safe twice, safe unopened."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._open = False
        self._queue.put(None)
        thread.join(CLOSE_SECS)
        if thread.is_alive() or self._error is not None:
            self._count("record_errors", 1)
            reason = self._error or f"the disk took longer than {CLOSE_SECS:g} s"
            self._log.error("recording is incomplete", extra={"path": self._path, "error": str(reason)})

    def _put(self, data: bytes) -> None:
        self._queued += len(data)
        self._queue.put(data)

    def _stop(self, sentence: str, level: int, error: Exception | None = None) -> None:
        self._log.log(level, sentence, extra={"path": self._path} | ({"error": str(error)} if error else {}))
        self._open = False

    def _write_all(self, fd: int) -> None:
        """The thread. After an error it goes on taking, so that nothing piles up; the file ends with the last whole batch."""
        try:
            while (data := self._queue.get()) is not None:
                if self._error is None:
                    self._write(fd, data)
                self._written += len(data)
        finally:
            os.close(fd)

    def _write(self, fd: int, data: bytes) -> None:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
        except OSError as error:
            self._error = error
            with contextlib.suppress(OSError):  # a pipe or a device has no length
                os.ftruncate(fd, self._written)


def _create(path: str) -> tuple[str, int]:
    """A new file, or a pipe or device that is there; its name and descriptor. Raises ``OSError`` and ``CaptureError``."""
    for name in (path, *(f"{path}.{number:02}" for number in range(2, MOST_RECORDINGS + 1))):
        try:
            return name, os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            if not stat.S_ISREG(os.stat(name).st_mode):  # noqa: PTH116  beside os.open
                return name, os.open(name, os.O_WRONLY | os.O_CLOEXEC)
    message = f"there are {MOST_RECORDINGS} recordings {path} already, and none is overwritten"
    raise CaptureError(message, remedy="move them away, or change record.path")
