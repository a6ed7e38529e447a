"""The ``replay`` source: recordings of records (``record`` on a source) and of events (JSON lines) → the pipeline, once more.

The first bytes of each file tell which it is. Records pass decode as they did when they were captured; events skip it. It
never changes what was recorded: time stamps stay those of the capture.
"""

import functools
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Literal

import anyio.to_thread
from pydantic import Field

from pipeline.api import Config, Context, Emits, Event, EventBatch, GlobOption, InputError, Record, RecordBatch, Source
from pipeline.codecs.records import MAGIC, RecordsReader
from pipeline.sources.files.damage import DamagedInputError
from pipeline.sources.files.inflate import inflated
from pipeline.sources.files.inputs import Input, matching, open_input, standard_input
from pipeline.sources.files.pace import paced
from pipeline.sources.replay.lines import LinesReader


class ReplayConfig(Config):
    """What was recorded: by `record` on a source, or by a `file` sink with JSON lines. gzip and zstd are understood."""

    path: GlobOption = Field(min_length=1)
    """A recording, a glob of recordings (played in order of name), or `"-"` for standard input."""

    speed: Literal["max", "realtime"] = "max"
    """`"max"` plays as fast as the pipeline takes it; `"realtime"` keeps the pauses of the recording."""


class ReplaySource(Source):
    """Plays recorded packets or events again."""

    api_version = 1
    of_this_host = False
    Config = ReplayConfig
    emits = Emits.EITHER
    can_wait = True

    def __init__(self, config: ReplayConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._openers: list[functools.partial[Input]] = []
        self._done = 0
        self._total = 0
        self._playing: Recording | None = None

    async def open(self) -> None:
        """Find the files; that each can be opened is known before anything starts."""
        if self._config.path == "-":
            capture = standard_input()
            self._openers, self._total = [functools.partial(lambda: capture)], capture.size
            return
        paths = await anyio.to_thread.run_sync(matching, self._config.path)
        self._openers = [functools.partial(open_input, path) for path in paths]
        self._total = await anyio.to_thread.run_sync(lambda: sum(_size(opener) for opener in self._openers))

    async def batches(self) -> AsyncIterator[RecordBatch | EventBatch]:
        """One batch for each recorded batch, or for each read of events. Ends with ``InputError`` where a file was damaged."""
        failures: list[str] = []
        for opener in self._openers:
            recording = self._playing = Recording(opener(), self._context.now_ns)
            lists = recording.lists()
            if self._config.speed == "realtime":
                lists = paced(lists, _time_ns)
            begin = self._done
            async for items in lists:
                self._done = begin + recording.done
                if recording.holds_records:
                    yield RecordBatch(items, self._done)  # type: ignore[arg-type]
                else:
                    yield EventBatch(items, self._done, recording.take_undecodable())  # type: ignore[arg-type]
            if recording.failure:
                failures.append(recording.failure)
        if failures:
            raise InputError("\n".join(failures))

    async def aclose(self) -> None:
        """Let go of the file that is being played."""
        if self._playing is not None:
            self._playing.close()

    async def acknowledge(self, position: object) -> None:
        """Progress is what has been delivered, in bytes of the files; of a pipe nobody knows how many there will be."""
        if isinstance(position, int):
            self._context.progress(position, self._total)


class Recording:
    """One file of either kind. ``failure`` says why it ended early."""

    def __init__(self, file: Input, now_ns: Callable[[], int]) -> None:
        self.failure = ""
        self._file = file
        self._now_ns = now_ns
        self._reader: RecordsReader | LinesReader | None = None

    @property
    def holds_records(self) -> bool:
        """True for records, which pass decode, false for events."""
        return isinstance(self._reader, RecordsReader)

    def take_undecodable(self) -> list[tuple[Event, Exception]]:
        """Lines that are not events, since the last call."""
        return self._reader.take_undecodable() if isinstance(self._reader, LinesReader) else []

    @property
    def done(self) -> int:
        """Bytes of the file that were read."""
        return self._file.done

    async def lists(self) -> AsyncIterator[Sequence[Record | Event]]:
        """What it holds, a list for each batch or read."""
        try:
            async for piece in inflated(self._file.chunks()):
                reader = self._reader = self._reader or self._reader_for(piece)
                for items in reader.feed(piece):
                    yield items
                if reader.damage:
                    break
            for items in self._reader.finish() if self._reader else ():
                yield items
        except (InputError, DamagedInputError) as error:
            self._fail(error)
        finally:
            self.close()
        if self._reader and self._reader.damage:
            self._fail(self._reader.damage)

    def close(self) -> None:
        """Let go of the file. Safe twice."""
        self._file.close()

    def _reader_for(self, beginning: bytes) -> RecordsReader | LinesReader:
        if beginning[:1] == MAGIC[:1]:  # JSON never begins so
            return RecordsReader()
        return LinesReader(self._file.name, self._now_ns)

    def _fail(self, problem: object) -> None:
        self.failure = self.failure or f"{self._file.name}: {problem}; all that is good is used"


def _time_ns(item: Record | Event) -> int:
    return item.timestamp_ns if isinstance(item, Event) else item.ts_ns


def _size(opener: functools.partial[Input]) -> int:
    file = opener()
    file.close()
    return file.size
