"""Any bytes, read as records of one or two connections: what the fuzzer of decode and the comparison with the lane begin with."""

from pipeline.model.records import ACK, FIN, PSH, RST, SYN, Chunk, Closed, Gap, Opened, Owner, Process, Record, Segment, reverse
from pipeline.testing.packets import flow_key

KEYS = (flow_key(), flow_key(client="fd00::1", server="fd00::2", server_port=8080))
MASK = 0xFFFFFFFF


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
