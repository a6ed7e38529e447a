"""Syslog messages over UDP (RFC 5426) and datagram sockets: one message a datagram.

UDP promises nothing. What can be known is used: a host that says that nobody listens is heard with the next call.
"""

import errno
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import anyio

from pipeline.api import BatchError, NotConnected, Reject
from pipeline.errors import SinkSignal
from pipeline.sinks.syslog.address import Address, Transport
from pipeline.sinks.syslog.stream import reason_of


class Datagram:
    """A socket that is connected to one server. ``open`` before ``send``; ``aclose`` is safe twice, and safe unopened."""

    def __init__(self, address: Address, turn: int = 0) -> None:
        """``turn``: which of the host's addresses is tried first, counted from 0 and round."""
        self._address = address
        self._turn = turn
        self._socket: socket.socket | None = None

    async def open(self) -> None:
        """Find the server. Raises ``NotConnected``."""
        try:
            if self._address.transport is Transport.UNIX:
                self._connect(socket.AF_UNIX, self._address.path)
            else:
                names = await anyio.getaddrinfo(self._address.host, self._address.port, type=socket.SOCK_DGRAM)
                first = self._turn % len(names)
                self._connect_one([(family, where) for family, *_, where in names[first:] + names[:first]])
        except OSError as error:
            await self.aclose()
            raise NotConnected(f"{self._address}: {reason_of(error)}") from error

    def _connect_one(self, addresses: Sequence[tuple[int, tuple[Any, ...]]]) -> None:
        """The first to which there is a way. Raises what the system says of the last where there is none."""
        for family, where in addresses[:-1]:
            with suppress(OSError):
                self._connect(family, where)
                return
        self._connect(*addresses[-1])

    def _connect(self, family: int, where: str | tuple[Any, ...]) -> None:
        held = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            held.connect(where)
        except OSError:
            held.close()
            raise
        self._socket = held

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
