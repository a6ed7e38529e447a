"""Coverage-guided fuzzing of decode: ``python tests/fuzz/fuzz_decode.py -max_total_time=600 CORPUS tests/fuzz/seeds``.

The input is read as a list of segments of one or two connections: a control byte, a length byte, a payload. What must hold:
nothing raises, decode counts no failure of its own, memory keeps its bound, and behind the end of input nothing is held.
Not a pytest test.
"""

import sys

import atheris

with atheris.instrument_imports(include=["pipeline.decode"]):
    from pipeline.decode import BodyOptions, DecodeOptions, Decoder
from pipeline.model.records import ACK, FIN, PSH, RST, SYN, Chunk, Closed, Gap, Opened, Owner, Process, Record, Segment, reverse
from pipeline.testing.packets import flow_key

KEYS = (flow_key(), flow_key(client="fd00::1", server="fd00::2", server_port=8080))
MASK = 0xFFFFFFFF
MEMORY = 1 << 20
OPTIONS = (
    DecodeOptions(max_memory_bytes=MEMORY, max_head_bytes=1024, max_pipelined_requests=4),
    DecodeOptions(
        bodies=BodyOptions(max_bytes=500),
        request_headers=("Cookie",),
        response_headers=("X-A",),
        max_connections=1,
        max_memory_bytes=MEMORY,
    ),
)


def records(data: bytes) -> list[Record]:  # noqa: C901, PLR0912, PLR0915  a table of what may happen
    """Segments as ``data`` says: bit 0 direction, bit 1 connection, bits 2 to 7 what is special about it."""
    out: list[Record] = []
    sent = {(connection, client): 1000 for connection in (0, 1) for client in (False, True)}
    pos, now_ns = 0, 1_700_000_000_000_000_000
    while pos + 1 < len(data):
        control, size = data[pos], data[pos + 1]
        payload = data[pos + 2 : pos + 2 + size]
        pos += 2 + size
        client, connection, kind = bool(control & 1), control >> 1 & 1, control >> 2
        key = KEYS[connection] if client else reverse(KEYS[connection])
        seq, ack, length, flags, cut = sent[connection, client], sent[connection, not client], len(payload), ACK | PSH, False
        now_ns += 1_000_000
        match kind:
            case 1:
                flags = SYN | (0 if client else ACK)
                length += 1
            case 2:
                flags |= FIN
                length += 1
            case 3:
                flags |= RST
            case 4 | 5:
                seq -= size * 3 % 257  # a repetition, with the same bytes or with others
            case 6:
                seq += size * 5 % 101  # comes too early
            case 7:
                length, cut = length + size * 7, True
            case 8:
                length += size * 11
            case 9:
                now_ns += 5_000_000_000
            case 10:
                now_ns += 400_000_000_000
            case 11:
                sent[connection, client] += size * 3
            case 12:
                ack += size * 3
            case 13:
                out.append(Opened(key, now_ns))
                continue
            case 14:
                out.append(Gap(key, now_ns, size))
                continue
            case 15:
                out.append(Closed(key, now_ns))
                continue
            case 16:
                out.append(Chunk(key, now_ns, payload, length))
                continue
            case 17:
                out.append(Owner(key, now_ns, Process(size), payload[:6], payload[:18]))
                continue
            case _:
                pass
        on_wire = length - bool(flags & (SYN | FIN))
        out.append(Segment(key, now_ns, seq & MASK, ack & MASK, flags, payload, on_wire, 0, cut))
        if kind not in {4, 5, 6}:
            sent[connection, client] = (seq + length) & MASK
    return out


def check(data: bytes) -> None:
    """Decode, and look at what must hold."""
    if not data:
        return
    failures: list[str] = []
    options = OPTIONS[data[0] & 1]
    decoder = Decoder(options, source="fuzz", keep_heads=bool(data[0] & 2), count=lambda name, _by: failures.append(name))
    held = records(data[1:])
    for start in range(0, len(held), 3):
        decoder.feed(held[start : start + 3])
        if decoder.held_bytes > 3 * MEMORY or decoder.held_bytes < 0:
            raise AssertionError(f"{decoder.held_bytes} bytes are held")
    decoder.finish()
    if "decoder_internal_errors" in failures:
        raise AssertionError("decode failed inside")
    if decoder.held_bytes or decoder.held_exchanges or decoder.connections:
        raise AssertionError(
            f"left: {decoder.held_bytes} bytes, {decoder.held_exchanges} exchanges, {decoder.connections} connections"
        )


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
