"""The layout that the gate's programs and httpipe share: a mirror of ``pipeline/bpf/gate/abi.h``, in the same order.

Comes in: bytes of the ring and of maps. Goes out: numbers and names, and back. ``tests/test_abi.py`` compares it with the C
compiler's own view of the header. Nothing here does I/O.
"""

from enum import IntEnum, IntFlag
from struct import Struct
from typing import NamedTuple

from pipeline.model.records import FlowKey

PATH_BYTES = 512
SEGMENTS = 64
METHOD_BYTES = 16
HEAD_BYTES = 16384
TEXT_BYTES = 120
HOST_ROOM = 128
REPLY_BYTES = 512
RECORD_PATH = 256
RAW_LINKS = 1024


class Mode(IntEnum):
    """``enum gate_mode``: what happens to what is refused."""

    MONITOR = 0
    ENFORCE = 1


class Answer(IntEnum):
    """``enum gate_answer``: what a refused client gets."""

    NOTHING = 0
    FORBIDDEN = 1
    RESET = 2
    DROPPED = 3


class Policy(IntFlag):
    """``gate_settings.policy``: what is refused besides requests."""

    NONE = 0
    NOT_HTTP = 1
    MIDSTREAM = 2
    FULL = 4
    FRAGMENTS = 8
    ALL = 15


class Doubt(IntFlag):
    """``enum gate_doubt``: what servers may understand in another way than the gate does; then, from ``UPGRADE`` on, facts."""

    NONE = 0
    LONG = 1 << 0
    HEADER = 1 << 1
    FRAMING = 1 << 2
    ESCAPE = 1 << 3
    CONTROL = 1 << 4
    DOUBLE = 1 << 5
    ABOVE = 1 << 6
    OLD = 1 << 7
    HOSTS = 1 << 8
    BACKSLASH = 1 << 9
    PARAMETER = 1 << 10
    SLASHES = 1 << 11
    DOTS = 1 << 12
    ESCAPED = 1 << 13
    UTF8 = 1 << 14
    VERSION = 1 << 15
    BODY = 1 << 16
    FRAGMENT = 1 << 17
    ALL = (1 << 18) - 1
    UPGRADE = 1 << 20
    ABSOLUTE = 1 << 21
    CHUNKED = 1 << 22
    SPLIT = 1 << 23


class Reason(IntEnum):
    """``enum gate_reason``: why something is refused."""

    NONE = 0
    LISTED = 1
    NOT_LISTED = 2
    DOUBT = 3
    NOT_HTTP = 4
    MIDSTREAM = 5
    FULL = 6
    URGENT = 7
    FRAGMENT = 8
    DESYNC = 9


class Action(IntEnum):
    """``enum gate_action``."""

    ALLOWED = 0
    WOULD_REFUSE = 1
    REFUSED = 2


class Kind(IntEnum):
    """``enum gate_kind``: what a name in the lists is; those of the allow list are ``ALLOW`` more."""

    HOST = 1
    SUFFIX = 2
    METHOD = 3
    GROUP = 4
    PATH = 5
    ALLOW = 16


class Group(IntFlag):
    """``GATE_GROUP_*``: what a group has."""

    NONE = 0
    ANY = 1
    EXACT = 2
    PREFIX = 4
    GLOBS = 8


class Facts(IntFlag):
    """``GATE_LIST_*``: what a generation of lists has."""

    NONE = 0
    DENY = 1
    ALLOW = 2
    HOSTS = 4
    METHODS = 8


NAME = Struct(f"=III{TEXT_BYTES}s")
"""``struct gate_name``: kind, host, method, text."""

PREFIX = Struct(f"=IIII{TEXT_BYTES}s")
"""``struct gate_prefix``: bits, then a name."""

PREFIX_BITS = 96
"""Of a prefix before its text."""

FOUND = Struct("=IIII")
"""``struct gate_found``: a, b, c, d."""

ROW = Struct("=256HI")
"""``struct gate_row``: the next row for each byte, the entry that fits where the path ends here."""

SETTINGS = Struct(f"=IIIIII2I2III{REPLY_BYTES}s{RAW_LINKS // 8}s8192s")
"""``struct gate_settings``: mode, answer, refuse, policy, report_all, list, facts, generations, reply_bytes, reply_sum, reply,
raw_links, ports."""

MODE_OFFSET = 0
LIST_OFFSET = 20
FACTS_OFFSET = 24
GENERATIONS_OFFSET = 32
REPLY_OFFSET = 40
RAW_LINKS_OFFSET = REPLY_OFFSET + 8 + REPLY_BYTES
PORTS_OFFSET = RAW_LINKS_OFFSET + RAW_LINKS // 8


class Bit(IntFlag):
    """``gate_decision.bits``."""

    IPV6 = 1
    EGRESS = 2


DECISION = Struct(f"=Q36sIIIIIIHBBBBBBHH{METHOD_BYTES}s{HOST_ROOM}s{RECORD_PATH}s")
"""``struct gate_decision``."""

COUNTS = (
    "segments",
    "heads",
    "allowed",
    "listed",
    "not_listed",
    "doubt",
    "not_http",
    "midstream",
    "full",
    "urgent",
    "desync",
    "would_refuse",
    "forbidden",
    "reset",
    "dropped",
    "decisions",
    "ring_full",
    "connections",
    "taken_up",
    "passed_over",
    "split",
    "early",
    "parked",
    "busy",
    "repeated",
    "reread",
    "waiting",
    "swallowed",
    "answered_again",
    "mptcp",
    "opening_data",
    "fragments",
    "malformed",
)
"""``enum gate_count``: what the kernel counts, by its name outside."""


class Decision(NamedTuple):
    """What was decided on a request, or on a connection. ``path`` is canonical and may be cut: ``path_bytes`` it had."""

    ts_ns: int
    key: FlowKey
    seq: int
    interface: int
    doubts: Doubt
    entry: int
    generation: int
    head_bytes: int
    vlan: int
    egress: bool
    mode: Mode
    reason: Reason
    action: Action
    answer: Answer
    path_bytes: int
    method: bytes
    host: bytes
    path: bytes


def decision(raw: bytes, offset_ns: int = 0) -> Decision:
    """One record of the ring; ``offset_ns`` is added to the kernel's time."""
    ts, flow, seq, interface, doubts, entry, generation, head, vlan, bits, *rest = DECISION.unpack(raw)
    mode, reason, action, answer, method_bytes, host_bytes, path_bytes, method, host, path = rest
    return Decision(
        ts + offset_ns,
        flow if bits & Bit.IPV6 else flow[:12],
        seq,
        interface,
        Doubt(doubts),
        entry,
        generation,
        head,
        vlan,
        bool(bits & Bit.EGRESS),
        Mode(mode),
        Reason(reason),
        Action(action),
        Answer(answer),
        path_bytes,
        method[:method_bytes],
        host[:host_bytes],
        path[:path_bytes],
    )
