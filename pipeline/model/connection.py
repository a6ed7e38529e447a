"""Who talks to whom: the two ends of a connection as text, made once per connection and shared by all its exchanges."""

from functools import lru_cache
from ipaddress import IPv6Address
from struct import Struct
from typing import Self

import msgspec

from pipeline.model.records import FlowKey

_IPV4 = Struct("!4s4sHH").unpack


class Connection(msgspec.Struct, frozen=True, gc=False):
    """The ends of a TCP connection; ``client`` is the end that sends requests.

    Addresses are text as in RFC 5952, IPv4 addresses mapped into IPv6 as plain IPv4. ``id`` names the connection for as long
    as the capture lasts: stable in a replay of the same records, different when a port is used again.
    """

    client_address: str
    client_port: int
    server_address: str
    server_port: int
    network_type: str
    id: str

    @classmethod
    def from_client_key(cls, key: FlowKey, generation: int = 0) -> Self:
        """The connection whose client sends in direction ``key``.

        ``generation`` tells uses of the same four values apart: the initial sequence number of the end that opened it, 0 where
        the opening was not seen. It needs no memory, and names the same connection in captures from both ends alike.
        """
        suffix = f"-{generation}" if generation else ""
        if len(key) == 12:  # by far the commonest, and one is made for each connection
            source, destination, client_port, server_port = _IPV4(key)
            client, server = address_text(source), address_text(destination)
            name = f"{client}:{client_port}-{server}:{server_port}{suffix}"
            return cls(client, client_port, server, server_port, "ipv4", name)
        client, client_port, server, server_port = ends(key)
        name = f"{_host(client)}:{client_port}-{_host(server)}:{server_port}{suffix}"
        return cls(client, client_port, server, server_port, "ipv6", name)


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
