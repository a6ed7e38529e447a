"""The layout that ``tls.bpf.c`` and httpipe share: a mirror of ``pipeline/bpf/tls.h``, in the same order.

Comes in: bytes of the ring and of maps. Goes out: numbers and names. ``tests/test_abi.py`` compares it with the C compiler's own
view of the header. Nothing here does I/O.
"""

from enum import IntEnum, IntFlag
from struct import Struct

RECORD_PAYLOAD = 16384
CALL_RECORDS = 64
PARTS = 256


class Kind(IntEnum):
    """``tls_record.kind``."""

    DATA = 0
    CLOSED = 1
    SHED = 2
    SENT = 3
    PROCESS = 4
    EXIT = 5


class Bit(IntFlag):
    """``tls_record.bits``."""

    SENT = 1
    CUT = 2
    MID = 4
    TOKEN = 8


class How(IntEnum):
    """``tls_record.how``: what says that the connection has this socket."""

    UNKNOWN = 0
    NESTED = 1
    FD = 2
    READ = 3
    WRITE = 4
    TAKEN = 5


RECORD_FORMAT = "QQQIIIHHBBBBIIII16s16s2s2sII"
RECORD = Struct(f"={RECORD_FORMAT}")
"""``struct tls_record``: ts_ns, connection, position, tgid, length, captured, target, version, kind, bits, how, pad, votes,
conflicts, process_votes, process_conflicts, then ends: local, remote, local_port, remote_port, family; pad."""


class Want(IntEnum):
    """``tls_settings.want``: what the kernel may wake the reader for, once; every other number is so many bytes in the ring."""

    NOTHING = 0
    ANY = 1


class End(IntFlag):
    """``tls_settings.ends``."""

    CLIENT = 1
    SERVER = 2


SETTINGS = Struct("=IIIIQIIII")
"""``struct tls_settings``: want, budget, ends, keep, looked_ns, own, facts, websockets, pad."""

WANT_OFFSET = 0
KEEP_OFFSET = 12


class Verdict(IntEnum):
    """``tls_process.verdict``."""

    UNDECIDED = 0
    WANTED = 1
    IGNORED = 2


PROCESS = Struct("=IIII")
"""``struct tls_process``: verdict, votes, conflicts, pad."""

COUNTS = (
    "calls",
    "records",
    "record_bytes",
    "connections",
    "ended",
    "left_out_bytes",
    "not_http",
    "not_tls",
    "other_end",
    "ring_full",
    "ring_full_bytes",
    "copy_failed",
    "call_cut",
    "table_full",
    "no_call",
    "not_attributed",
    "bound",
    "conflicts",
    "shed_connections",
    "shed_requests",
)
"""``enum tls_count``: what the kernel counts, by its name outside."""
