"""Content codings (RFC 9110, section 8.4.1): coded bytes in; what they stand for out, within a bound, and whether that is all.

Whoever wrote the bytes decides what is in them, so no step gives out more than the bound, whatever it is asked to expand.
"""

import zlib
from typing import NamedTuple

_MAX_CODINGS = 3
"""Codings on top of each other that are undone; nobody means more."""
_MAX_MEMBERS = 256
"""Members of a gzip body, or frames of a zstd one, that are read: a million empty ones would cost quadratic time."""
_ZSTD_WINDOW_LOG = 23
"""RFC 9659: a recipient need not support windows beyond 8 MB, and no sender may use them in HTTP."""
_ZSTD_PIECE = 256
"""Bytes of one step of zstd: where a body is damaged, all that stands before that step is kept."""


class Decoded(NamedTuple):
    """A body without its codings. ``cut``: the bound was reached; ``whole``: all codings were undone, to their very ends."""

    body: bytes
    cut: bool = False
    whole: bool = True


def decode(raw: bytes, codings: bytes, limit: int) -> Decoded:
    """Undo the codings of a list of names, the last first; at most ``limit`` bytes.

    What cannot be undone (an unknown coding, damaged or missing bytes) is given back as far as it went: at least as it was
    before the step that failed, and then it is not ``whole``.
    """
    names = [name.strip() for name in codings.split(b",") if name.strip() not in {b"", b"identity"}]
    if len(names) > _MAX_CODINGS:
        return Decoded(raw, whole=False)
    result = Decoded(raw)
    for name in reversed(names):
        if not result.body:
            break  # a body of no bytes is common where there is nothing to code
        undo = _CODINGS.get(name)
        step = undo(result.body, limit) if undo is not None else None
        if step is None:
            return result._replace(whole=False)
        result = Decoded(step.body, result.cut or step.cut, result.whole and step.whole)
    return result


def _bounded(parts: list[bytes], limit: int, *, whole: bool) -> Decoded:
    body = b"".join(parts)
    cut = len(body) > limit
    return Decoded(body[:limit], cut, whole and not cut)


def _gzip(raw: bytes, limit: int) -> Decoded | None:
    """RFC 1952: one or more members. What follows the last one and is none does not spoil them, but then not all was undone."""
    parts: list[bytes] = []
    room = limit + 1
    for _ in range(_MAX_MEMBERS):
        member = zlib.decompressobj(wbits=31)
        try:
            parts.append(member.decompress(raw, room))
        except zlib.error:
            return _bounded(parts, limit, whole=False) if parts else None
        room -= len(parts[-1])
        if not room or not member.eof:
            return _bounded(parts, limit, whole=False)
        raw = member.unused_data
        if not raw:
            return _bounded(parts, limit, whole=True)
    return _bounded(parts, limit, whole=False)


def _deflate(raw: bytes, limit: int) -> Decoded | None:
    """RFC 9110, section 8.4.1.2: the zlib format; some senders leave its frame away."""
    for wbits in (15, -15):
        stream = zlib.decompressobj(wbits=wbits)
        try:
            body = stream.decompress(raw, limit + 1)
        except zlib.error:
            continue
        return _bounded([body], limit, whole=stream.eof and not stream.unused_data)
    return None


def _brotli(raw: bytes, limit: int) -> Decoded | None:
    """RFC 7932."""
    import brotli  # type: ignore[import-untyped]  # noqa: PLC0415  loaded by the first body that needs it

    stream = brotli.Decompressor()
    parts: list[bytes] = []
    size = 0
    try:
        part = stream.process(raw, output_buffer_limit=limit + 1)
        while part and size <= limit:
            parts.append(part)
            size += len(part)
            part = stream.process(b"", output_buffer_limit=limit + 1)
    except brotli.error:
        return _bounded(parts, limit, whole=False) if parts else None
    return _bounded(parts, limit, whole=stream.is_finished())


def _zstd(raw: bytes, limit: int) -> Decoded | None:
    """RFC 8878: one or more frames."""
    from pipeline.codecs.zstd import zstd  # noqa: PLC0415  loaded by the first body that needs it

    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
    parts: list[bytes] = []
    size = at = 0
    frames, frame = 1, zstd.ZstdDecompressor(options=options)
    try:
        while at < len(raw) and size <= limit:
            if frame.eof:
                frames, frame = frames + 1, zstd.ZstdDecompressor(options=options)
            if frames > _MAX_MEMBERS:
                return _bounded(parts, limit, whole=False)
            piece = raw[at : at + _ZSTD_PIECE]
            parts.append(frame.decompress(piece, limit + 1 - size))
            size += len(parts[-1])
            at += len(piece) - len(frame.unused_data)
    except zstd.ZstdError:
        return _bounded(parts, limit, whole=False) if size else None
    return _bounded(parts, limit, whole=frame.eof)


_CODINGS = {b"gzip": _gzip, b"x-gzip": _gzip, b"deflate": _deflate, b"br": _brotli, b"zstd": _zstd}

__all__ = ["Decoded", "decode"]
