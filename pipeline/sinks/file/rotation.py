"""Rotated files of one log file: their names, how many stay, their compression. Blocking; called from threads.

``http.jsonl`` becomes ``http.jsonl.20260102T030405Z``, with ``-1`` and so on where that is taken, and ``.gz`` or ``.zst`` when
compressed. Names are all the state there is: whatever a crash left half done is found and finished by the next ``tidy``.
"""

import os
import re
import threading
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import IO, Literal, cast

from pipeline.model.file_names import DIGITS, FileNames, Place, spelled

Compression = Literal["none", "gzip", "zstd"]

_SUFFIXES = {"none": "", "gzip": ".gz", "zstd": ".zst"}
_PART = ".part"
_LOOKS_ROTATED = r"\.(?=\d{8}T\d{6}Z(?:-\d+)?(?:\.gz|\.zst)?(?:\.part)?\Z)"
LONGEST_SUFFIX = len(".20260102T030405Z-9999.zst.part")
"""Bytes that rotation adds to a file's name at most."""
_CHUNK = 1 << 20
_PRIVATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


def apart(path: str) -> str:
    """The path, or one like it that cannot be taken for a rotated file: ``x_20260102T030405Z`` for ``x.20260102T030405Z``.

    For names that untrusted peers choose: rotation would compress, remove or overwrite what is called like its own files.
    """
    return re.sub(_LOOKS_ROTATED, "_", path)


def rotated_names(names: FileNames) -> FileNames:
    """What rotation makes of such names, with every suffix."""
    stamp = (Place(DIGITS),) * 8, (Place(DIGITS),) * 6
    ending = Place(DIGITS | frozenset("-.gzstpar"), repeated=True)
    return names._replace(
        places=(*names.places, *spelled("."), *stamp[0], *spelled("T"), *stamp[1], *spelled("Z"), ending), rotated=True
    )


class Rotation:
    """The rotated siblings of ``path``. ``keep`` is how many of them stay; None: all."""

    def __init__(self, path: Path, *, keep: int | None, compression: Compression) -> None:
        self._path = path
        self._keep = keep
        self._compression = compression
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @cached_property
    def _name(self) -> re.Pattern[str]:
        """What rotated files are called. Compiled for the first of them: most files are never rotated."""
        return re.compile(re.escape(self._path.name) + r"\.(\d{8}T\d{6}Z)(?:-(\d+))?(\.gz|\.zst)?")

    def rotate(self, now_ns: int) -> Path:
        """Rename the file away; returns its new name."""
        stem = f"{self._path.name}.{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now_ns // 1_000_000_000))}"
        places = [place for each, (_, place), _ in self._rotated() if each.name.startswith(stem)]
        name = f"{stem}-{max(places) + 1}" if places else stem
        return self._path.rename(self._path.with_name(name))

    def tidy_soon(self, failed: Callable[[OSError], None]) -> None:
        """``tidy`` in a thread of its own: compressing takes seconds, and writing must not wait for it."""
        if self._thread is not None and self._thread.is_alive():
            return  # it looks again before it ends; what it misses in its last moment, ``wait`` or the next one finds
        self._stopped.clear()
        # A daemon, since what it leaves unfinished at the end of the process is finished after the next start.
        self._thread = threading.Thread(target=self._tidy_or_tell, args=(failed,), name="rotation", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until what ``tidy_soon`` began is done."""
        if self._thread is not None:
            self._thread.join()
            self.tidy()

    def stop(self) -> None:
        """Make ``tidy_soon`` end within milliseconds; the next one goes on."""
        self._stopped.set()

    def tidy(self) -> None:
        """Compress what is not compressed yet and remove the oldest beyond ``keep``."""
        for each in self._path.parent.iterdir():
            if each.name.endswith(_PART) and self._name.fullmatch(each.name.removesuffix(_PART)):
                each.unlink(missing_ok=True)
        while not self._stopped.is_set():
            self._prune()
            waiting = [each for each, _, suffix in self._rotated() if not suffix]
            if self._compression == "none" or not waiting:
                return
            self._compress(waiting[0])

    def _tidy_or_tell(self, failed: Callable[[OSError], None]) -> None:
        try:
            self.tidy()
        except OSError as error:
            failed(error)

    def _rotated(self) -> list[tuple[Path, tuple[str, int], str | None]]:
        """Path, place in time and compression suffix of each rotated file, oldest first."""
        matches = [(each, self._name.fullmatch(each.name)) for each in self._path.parent.iterdir()]
        found = [(each, (match[1], int(match[2] or 0)), match[3]) for each, match in matches if match is not None]
        return sorted(found, key=lambda each: each[1])

    def _prune(self) -> None:
        rotated = self._rotated()
        surplus = 0 if self._keep is None else max(len(rotated) - self._keep, 0)
        for each, _, _ in rotated[:surplus]:
            each.unlink(missing_ok=True)

    def _compress(self, source: Path) -> None:
        target = source.with_name(source.name + _SUFFIXES[self._compression])
        part = target.with_name(target.name + _PART)
        with source.open("rb") as plain, os.fdopen(os.open(part, _PRIVATE, 0o600), "wb") as raw:
            with _compressor(self._compression, raw) as packed:
                while not self._stopped.is_set() and (chunk := plain.read(_CHUNK)):
                    packed.write(chunk)
            raw.flush()
            os.fsync(raw.fileno())  # the only copy soon
        if self._stopped.is_set():
            part.unlink()
            return
        import shutil  # noqa: PLC0415  start-up: it imports every compressor there is

        shutil.copystat(source, part)
        part.rename(target)
        source.unlink()


def _compressor(compression: Compression, raw: IO[bytes]) -> IO[bytes]:
    if compression == "gzip":
        import gzip  # noqa: PLC0415  start-up pays for it only where it is used

        return cast("IO[bytes]", gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, filename=""))
    from pipeline.codecs.zstd import zstd  # noqa: PLC0415  likewise

    return cast("IO[bytes]", zstd.ZstdFile(raw, "w", level=3))
