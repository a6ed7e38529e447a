"""A connected socket and a listening one for the loop: bytes in, bytes out, and whether the other end is still there.

anyio's own streams wake a reader that was cancelled in the same turn of the loop when its peer hangs up, and asyncio then writes
a traceback to standard error. Waiting for a descriptor has no such fault.
"""

import socket
from pathlib import Path

import anyio
import anyio.lowlevel

READ_BYTES = 65_536


class Connection:
    """A client. Every method but ``close`` raises ``OSError`` when it has gone."""

    def __init__(self, raw: socket.socket) -> None:
        raw.setblocking(False)
        self._raw = raw

    async def receive(self) -> bytes:
        """What has come, at least one byte."""
        while True:
            await anyio.wait_readable(self._raw)
            try:
                data = self._raw.recv(READ_BYTES)
            except BlockingIOError:
                continue
            if not data:
                raise ConnectionResetError("hung up")
            return data

    async def send(self, data: bytes) -> None:
        """All of it, however long that takes."""
        await anyio.lowlevel.checkpoint()
        view = memoryview(data)
        while view:
            try:
                view = view[self._raw.send(view) :]
            except BlockingIOError:
                await anyio.wait_writable(self._raw)

    def send_now(self, data: bytes) -> bool:
        """Without waiting. False where not all of it was taken: the client does not read, or has gone."""
        try:
            return self._raw.send(data) == len(data)
        except OSError:
            return False

    async def something_comes(self) -> None:
        """Until there is something to read, or the client hangs up. Never raises ``OSError``."""
        await anyio.wait_readable(self._raw)

    def close(self) -> None:
        """Hang up. Safe twice."""
        self._raw.close()


class Listener:
    """A local socket that listens, for its owner only. Raises ``OSError`` where it cannot be made."""

    def __init__(self, path: str, backlog: int) -> None:
        self._raw = socket.socket(socket.AF_UNIX)
        try:
            # Never open to others, not even for a moment: until a socket listens, whoever connects is refused (unix(7)). A umask
            # would be the whole process's, and other threads write files.
            self._raw.bind(path)
            Path(path).chmod(0o600)
            self._raw.listen(backlog)
            self._raw.setblocking(False)
        except OSError:
            self._raw.close()
            raise

    async def accept(self) -> Connection:
        """The next client. Raises ``OSError``, such as where no descriptor is left."""
        while True:
            await anyio.wait_readable(self._raw)
            try:
                return Connection(self._raw.accept()[0])
            except BlockingIOError:
                continue

    def close(self) -> None:
        """Listen no more. Safe twice."""
        self._raw.close()
