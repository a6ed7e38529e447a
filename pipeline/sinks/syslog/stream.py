"""Syslog messages over TCP (RFC 6587), TLS (RFC 5425) and stream sockets.

Syslog has no acknowledgement. What can be known is used: whether the peer has closed or reset the connection before something
is written, and that the kernel has all of a batch when ``send`` returns. What the peer had not read when it died is lost.
"""

import asyncio
import os
import ssl
from collections.abc import Sequence
from typing import Literal

from pipeline.api import NotConnected
from pipeline.sinks.syslog.address import Address, Transport

Framing = Literal["octets", "lines"]

CLOSE_SECS = 2.0
"""How long the peer may take to read the rest when the connection is closed; the engine gives a sink five."""


def framed(messages: Sequence[bytes], framing: Framing) -> bytes:
    """Messages in a row: each behind its length (RFC 6587, section 3.4.1), or each with a newline behind it (3.4.2)."""
    if framing == "lines":
        return b"".join([message + b"\n" for message in messages])
    return b"".join([b"%d %b" % (len(message), message) for message in messages])


class _Connection(asyncio.Protocol):
    """One connection: whether it is over, and whether the kernel has taken all."""

    def __init__(self) -> None:
        self.over = False
        self.reason: Exception | None = None
        self.ended = asyncio.Event()
        self.flushed = asyncio.Event()
        self.flushed.set()

    def pause_writing(self) -> None:
        """The kernel has no room."""
        self.flushed.clear()

    def resume_writing(self) -> None:
        """It has taken all."""
        self.flushed.set()

    def eof_received(self) -> bool:
        """A peer that sends no more has closed: syslog servers send nothing at all."""
        self.over = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over, for whatever reason."""
        self.over, self.reason = True, exc
        self.flushed.set()
        self.ended.set()


class Stream:
    """A connection to one server. ``open`` before ``send``; ``aclose`` is safe twice, and safe unopened."""

    def __init__(self, address: Address, framing: Framing, context: ssl.SSLContext | None, timeout_secs: float) -> None:
        self._address = address
        self._framing = framing
        self._context = context
        self._timeout_secs = timeout_secs
        self._connection: _Connection | None = None
        self._transport: asyncio.Transport | None = None

    async def open(self) -> None:
        """Connect. Raises ``NotConnected``."""
        loop = asyncio.get_running_loop()
        host, port = self._address.host, self._address.port
        try:
            async with asyncio.timeout(self._timeout_secs):
                if self._address.transport is Transport.UNIX:
                    made = await loop.create_unix_connection(_Connection, self._address.path)
                else:
                    name = host if self._context else None
                    made = await loop.create_connection(_Connection, host, port, ssl=self._context, server_hostname=name)
        except (OSError, TimeoutError) as error:
            raise NotConnected(f"{self._address}: {reason_of(error)}") from error
        self._transport, self._connection = made
        self._transport.set_write_buffer_limits(0)  # so that flushed means: the kernel has all of it

    async def send(self, messages: Sequence[bytes]) -> None:
        """Give all of them to the kernel. Raises ``NotConnected``: then nobody knows which of them arrived."""
        connection, transport = self._connection, self._transport
        if connection is None or transport is None:
            raise NotConnected("not open")
        for _ in range(2):  # the loop looks at its sockets once in the first turn, and does what it saw in the second
            await asyncio.sleep(0)
        if not transport.is_closing() and not connection.over:
            transport.write(framed(messages, self._framing))
            await connection.flushed.wait()
        if transport.is_closing() or connection.over:
            raise NotConnected(
                f"{self._address}: {reason_of(connection.reason) if connection.reason else 'closed by the server'}"
            )

    async def aclose(self) -> None:
        """Close, and give the peer a moment to read the rest."""
        connection, self._connection = self._connection, None
        transport, self._transport = self._transport, None
        if connection is None or transport is None:
            return
        try:
            async with asyncio.timeout(CLOSE_SECS):
                if transport.can_write_eof() and not connection.over:
                    transport.write_eof()
                else:
                    transport.close()
                await connection.ended.wait()
        except TimeoutError:
            pass
        finally:
            transport.abort()


def reason_of(error: BaseException) -> str:
    """What the system says."""
    if isinstance(error, TimeoutError) and not getattr(error, "errno", None):
        return "no answer"
    if isinstance(error, ssl.SSLError):
        return str(error)
    number = getattr(error, "errno", None)
    return os.strerror(number) if isinstance(number, int) and number > 0 else getattr(error, "strerror", None) or str(error)
