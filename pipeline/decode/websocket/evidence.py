"""Where frames begin again behind lost bytes. Nothing in a stream says so for certain, so much has to agree.

A sender mostly hands whole frames to its TCP, so segments mostly begin and end with one. A run of segments that are chains of
whole, final frames and nothing else is no accident: of random bytes one in 4,000 looks like that, and the run is ``ENOUGH``
segments long. Frames that are not final do not count, as a run of zeros looks like them.
"""

from pipeline.decode.websocket.frames import BINARY, CLOSE, TEXT, header, is_faulty, unmasked

ENOUGH = 5
"""So many in a row: once in 10^18 segments of random bytes."""


def is_chain(data: bytes, *, client: bool, reserved: int) -> bool:
    """Whether ``data`` consists of whole frames, each of them final."""
    pos, size = 0, len(data)
    while pos < size:
        frame = header(data, pos)
        if frame is None or not frame.final or not frame.shortest or frame.masked is not client:
            return False
        if is_faulty(frame, fragmented=False, reserved=reserved):
            return False
        begin = pos + frame.size
        pos = begin + frame.length
        if pos > size or not _is_likely(frame.first, unmasked(data[begin:pos], frame.key, 0)):
            return False
    return size > 0


def _is_likely(first: int, payload: bytes) -> bool:
    """Whether the payload of a final frame can be one: text is UTF-8, a close has no or two bytes of code at least."""
    if first & 0x0F == CLOSE:
        return len(payload) != 1
    if first & 0x7F != TEXT:
        return first & 0x0F >= BINARY or len(payload) > 0
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
