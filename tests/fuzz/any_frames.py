"""Bytes of a fuzzer → segments of one HTTP/2 connection: frames of any kind, whole or not, and what is no frame at all."""

from pipeline.decode.http2.frames import PREFACE
from pipeline.model.records import ACK, FIN, PSH, RST, SYN, Record, Segment, reverse
from pipeline.testing.packets import flow_key

KEY = flow_key()
MASK = 0xFFFFFFFF
START_NS = 1_700_000_000_000_000_000
STEP_NS = 1_000_000
RAW, LOST, LEFT_OUT, CUT, ENDS, RESETS, PAUSES = range(10, 17)


def segments(data: bytes) -> list[Record]:  # noqa: C901  a table of what may happen
    """Four bytes an item (what, flags, stream, size), and so many bytes behind them.

    Of the first byte bit 0 says that the opening is seen, bit 1 that the preface is. Of an item's first byte bit 0 is the
    direction, the others what it is: a frame of a type, or one of the above.
    """
    out: list[Record] = []
    sent = {True: 1000, False: 5000}
    now_ns = START_NS

    def send(payload: bytes, *, client: bool, flags: int = ACK | PSH, length: int | None = None, cut: bool = False) -> None:
        size = len(payload) if length is None else length
        key = KEY if client else reverse(KEY)
        out.append(Segment(key, now_ns, sent[client], sent[not client] if flags & ACK else 0, flags, payload, size, 0, cut))
        sent[client] = sent[client] + size + bool(flags & (SYN | FIN)) & MASK

    first = data[0] if data else 0
    if first & 1:
        send(b"", client=True, flags=SYN)
        send(b"", client=False, flags=SYN | ACK)
    if first & 2:
        send(PREFACE, client=True)
    at = 1
    while at + 4 <= len(data):
        what, flags, stream, size = data[at : at + 4]
        payload = data[at + 4 : at + 4 + size]
        at += 4 + size
        client, kind = bool(what & 1), (what >> 1) % (PAUSES + 1)
        now_ns += STEP_NS
        if kind == RAW:
            send(payload, client=client)
        elif kind == LOST:
            sent[client] += size * 7
        elif kind == LEFT_OUT:
            send(payload, client=client, length=len(payload) + flags * 50)
        elif kind == CUT:
            send(payload, client=client, length=len(payload) + flags, cut=True)
        elif kind == ENDS:
            send(payload, client=client, flags=ACK | FIN)
        elif kind == RESETS:
            send(b"", client=client, flags=ACK | RST)
        elif kind == PAUSES:
            now_ns += size * 4_000_000_000
        else:
            length = len(payload) if stream < 128 else len(payload) + flags
            header = length.to_bytes(3, "big") + bytes([kind, flags]) + (stream & 31).to_bytes(4, "big")
            send(header + payload, client=client)
    return out
