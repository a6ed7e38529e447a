"""A connection: two endpoints, what is known about them, and what both directions carried. Nouns.

It is one thing to one observer: what packets show of it, or what one of its processes does. What is known of it grows while it
lasts (its opening may come late, its owner after the first data), so everything is looked up when an event is made of it.
"""

from functools import lru_cache
from ipaddress import IPv6Address
from struct import Struct
from typing import Any

import msgspec

from pipeline.model.records import FlowKey, Opened, Owner, Process, is_stream_key, sent_by_observer

_IPV4 = Struct("!4s4sHH").unpack


NO_PROCESS = Process()


class Names(msgspec.Struct, frozen=True, gc=False):
    """The endpoints as text, shared by all exchanges of a connection; ``client`` is the end that sends requests.

    Addresses are text as in RFC 5952, IPv4 addresses mapped into IPv6 as plain IPv4, and None where not known. ``id`` names the
    connection for as long as the capture lasts: stable in a replay of the same records, different when a port is used again.
    """

    client_address: str | None
    client_port: int | None
    server_address: str | None
    server_port: int | None
    network_type: str | None
    id: str


class Connection(msgspec.Struct, gc=False, eq=False):
    """What is known of a connection.

    ``key``         the direction from the client; it names the observer, too.
    ``last_ns``     when its latest bytes were captured.
    ``generation``  tells uses of the same ports apart: the initial sequence number of the end that opened it, 0 where the opening
                    was not seen. It needs no memory, and names a connection in captures from both ends alike.
    ``multipath``   it is one of the subflows of MPTCP, so that what is missing may have gone another way.
    ``marks``       of its next exchange, as bits; ``exchanges`` counts them.
    ``client``      endpoint as in ``Opened``, where the key does not say it; ``server`` the same.
    ``security``    as in ``Opened``: empty for clear text, else who protects it; ``tls_version``  such as ``1.3``, or empty.
    ``observed``, ``opposite``  the processes at the end that is observed and at the other one; of packets the server and the
                    client, as what serves is what people look for.
    ``known``       its source said something of it that packets do not show; ``told`` is that as values of an event, empty until
                    somebody asks.
    """

    key: FlowKey
    last_ns: int
    generation: int = 0
    multipath: bool = False
    marks: int = 0
    exchanges: int = 0
    names: Names | None = None
    client: bytes = b""
    server: bytes = b""
    security: str = ""
    tls_version: str = ""
    observed: Process | None = None
    opposite: Process | None = None
    known: bool = False
    told: tuple[Any, ...] = ()

    @property
    def observer(self) -> int | None:
        """Whose view it is: the process that ``stream_key`` was told; None for what packets show."""
        return int.from_bytes(self.key[:8], "big") if is_stream_key(self.key) else None

    @property
    def scheme(self) -> str:
        """Of URLs on it, where they do not say (RFC 9110, section 4.2)."""
        return "https" if self.security else "http"

    @property
    def process(self) -> Process:
        """Whose exchanges these are: the process at the observed end, else the one at the other."""
        return self.observed or self.opposite or NO_PROCESS

    @property
    def process_end(self) -> str | None:
        """At which end ``process`` sits: ``server`` or ``client``; None where there is none."""
        if self.observed or self.opposite:
            return "server" if bool(self.observed) == self._observes_server else "client"
        return None

    @property
    def client_process(self) -> Process:
        """Beside that, the process that asks, where both are known and the one that serves is ``process``."""
        return (self.observed and self._observes_server and self.opposite) or NO_PROCESS

    @property
    def _observes_server(self) -> bool:
        """Whether the observed end is the server's, as it is of packets."""
        return not is_stream_key(self.key) or sent_by_observer(self.key) != self.key

    def opened(self, opened: Opened) -> None:
        """What its source said when it began."""
        self.known = True
        self.told = ()
        client, server = (opened.client, opened.server) if opened.key == self.key else (opened.server, opened.client)
        self._learn(client, server)
        self.security = opened.security
        self.tls_version = opened.tls_version
        if opened.process is not None:
            self.owned(Owner(sent_by_observer(opened.key), opened.ts_ns, opened.process))

    def owned(self, owner: Owner) -> None:
        """Who sits at one end, and what that end knows of addresses."""
        self.known = True
        by_client = owner.key == self.key
        self.tls_version = owner.tls_version or self.tls_version
        self._learn(*((owner.local, owner.remote) if by_client else (owner.remote, owner.local)))
        self.told = ()
        if by_client != self._observes_server:
            self.observed = owner.process
        else:
            self.opposite = owner.process

    def _learn(self, client: bytes, server: bytes) -> None:
        """Endpoints that the key does not say."""
        if is_stream_key(self.key) and (client or server):
            self.client, self.server = client or self.client, server or self.server
            self.names = None

    def name(self) -> Names:
        """Its names, which stay until more is known of its endpoints; the id stays for good."""
        key = self.key
        if len(key) == 12:  # by far the commonest, and one is made for each connection
            source, destination, client_port, server_port = _IPV4(key)
            client, server = address_text(source), address_text(destination)
            suffix = f"-{self.generation}" if self.generation else ""
            text = f"{client}:{client_port}-{server}:{server_port}{suffix}"
            names = Names(client, client_port, server, server_port, "ipv4", text)
        elif is_stream_key(key):
            names = self._stream_names()
        else:
            client, client_port, server, server_port = ends(key)
            suffix = f"-{self.generation}" if self.generation else ""
            text = f"{_host(client)}:{client_port}-{_host(server)}:{server_port}{suffix}"
            names = Names(client, client_port, server, server_port, "ipv6", text)
        self.names = names
        return names

    def _stream_names(self) -> Names:
        key = self.key
        text = f"{self.observer:x}-{int.from_bytes(key[8:16], 'big'):x}"
        client, client_port = endpoint_text(self.client)
        server, server_port = endpoint_text(self.server)
        known = client or server
        return Names(client, client_port, server, server_port, known and ("ipv6" if ":" in known else "ipv4"), text)


def endpoint_text(endpoint: bytes) -> tuple[str | None, int | None]:
    """Address and port of an endpoint as ``Opened`` has it; None for what is not there."""
    if len(endpoint) not in {6, 18}:
        return None, None
    return address_text(endpoint[:-2]), int.from_bytes(endpoint[-2:], "big")


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
