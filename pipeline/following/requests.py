"""Requests to a server that is followed: whole answers, and lines as they come. Raises what is said here and nothing else."""

import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio.to_thread
import msgspec

from pipeline.reasons import readable, reason_of

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECS = 10.0
"""For a connection, and for every piece of a whole answer."""
SILENCE_SECS = 90.0
"""Lines of which none came for so long have ended: a dead peer says nothing. Of Kubernetes bookmarks come about once a minute."""
LONGEST_LINE = 8 << 20
"""Bytes of one line: etcd takes objects of 1.5 MiB, JSON may be twice that."""
LARGEST_PAGE = 256 << 20
"""Bytes of one whole answer, such as a page of a list."""
LONGEST_WORDS = 64 << 10
"""Bytes of an answer that is an error."""
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding JSON raises, whatever it holds."""


class UnreachableError(Exception):
    """There is no answer, or no end of it."""


class BrokenError(UnreachableError):
    """There was an answer, and it has no end."""


class RefusedError(Exception):
    """The server's answer is an error; the beginning of its words is the message, on one line."""

    def __init__(self, server: str, status: int, message: str) -> None:
        super().__init__(f"{server} answers {status}: {readable(message)}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Server:
    """Whom requests go to: its name, where it is, for messages and as a URL; ``socket`` is the path of a unix socket.

    ``tls`` and ``fields`` read files, if need be, and raise ``UnreachableError``: the former once, the latter for each request.
    """

    name: str
    address: str
    url: str
    socket: str | None = None
    tls: Callable[[], ssl.SSLContext | bool] = lambda: False
    fields: Callable[[], Mapping[str, str]] = dict


class Requests:
    """``async with Requests(server) as requests:``; certificates are read when it is entered. Raises ``UnreachableError``."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        httpx = await anyio.to_thread.run_sync(import_module, "httpx")  # takes 70 ms, in which events pass
        tls = await anyio.to_thread.run_sync(self._server.tls)
        transport = httpx.AsyncHTTPTransport(verify=tls, uds=self._server.socket)
        self._client = httpx.AsyncClient(base_url=self._server.url, transport=transport, trust_env=False)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def page(self, path: str, parameters: Mapping[str, str]) -> bytes:
        """One answer, whole. Raises ``RefusedError`` or ``UnreachableError``."""
        found = bytearray()
        async with aclosing(self._pieces(path, parameters, TIMEOUT_SECS)) as pieces:
            async for piece in pieces:
                found += piece
                if len(found) > LARGEST_PAGE:
                    raise UnreachableError(f"an answer has more than {LARGEST_PAGE >> 20} MiB")
        return bytes(found)

    async def lines(self, path: str, parameters: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """Each line as it comes, until the server ends the answer; an empty one first, when it has answered.

        Raises ``RefusedError`` or ``UnreachableError``.
        """
        rest = bytearray()
        async with aclosing(self._pieces(path, parameters, SILENCE_SECS)) as pieces:
            async for piece in pieces:
                if not piece:
                    yield b""
                rest += piece
                if b"\n" in piece:
                    *whole, last = bytes(rest).split(b"\n")
                    rest = bytearray(last)
                    for line in filter(None, whole):
                        yield line
                elif len(rest) > LONGEST_LINE:
                    raise UnreachableError(f"a line has more than {LONGEST_LINE >> 20} MiB")

    async def _pieces(self, path: str, parameters: Mapping[str, str], read_secs: float) -> AsyncGenerator[bytes, None]:
        """The answer, with an empty piece first; silence between lines is their end, once it has been answered."""
        import httpx  # noqa: PLC0415  as above

        if self._client is None:
            raise UnreachableError("not open")
        headers = {"accept": "application/json", **self._server.fields()}
        timeout = httpx.Timeout(TIMEOUT_SECS, read=read_secs)
        answered = False
        try:
            async with self._client.stream("GET", path, params=parameters, headers=headers, timeout=timeout) as response:
                if response.status_code != httpx.codes.OK:
                    raise RefusedError(self._server.name, response.status_code, await _words(response))
                answered = True
                yield b""
                async for piece in response.aiter_bytes():
                    yield piece
        except httpx.HTTPError as error:
            if answered and isinstance(error, httpx.ReadTimeout) and read_secs == SILENCE_SECS:
                return
            reason = "does not answer in time" if isinstance(error, httpx.TimeoutException) else reason_of(error)
            kind = BrokenError if answered else UnreachableError
            raise kind(f"{self._server.address}: {reason}") from error


async def _words(response: Any) -> str:  # noqa: ANN401  httpx' response
    """The message of an error in JSON, as Kubernetes and Docker write it, or the beginning of whatever else was answered."""
    text = bytearray()
    async for piece in response.aiter_bytes():
        text += piece
        if len(text) > LONGEST_WORDS:
            break
    try:
        message = str(msgspec.json.decode(text)["message"])
    except (*UNREADABLE, KeyError, TypeError):
        message = text[:LONGEST_WORDS].decode(errors="replace")
    return message or response.reason_phrase
