"""The ``file`` sink: appends events to files, one write for each file of a batch, in a worker thread.

Returning from ``write`` means that the batch is in the file (and on the disk where ``fsync`` says so).
"""

import errno
import os
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Literal, Self

import anyio
import anyio.to_thread
from pydantic import Field, field_validator, model_validator

from pipeline.api import BackOff, BatchError, Config, ConfigError, Context, Event, NotConnected, PathTemplateOption, Reject, Sink
from pipeline.codecs.options import EncodingOptions
from pipeline.codecs.registry import codec
from pipeline.errors import Problem
from pipeline.expressions.errors import ExpressionError
from pipeline.model.effects import Needs, effective
from pipeline.sinks.file.logfile import Habits, LogFile
from pipeline.sinks.file.paths import FilePath, problem, too_long
from pipeline.sinks.file.portions import portions
from pipeline.sinks.file.rotation import LONGEST_SUFFIX, rotated_names
from pipeline.sinks.overflow import overflows_counted
from pipeline.sinks.time_tokens import is_timeless

NAME_ERRORS = frozenset(
    {
        errno.ENAMETOOLONG,
        errno.EISDIR,
        errno.ENOTDIR,
        errno.ELOOP,
        errno.EILSEQ,
        errno.ENXIO,
        errno.EINVAL,  # not a regular file, or one that holds something else than events
        errno.EBUSY,  # another writer has it
    }
)
"""Errors that are about this path and no other."""


class RotateOptions(Config):
    """When a file is renamed to `<path>.<time>` and a new one begun."""

    max_bytes: Annotated[int, Field(ge=4096)] | None = None
    """Begin a new file before this size is passed; only an event that alone is larger passes it. Default: no limit."""
    interval_secs: Annotated[int, Field(ge=1, le=366 * 86_400)] | None = None
    """Begin a new file with the first batch after each multiple of this time (3600: each full hour, UTC). Default: never."""
    keep: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """How many rotated files stay; the oldest are removed. Default: all."""


class FileConfig(Config):
    """Options of the `file` sink."""

    path: PathTemplateOption
    """File to append to; folders are made. Time tokens such as `%Y-%m-%d` take the event's time, in UTC."""
    encoding: EncodingOptions = EncodingOptions()
    """How events are written."""
    mode: Annotated[str, Field(pattern=r"^0?[0-7]{3}$")] = "0640"
    """Permissions of new files, octal, whatever the umask; folders that are made get 0750."""
    rotate: RotateOptions = RotateOptions()
    """When a new file is begun."""
    compression: Literal["none", "gzip", "zstd"] = "none"
    """Compress rotated files, in the background. The file being written stays plain: it can be followed."""
    fsync: Literal["never", "batch", "interval"] = "never"
    """`never`: the kernel decides, a crash of httpipe loses nothing, a crash of the host may; `batch`: on the disk before a batch counts as sent; `interval`: at most every `fsync_interval_secs`."""  # noqa: E501  one line of the generated page
    fsync_interval_secs: Annotated[float, Field(gt=0, le=3600)] = 1.0
    """With `fsync = "interval"`: the time between two syncs."""
    max_open_files: Annotated[int, Field(ge=1, le=1000)] = 32
    """How many files a path with tokens keeps open; the least recently written is closed."""

    @field_validator("path")
    @classmethod
    def _good_path(cls, value: str) -> str:
        if (wrong := problem(value)) is not None:
            raise ValueError(wrong)
        return value

    @model_validator(mode="after")
    def _all_has_an_effect(self) -> Self:
        rotated = "rotate.max_bytes or rotate.interval_secs"
        several = "{{" in self.path or not is_timeless(self.path)
        return effective(
            self,
            Needs(["compression", "rotate.keep"], rotated, _rotates(self.rotate)),
            Needs(["fsync_interval_secs"], 'fsync = "interval"', self.fsync == "interval"),
            Needs(["max_open_files"], "a path with time tokens or {{fields}}", several),
        )


