"""Syslog messages over UDP (RFC 5426) and datagram sockets: one message a datagram.

UDP promises nothing. What can be known is used: a host that says that nobody listens is heard with the next call.
"""

import errno
import socket
from collections.abc import Sequence
from typing import Any

import anyio

from pipeline.api import BatchError, NotConnected, Reject
from pipeline.errors import SinkSignal
from pipeline.sinks.syslog.address import Address, Transport
from pipeline.sinks.syslog.stream import reason_of


class Datagram:
    """A socket that is connected to one server. ``open`` before ``send``; ``aclose`` is safe twice, and safe unopened."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._socket: socket.socket | None = None

    async def open(self) -> None:
        """Find the server. Raises ``NotConnected``."""
        try:
            if self._address.transport is Transport.UNIX:
                self._connect(socket.AF_UNIX, self._address.path)
            else:
                names = await anyio.getaddrinfo(self._address.host, self._address.port, type=socket.SOCK_DGRAM)
                family, *_, where = names[0]
                self._connect(family, where)
        except OSError as error:
            await self.aclose()
            raise NotConnected(f"{self._address}: {reason_of(error)}") from error

    def _connect(self, family: int, where: str | tuple[Any, ...]) -> None:
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._socket.connect(where)

    async def send(self, messages: Sequence[bytes]) -> None:
        """Send all of them. Raises ``NotConnected`` where nobody listens, ``BatchError`` for those that cannot be sent."""
        held = self._socket
        if held is None:
            raise NotConnected("not open")
        failures: dict[int, SinkSignal] = {}
        for place, message in enumerate(messages):
            failure = await self._sent(held, message)
            if isinstance(failure, Reject):
                failures[place] = failure
            elif failure is not None:
                if self._address.transport is Transport.UDP or place == 0:
                    raise failure  # what says so is an answer to an earlier datagram: which ones arrived nobody knows
                raise BatchError(failures | dict.fromkeys(range(place, len(messages)), failure))
        if self._address.transport is Transport.UDP and (number := held.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
            raise NotConnected(f"{self._address}: {reason_of(OSError(number, ''))}")
        if failures:
            raise BatchError(failures)

    async def aclose(self) -> None:
        """Close the socket."""
        held, self._socket = self._socket, None
        if held is not None:
            held.close()

    async def _sent(self, held: socket.socket, message: bytes) -> SinkSignal | None:
        while True:
            try:
                held.send(message)
            except BlockingIOError:
                await anyio.wait_writable(held)
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    return Reject(f"a message of {len(message)} bytes is too long for {self._address}")
                return NotConnected(f"{self._address}: {reason_of(error)}")
            else:
                return None
