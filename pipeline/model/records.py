"""Records: what a source saw on the wire, before anything is understood. Source → decode, in batches.

Two kinds of source speak this language. A packet source (BPF socket filter, capture file) emits ``Segment``s. A byte-stream
source (a probe on a TLS library, a recorded body) emits ``Chunk``s, in order and already decrypted. ``Opened``, ``Gap`` and
``Closed`` say what happened to a connection where no segment says it, ``Owner`` who sits at one end of it.

A ``FlowKey`` names one *direction* of a connection as one observer sees it; the other direction is ``reverse(key)``. There are
two kinds, told apart by their length:

* Of packets: source address, destination address, source port, destination port, as they lie in the packet, in network byte
  order. 12 bytes for IPv4, 36 for IPv6; so on plain packets it is one slice of the packet, and addresses are only turned into
  text once per connection.
* Of a process (``stream_key``), 17 bytes: who observes, which of its connections, and whether the observed process sent or
  received. So the two ends of one local connection, each seen by a probe of its own, never mix, and a key does not depend on
  addresses, which may become known late or never.

Fields are only ever added at the end and have defaults, so that recordings of older versions stay readable.
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

    ``key``      the direction it travelled: source address, destination address, source port, destination port, as in the packet.
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
    """The next bytes of one direction of an ordered byte stream; ``length`` and ``cut`` as in ``Segment``."""

    key: FlowKey
    ts_ns: int
    payload: bytes
    length: int
    cut: bool = False


class Process(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A process at one end of a connection; 0 or empty for what is not known.

    ``executable`` is a name, ``path`` where it lies in the process's own mount namespace; ``command_line`` only where a source
    was asked for it, without what it knows to be secrets.
    """

    pid: int = 0
    executable: str = ""
    container: str = ""
    path: str = ""
    command_line: str = ""


class Opened(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """A connection began; ``key`` is the direction from the client.

    ``client``    endpoint of the client: its address (4 or 16 bytes) and port (2 bytes) in network byte order; empty where the
                  key says it, or where it is not known (yet).
    ``server``    the same of the server.
    ``process``   who sits at the observed end: the sender of ``sent_by_observer(key)``.
    ``security``  how the bytes were protected on the wire: empty for not at all, else the library that did, such as
                  ``openssl``; ``tls`` where that is not known.
    ``tls_version``  such as ``1.3``; empty where it is not known (yet).
    ``mid_stream``   bytes were exchanged before it, which nobody saw.
    """

    key: FlowKey
    ts_ns: int
    client: bytes = b""
    server: bytes = b""
    process: Process | None = None
    security: str = ""
    tls_version: str = ""
    mid_stream: bool = False


class Owner(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """Who owns one end of a connection, reported when it becomes known: before its bytes, or after the first of them.

    ``key``     the direction that the owner sends.
    ``local``   its endpoint, as in ``Opened``; empty where that is known already, or not known.
    ``remote``  that of the other end.
    ``tls_version``  as in ``Opened``, where it became known since.
    """

    key: FlowKey
    ts_ns: int
    process: Process
    local: bytes = b""
    remote: bytes = b""
    tls_version: str = ""


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


class Datagram(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True):
    """One UDP datagram that may belong to a QUIC handshake. ``key``, ``vlan`` and ``interface`` as in ``Segment``.

    ``payload``  the captured part; ``length``  payload bytes that were on the wire.
    """

    key: FlowKey
    ts_ns: int
    payload: bytes
    length: int
    vlan: int = 0
    interface: int = 0


Captured = Segment | Datagram
"""What a packet becomes."""
Record = Segment | Chunk | Opened | Owner | Gap | Closed | Datagram

_STREAM_KEY_BYTES = 17


def stream_key(observer: int, number: int, *, sent: bool) -> FlowKey:
    """The key of bytes that a process sends or receives: the process as ``observer`` and its connection, 64 bits each.

    For the other direction of the same connection: the opposite of ``sent``.
    """
    return observer.to_bytes(8, "big") + number.to_bytes(8, "big") + (b"\1" if sent else b"\0")


def is_stream_key(key: FlowKey) -> bool:
    """Whether a key is one of a process, and says nothing about addresses."""
    return len(key) == _STREAM_KEY_BYTES


def sent_by_observer(key: FlowKey) -> FlowKey:
    """Of the two directions the one that the observed end sends; of packets, which have no such end, the one that is given."""
    return key[:-1] + b"\1" if is_stream_key(key) else key


def reverse(key: FlowKey) -> FlowKey:
    """The key of the other direction of the same connection."""
    if len(key) == _STREAM_KEY_BYTES:
        return key[:-1] + (b"\0" if key[-1] else b"\1")
    half = (len(key) - 4) // 2
    return key[half : 2 * half] + key[:half] + key[-2:] + key[-4:-2]