class FileSink(Sink):
    """Appends events to a file, or to several where the path has tokens."""

    api_version = 1
    Config = FileConfig

    def __init__(self, config: FileConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._codec = codec(config.encoding)
        try:
            self._path = FilePath(config.path, context.attributes)
        except ExpressionError as error:
            raise ConfigError(error.at("path")) from error
        self._suffix_bytes = LONGEST_SUFFIX if _rotates(config.rotate) else 0
        if (wrong := too_long(self._path.shortest, self._suffix_bytes)) is not None:
            raise ConfigError([Problem("path", wrong)])
        names = self._path.names()
        self.writes = (names, rotated_names(names)) if _rotates(config.rotate) else (names,)
        self._habits = Habits(
            mode=int(config.mode, 8),
            fsync=config.fsync,
            fsync_interval_secs=config.fsync_interval_secs,
            max_bytes=config.rotate.max_bytes,
            interval_secs=config.rotate.interval_secs,
            keep=config.rotate.keep,
            compression=config.compression,
        )
        self._files: OrderedDict[str, LogFile] = OrderedDict()
        self._lock = anyio.Lock()  # one write at a time, whatever max_in_flight says

    async def open(self) -> None:
        """Open a path that is the same for every event, so that what is wrong with it is reported at the start."""
        if self._path.literal is not None:
            await self._in_thread(self._open_now, self._path.literal)

    async def write(self, batch: Sequence[Event]) -> None:
        """Append the batch. What cannot be written left nothing in its file and raises, naming the file."""
        await self._in_thread(self._append, batch)

    async def aclose(self) -> None:
        """Close the files and wait for compression; when cancelled, compression goes on at the next start."""
        files = list(self._files.values())
        try:
            await self._in_thread(self._close_all)
            for file in files:
                await anyio.to_thread.run_sync(file.wait, abandon_on_cancel=True)
        finally:
            for file in files:
                file.rotation.stop()

    # ---- in the worker thread ----------------------------------------------------------------------------------------------

    async def _in_thread(self, function: Callable[..., None], *arguments: object) -> None:
        # Never abandoned: a write that goes on behind the engine's back would end up in the file twice.
        async with self._lock:
            await anyio.to_thread.run_sync(function, *arguments)

    def _open_now(self, path: str) -> None:
        try:
            self._file(path).open()
        except OSError as error:
            raise NotConnected(_text(error)) from error

    def _append(self, batch: Sequence[Event]) -> None:
        with overflows_counted(self._context, "path_overflow_events", self._path.overflows, batch):
            self._append_each(batch)

    def _append_each(self, batch: Sequence[Event]) -> None:
        failures: dict[int, Exception] = {}
        for path, places in self._by_path(batch):
            failures.update(self._append_to(path, batch, places))
        if self._path.literal is not None and len(failures) == len(batch) and failures:
            raise failures[0]
        if failures:
            raise BatchError(failures)

    def _append_to(self, path: str, batch: Sequence[Event], places: Sequence[int]) -> dict[int, Exception]:
        """Append these events of the batch to one file. Returns what became of those that are not in it."""
        if self._path.from_traffic and (wrong := too_long(path, self._suffix_bytes)) is not None:
            return dict.fromkeys(places, Reject(wrong))
        events = batch if len(places) == len(batch) else [batch[place] for place in places]
        written = 0
        try:
            file = self._file(path)
            for count, data in portions(events, self._codec.encode_batch, file.room(), self._habits.max_bytes):
                file.append(data)
                written += count
        except OSError as error:
            return dict.fromkeys(places[written:], self._failure(error, path))
        return {}

    def _failure(self, error: OSError, path: str) -> Exception:
        """A name taken from traffic that no file can have is rejected; it must not stop what comes behind it."""
        text = _text(error)
        if self._path.literal is not None:
            return NotConnected(text)
        if self._path.from_traffic and _of_the_name(error, path):
            return Reject(text)
        return BackOff(message=text)  # the other files are well: nothing to close

    def _by_path(self, batch: Sequence[Event]) -> Iterable[tuple[str, Sequence[int]]]:
        if self._path.literal is not None:
            return [(self._path.literal, range(len(batch)))]
        places: defaultdict[str, list[int]] = defaultdict(list)
        for place, event in enumerate(batch):
            places[self._path.of(event)].append(place)
        return places.items()

    def _file(self, path: str) -> LogFile:
        """The file of this path; the one not written for longest is closed for it where too many are open."""
        file = self._files.get(path)
        if file is None:
            while len(self._files) >= self._config.max_open_files:
                _, idle = self._files.popitem(last=False)
                idle.close()
            file = LogFile(path, self._habits, self._codec, self._context)
            self._files[path] = file
        self._files.move_to_end(path)
        return file

    def _close_all(self) -> None:
        failure: OSError | None = None
        for file in self._files.values():
            try:
                file.close()
            except OSError as error:  # a sync failed: the others are closed all the same
                failure = error
        self._files.clear()
        if failure is not None:
            raise failure


def _rotates(rotate: RotateOptions) -> bool:
    return rotate.max_bytes is not None or rotate.interval_secs is not None


def _of_the_name(error: OSError, path: str) -> bool:
    """Whether another name would have been taken: it is too long, or something else is called so."""
    return error.errno in NAME_ERRORS or (error.errno == errno.EACCES and os.path.lexists(path))


def _text(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}"
