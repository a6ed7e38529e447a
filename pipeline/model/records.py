"""Records: what a source saw on the wire, before anything is understood. Source → decode, in batches.

Two kinds of source speak this language. A packet source (BPF socket filter, capture file) emits ``Segment``s. A byte-stream
source (a probe on a TLS library, a recorded body) emits ``Chunk``s, in order and already decrypted. ``Opened``, ``Gap`` and
``Closed`` say what happened to a connection where no segment says it.

A ``FlowKey`` names one *direction* of a connection: source address, destination address, source port, destination port, as
they lie in the packet, in network byte order. 12 bytes for IPv4, 36 for IPv6; so on plain packets it is one slice of the
packet, and addresses are only turned into text once per connection. The other direction is ``reverse(key)``.
"""

import msgspec

FlowKey = bytes

FIN = 0x01
SYN = 0x02
RST = 0x04
PSH = 0x08
ACK = 0x10
"""TCP flags as in the 14th byte of the TCP header (RFC 9293, section 3.1)."""
MULTIPATH = 0x100
"""Beside the flags of a SYN: it has an option of MPTCP (RFC 8684, section 3). Sources that do not read options do not tell."""


class Segment(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """One TCP segment, or a run of consecutive ones that was merged because its bytes were not copied.

    ``key``      the direction it travelled.
    ``ts_ns``    capture time, nanoseconds since 1970-01-01 UTC, of its first byte.
    ``seq``      sequence number of the first payload byte (of the SYN itself when it carries SYN), 0…2³²-1.
    ``ack``      acknowledgement number, 0 where the ACK flag is absent.
    ``flags``    TCP flags, and ``MULTIPATH``.
    ``payload``  the captured part, from the first payload byte on; may be shorter than ``length``, also empty.
    ``length``   payload bytes that were on the wire.
    ``last_ns``  capture time of the last byte; 0 means the same as ``ts_ns``.
    ``cut``      why ``payload`` is shorter than ``length``: true where the capture lost or cut bytes that somebody may have
                 wanted (snap length, copy bound), false where the kernel left out body bytes on purpose.
    ``vlan``     innermost VLAN id, 0 for none; ``interface``  index of the capturing interface, 0 for unknown.
    """

    key: FlowKey
    ts_ns: int
    seq: int
    ack: int
    flags: int
    payload: bytes
    length: int
    last_ns: int = 0
    cut: bool = False
    vlan: int = 0
    interface: int = 0


class Chunk(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """The next bytes of one direction of an ordered byte stream; ``length`` as in ``Segment``."""

    key: FlowKey
    ts_ns: int
    payload: bytes
    length: int


class Opened(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """A connection began; ``key`` is the direction from the client."""

    key: FlowKey
    ts_ns: int


class Gap(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """Bytes of one direction are lost; ``length`` is their number, 0 where unknown."""

    key: FlowKey
    ts_ns: int
    length: int = 0


class Closed(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """The connection ended and no more records of it will come; ``unseen`` where only the capture left it."""

    key: FlowKey
    ts_ns: int
    unseen: bool = False


Record = Segment | Chunk | Opened | Gap | Closed


def reverse(key: FlowKey) -> FlowKey:
    """The key of the other direction of the same connection."""
    half = (len(key) - 4) // 2
    return key[half : 2 * half] + key[:half] + key[-2:] + key[-4:-2]
