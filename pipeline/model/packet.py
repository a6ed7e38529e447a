"""A packet as capture files hold it, and the interface it is said to come from. Nouns."""

from typing import NamedTuple

import msgspec

ETHERNET = 1
RAW_IP = 101
"""Link types of the registry that tcpdump.org keeps."""


class Interface(msgspec.Struct, frozen=True):
    """``name`` as users know it, ``description`` in words, ``link_type`` how its packets begin."""

    name: str
    link_type: int
    description: str = ""


class Packet(NamedTuple):
    """One packet. ``data`` are its captured bytes, ``length`` how many there were; ``ts_ns`` since 1970-01-01 UTC."""

    ts_ns: int
    interface: Interface
    data: bytes
    length: int
    comment: str = ""
