"""The layout that the BPF program and httpipe share: a mirror of ``pipeline/bpf/http_trace.h``, in the same order.

Comes in: bytes of the ring and of maps. Goes out: numbers and names. ``tests/test_abi.py`` compares it with the C
compiler's own view of the header. Nothing here does I/O.
"""

from enum import IntEnum, IntFlag
from struct import Struct
from typing import NamedTuple

RECORD_PAYLOAD = 16384
SEGMENT_RECORDS = 9
RANGE_BYTES = 4 << 20
RANGE_QUIET_NS = 50_000_000
PARTS = 256
WHERE_SENT = 1 << 31


class Bit(IntFlag):
    """``http_record.bits``."""

    IPV6 = 1
    OUTGOING = 2
    CUT = 4
    RANGE = 8
    SHED = 16
    OWNER = 32
    DATAGRAM = 64


RECORD_HEAD = "QQIIIIIHBB"
"""``struct http_record`` up to its flow: ts_ns, last_ns, seq, ack, length, captured, ifindex, vlan, flags, bits."""

FLOW_OFFSET = 40
FLOW_BYTES_IPV4 = 12
FLOW_BYTES_IPV6 = 36

RECORD = Struct(f"={RECORD_HEAD}{FLOW_BYTES_IPV6}sI")
"""``struct http_record``: its head, flow, pad."""

KEY = Struct("=16s16s2s2sI")
"""``struct http_key``: two addresses, two ports, family 4 or 6."""

DIRECTION = Struct("=QQQIIIIII")


class Direction(NamedTuple):
    """``struct http_direction``."""

    range: int
    first_ns: int
    last_ns: int
    next_seq: int
    copy_until: int
    reported: int
    where: int
    finished: int
    busy: int

    @property
    def interface(self) -> int:
        """The index of the one that its newest segment was seen at."""
        return self.where & ~WHERE_SENT

    @property
    def seq(self) -> int:
        """Where the range begins."""
        return self.range >> 32

    @property
    def length(self) -> int:
        """Of the range; 0 where there is none."""
        return self.range & 0xFFFFFFFF

    @property
    def is_reported(self) -> bool:
        """Whether the range, as long as it is now, has been reported, or there is none."""
        return not self.length or self.reported == (self.seq + self.length) & 0xFFFFFFFF


OWNER_KEY = Struct(f"={KEY.size}sI")
"""``struct http_owner_key``: a connection's key, the owner's place in it."""

FACTS = Struct("=IHBBHHHH")
"""``struct process_facts`` up to its text: pid, text_bytes, components, groups, command, pad."""


class Facts(IntFlag):
    """``http_settings.facts``: what is told of an owner beyond pid, path and cgroup."""

    CGROUP_V1 = 1
    COMMAND = 2


CONNECTION_BYTES = 2 * DIRECTION.size + 24
"""``struct http_connection``: two directions, then speaker, connecting, upgraded, shed, tls, pad."""

OPENING = Struct("=QQIIII")
"""``struct http_opening``: syn_ns, answer_ns, syn_seq, answer_seq, client, pad."""


class Want(IntEnum):
    """``http_settings.want``: what the kernel may wake the reader for, once; every other number is so many bytes in the ring."""

    NOTHING = 0
    ANY = 1


SETTINGS = Struct("=IIIIQIIIIII")
"""The beginning of ``struct http_settings``: want, budget, some_ports, keep, looked_ns, facts, loopback, websockets,
handshakes, frame, contents. The bits of 65536 ports follow."""

WANT_OFFSET = 0
KEEP_OFFSET = 12

SETTINGS_BYTES = SETTINGS.size + 65536 // 8

COUNTS = (
    "packets",
    "records",
    "record_bytes",
    "connections",
    "ended",
    "upgraded",
    "left_out_bytes",
    "repeated",
    "not_http",
    "tls_connections",
    "ip_fragments",
    "tunnelled",
    "malformed",
    "ring_full",
    "ring_full_bytes",
    "copy_failed",
    "segment_cut",
    "table_full",
    "waiting_full",
    "shed_connections",
    "shed_requests",
    "owners",
    "owners_ring_full",
    "owners_table_full",
    "handshakes",
    "initials",
    "frames_lost",
    "nested",
)
"""``enum http_count``: what the kernel counts, by its name outside."""

COUNTERS_BYTES = 8 * len(COUNTS)


def port_bits(ports: tuple[int, ...]) -> bytes:
    """``http_settings.ports``: one bit a port."""
    bits = bytearray(65536 // 8)
    for port in ports:
        bits[port >> 3] |= 1 << (port & 7)
    return bytes(bits)


def direction(connection: bytes, side: int) -> Direction:
    """What is remembered of the direction that the end at place ``side`` sends."""
    return Direction._make(DIRECTION.unpack_from(connection, side * DIRECTION.size))


def flow(key: bytes, side: int) -> bytes:
    """The flow key of the direction that the end at place ``side`` of a connection's key sends."""
    low, high, low_port, high_port, family = KEY.unpack(key)
    width = 4 if family == 4 else 16
    if side:
        return bytes(high[:width] + low[:width] + high_port + low_port)
    return bytes(low[:width] + high[:width] + low_port + high_port)
