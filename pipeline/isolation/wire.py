"""Messages over a socket: four bytes of length, big-endian, then the message. Both ends use it; it knows none of the messages."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

M = TypeVar("M")

LENGTH_BYTES = 4

_encoder = msgspec.msgpack.Encoder()


class Wire(asyncio.Protocol, Generic[M]):
    """One end. ``received`` is called with each message, ``lost`` once: the other end is gone, or sends what is not a message.

    Or one that is longer than ``max_bytes``.
    """

    def __init__(
        self, decoder: msgspec.msgpack.Decoder[M], received: Callable[[M], None], lost: Callable[[], None], max_bytes: int
    ) -> None:
        self._decoder = decoder
        self._max_bytes = max_bytes
        self._received = received
        self._lost = lost
        self._unread = bytearray()
        self._transport: asyncio.Transport | None = None

    @property
    def unsent_bytes(self) -> int:
        """What waits because the other end does not read."""
        return self._transport.get_write_buffer_size() if self._transport else 0

    def send(self, message: object) -> None:
        """Send a message; one that nobody can get any more is dropped, and ``lost`` is called."""
        if self._transport is not None and not self._transport.is_closing():
            body = _encoder.encode(message)
            self._transport.writelines((len(body).to_bytes(LENGTH_BYTES, "big"), body))

    def close(self) -> None:
        """Hang up. What has been sent is gone through first."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As the base."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  a socket's
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """As the base."""
        unread = self._unread
        unread += data
        at = 0
        while len(unread) - at >= LENGTH_BYTES:
            length = int.from_bytes(unread[at : at + LENGTH_BYTES], "big")
            end = at + LENGTH_BYTES + length
            if length > self._max_bytes:
                self._hang_up()
                return
            if len(unread) < end:
                break
            try:
                message = self._decoder.decode(unread[at + LENGTH_BYTES : end])
            except msgspec.MsgspecError:
                self._hang_up()
                return
            at = end
            self._received(message)
        del unread[:at]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  as the base
        """As the base."""
        self._lost()

    def _hang_up(self) -> None:
        self._unread.clear()
        if self._transport is not None:
            self._transport.abort()
