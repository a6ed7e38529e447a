"""Captures → lists of segments in order of time, also when captures of several interfaces or hosts overlap in time."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Sequence

import anyio.lowlevel

from pipeline.errors import InputError
from pipeline.model.records import Captured
from pipeline.sources.files.inputs import Input
from pipeline.sources.pcap.dissect import Dissector
from pipeline.sources.pcap.frames import Keep
from pipeline.sources.pcap.reader import CaptureReader

MERGED_SEGMENTS = 256
"""How many segments of overlapping captures make a batch."""
FOREVER_NS = 1 << 64


class CaptureStream:
    """The segments of one capture. It is opened when its time has come; ``failure`` says why it ended early, if it did."""

    def __init__(self, begin_ns: int, opener: Callable[[], Input], dissector: Dissector, keep: Keep | None = None) -> None:
        self.begin_ns = begin_ns
        self.failure = ""
        self.done = 0
        self._opener = opener
        self._dissector = dissector
        self._keep = keep
        self._capture: Input | None = None

    def close(self) -> None:
        """Let go of the file, also in the middle of it. Safe twice, and safe unopened."""
        if self._capture is not None:
            self._capture.close()

    async def lists(self) -> AsyncIterator[Sequence[Captured]]:
        """The segments, as they are read; a list may be empty."""
        try:
            capture = self._capture = self._opener()
        except InputError as error:
            self.failure = str(error)
            return
        reader = CaptureReader(self._dissector, self._keep)
        try:
            async for chunk in capture.chunks():
                for segments in reader.feed(chunk):
                    self.done = capture.done
                    yield segments
                if reader.damage:
                    break
            reader.finish()
        except InputError as error:
            self.failure = str(error)
        finally:
            self.close()
        if reader.damage:
            before = "; what came before is reported" if reader.begun else ""
            self.failure = self.failure or f"{capture.name}: {reader.damage}{before}"


class _Head:
    """The segments of a stream that are read and not yet taken."""

    def __init__(self, stream: CaptureStream) -> None:
        self._lists = stream.lists()
        self._segments: list[Captured] = []
        self._at = 0
        self.now_ns = stream.begin_ns

    async def fill(self) -> bool:
        """Have at least one segment; false at the end."""
        while self._at >= len(self._segments):
            segments = await anext(self._lists, None)
            if segments is None:
                return False
            self._segments, self._at = list(segments), 0
            await anyio.lowlevel.checkpoint()
        self.now_ns = self._segments[self._at].ts_ns
        return True

    def take(self, until_ns: int) -> list[Captured]:
        """Those up to a time, at least one."""
        stop = bisect_right(self._segments, until_ns, self._at + 1, key=lambda segment: segment.ts_ns)
        taken = self._segments[self._at : stop]
        self._at = stop
        return taken


async def in_time_order(streams: Sequence[CaptureStream]) -> AsyncIterator[Sequence[Captured]]:
    """Merge the streams, which come in order of their begin. One that is alone at its time passes through as it is read."""
    if len(streams) == 1:
        async for segments in streams[0].lists():
            yield segments
        return
    waiting = list(streams)
    heads: list[_Head] = []
    merged: list[Captured] = []
    while waiting or heads:
        heads.sort(key=lambda head: head.now_ns)
        if waiting and (not heads or waiting[0].begin_ns <= heads[0].now_ns):
            heads.append(_Head(waiting.pop(0)))
            if not await heads[-1].fill():
                heads.pop()
            continue
        begins = [head.now_ns for head in heads[1:2]] + [stream.begin_ns for stream in waiting[:1]]
        merged += heads[0].take(min(begins, default=FOREVER_NS))
        if len(merged) >= MERGED_SEGMENTS:
            yield merged
            merged = []
        if not await heads[0].fill():
            heads.pop(0)
    yield merged
