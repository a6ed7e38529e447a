"""Where a syslog server listens, as an option. Pure."""

from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlsplit


class Transport(StrEnum):
    """How messages travel."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"
    UNIX = "unix"


PORTS = {Transport.UDP: 514, Transport.TCP: 601, Transport.TLS: 6514}
"""As IANA has them."""
LARGEST = {Transport.UDP: 2048, Transport.TCP: 8192, Transport.TLS: 8192, Transport.UNIX: 8192}
"""Bytes of a message that every receiver should take (RFC 5426, section 3.2; RFC 5425, section 4.3.1)."""
LONGEST_PATH = 107
"""Bytes of a socket's path (unix(7))."""
FORM = "write udp://host, tcp://host, tls://host, each with :port where it is another than 514, 601 or 6514, or unix:///dev/log"


class Address(NamedTuple):
    """``host`` and ``port``, or the ``path`` of a socket."""

    transport: Transport
    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.transport is Transport.UNIX:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(text: str) -> Address:
    """The address that this says; raises ``ValueError``."""
    try:
        parts = urlsplit(text)
        transport, port = Transport(parts.scheme), parts.port
    except ValueError as error:
        raise ValueError(f"is not an address of a syslog server: {FORM}") from error
    if transport is Transport.UNIX:
        if parts.netloc or not parts.path.startswith("/") or len(parts.path.encode()) > LONGEST_PATH:
            raise ValueError(f"has no absolute path of at most {LONGEST_PATH} bytes: {FORM}")
        return Address(transport, path=parts.path)
    if not parts.hostname or parts.path or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"is not an address of a syslog server: {FORM}")
    return Address(transport, parts.hostname, port or PORTS[transport])
