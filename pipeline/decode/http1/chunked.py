"""Chunked bodies (RFC 9112, section 7.1): bytes in, the size of their data out, and where they end or make no sense."""

import re
from enum import Enum, auto

import msgspec

from pipeline.decode.content import Collector

_CHUNK_SIZE = re.compile(rb"[ \t]*0*([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?\r?\Z", re.DOTALL)
_MAX_LINE = 16 * 1024
"""Longest line of chunk framing; servers refuse chunk extensions and trailers far below it."""


class _In(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()


class Chunks(msgspec.Struct, gc=False):
    """A chunked body being read (RFC 9112, section 7.1): ``size`` counts its data, ``done`` and ``broken`` say how it ended."""

    size: int = 0
    left: int = 0
    done: bool = False
    broken: bool = False
    _state: _In = _In.SIZE
    _line: bytes = b""

    def feed(self, data: bytes, pos: int, keep: Collector | None) -> int:
        """Read from ``data[pos:]``; returns where it stopped: at the end, behind the last chunk, or where framing breaks."""
        end = len(data)
        while pos < end and not self.done and not self.broken:
            if self._state is _In.DATA:
                stop = min(end, pos + self.left)
                if keep is not None:
                    keep.add(data[pos:stop])
                self._count(stop - pos)
                pos = stop
            else:
                pos = self._framing(data, pos, end)
        return pos

    def skip(self, count: int) -> bool:
        """``count`` bytes are missing: True when all of them are chunk data, so that the place in the framing is still known."""
        if self._state is not _In.DATA or count > self.left:
            return False
        self._count(count)
        return True

    def _count(self, count: int) -> None:
        self.size += count
        self.left -= count
        if not self.left:
            self._state = _In.DATA_END

    def _framing(self, data: bytes, pos: int, end: int) -> int:
        stop = data.find(b"\n", pos)
        if stop < 0:
            self._line += data[pos:end]
            self.broken = len(self._line) > _MAX_LINE or (self._state is _In.DATA_END and len(self._line) > 1)
            return end
        line, self._line = self._line + data[pos:stop], b""
        if self._state is _In.DATA_END:
            self.broken = line not in {b"\r", b""}
            self._state = _In.SIZE
        elif self._state is _In.SIZE:
            self._begin(line)
        else:
            self.done = line in {b"\r", b""}
        return pos if self.broken else stop + 1

    def _begin(self, line: bytes) -> None:
        match = _CHUNK_SIZE.match(line)
        if match is None:
            self.broken = True
            return
        self.left = int(match[1], 16)
        self._state = _In.DATA if self.left else _In.TRAILER
