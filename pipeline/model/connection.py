"""A connection: two endpoints, what is known about them, and what both directions carried."""

from functools import lru_cache
from ipaddress import IPv6Address
from struct import Struct

import msgspec

from pipeline.model.records import FlowKey

_IPV4 = Struct("!4s4sHH").unpack


class Names(msgspec.Struct, frozen=True, gc=False):
    """The endpoints as text; ``client`` is the end that sends requests. Made once per connection, shared by all its exchanges.

    Addresses are text as in RFC 5952, IPv4 addresses mapped into IPv6 as plain IPv4. ``id`` names the connection for as long
    as the capture lasts: stable in a replay of the same records, different when a port is used again.
    """

    client_address: str
    client_port: int
    server_address: str
    server_port: int
    network_type: str
    id: str


class Connection(msgspec.Struct, gc=False, eq=False):
    """What is known of a connection. It grows while the connection lasts, and is looked at when an event is made.

    ``key`` is the direction from the client, ``last_ns`` when its latest bytes were captured. ``generation`` tells uses of the
    same ports apart: the initial sequence number of the end that opened it, 0 where the opening was not seen. It needs no
    memory, and names the same connection in captures from both ends alike. ``multipath``: it is one of the subflows of MPTCP, so
    that what is missing may have gone another way.
    ``marks`` are those of its next exchange, as bits; ``exchanges`` counts them.
    """

    key: FlowKey
    last_ns: int
    generation: int = 0
    multipath: bool = False
    marks: int = 0
    exchanges: int = 0
    names: Names | None = None

    def name(self) -> Names:
        """Its names, which stay from now on."""
        key = self.key
        suffix = f"-{self.generation}" if self.generation else ""
        if len(key) == 12:  # by far the commonest, and one is made for each connection
            source, destination, client_port, server_port = _IPV4(key)
            client, server = address_text(source), address_text(destination)
            text = f"{client}:{client_port}-{server}:{server_port}{suffix}"
            names = Names(client, client_port, server, server_port, "ipv4", text)
        else:
            client, client_port, server, server_port = ends(key)
            text = f"{_host(client)}:{client_port}-{_host(server)}:{server_port}{suffix}"
            names = Names(client, client_port, server, server_port, "ipv6", text)
        self.names = names
        return names


def ends(key: FlowKey) -> tuple[str, int, str, int]:
    """Source address, source port, destination address, destination port of a direction."""
    half = (len(key) - 4) // 2
    return (
        address_text(key[:half]),
        int.from_bytes(key[-4:-2], "big"),
        address_text(key[half : 2 * half]),
        int.from_bytes(key[-2:], "big"),
    )


@lru_cache(maxsize=8192)  # hosts repeat from connection to connection; about 1 MB when full
def address_text(packed: bytes) -> str:
    """An IPv4 (4 bytes) or IPv6 (16 bytes) address as text: RFC 5952; IPv4-mapped IPv6 addresses as plain IPv4."""
    if len(packed) == 4:
        return "%d.%d.%d.%d" % tuple(packed)  # noqa: UP031  half the time of an f-string with four subscripts
    address = IPv6Address(packed)
    return str(address.ipv4_mapped or address)


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
