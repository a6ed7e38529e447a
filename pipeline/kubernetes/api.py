"""Requests to the API server: pages of a list, and lines of a watch. Raises what is said here and nothing else."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio.to_thread
import msgspec

from pipeline.kubernetes.credentials import Cluster, CredentialsError
from pipeline.reasons import readable, reason_of

if TYPE_CHECKING:
    import httpx

PODS = "/api/v1/pods"

TIMEOUT_SECS = 10.0
"""For a connection, and for every piece of a list."""
SILENCE_SECS = 90.0
"""A watch on which nothing came for so long is begun again: bookmarks come about once a minute, and a dead peer says nothing."""
LONGEST_LINE = 8 << 20
"""Bytes of one line of a watch: etcd takes objects of 1.5 MiB, JSON may be twice that."""
LARGEST_PAGE = 256 << 20
"""Bytes of one page of a list."""
LONGEST_WORDS = 64 << 10
"""Bytes of an answer that is an error."""


class UnreachableError(Exception):
    """There is no answer, or no end of it."""


class BrokenError(UnreachableError):
    """There was an answer, and it has no end."""


class RefusedError(Exception):
    """The server's answer is an error; the beginning of its words is the message, on one line."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"the API server answers {status}: {readable(message)}")
        self.status = status


class Api:
    """``async with Api(cluster) as api:``; certificates are read when it is entered. Raises ``UnreachableError`` there, too."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        httpx = await anyio.to_thread.run_sync(import_module, "httpx")  # takes 70 ms, in which events pass
        try:
            tls = await anyio.to_thread.run_sync(self._cluster.tls)
        except (OSError, CredentialsError) as error:
            raise UnreachableError(f"its certificates cannot be read: {error}") from error
        timeout = httpx.Timeout(TIMEOUT_SECS, read=SILENCE_SECS)
        self._client = httpx.AsyncClient(base_url=self._cluster.url, verify=tls, timeout=timeout, trust_env=False)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def page(self, parameters: Mapping[str, str]) -> bytes:
        """One answer, whole. Raises ``RefusedError`` or ``UnreachableError``."""
        found = bytearray()
        async with aclosing(self._pieces(parameters, TIMEOUT_SECS)) as pieces:
            async for piece in pieces:
                found += piece
                if len(found) > LARGEST_PAGE:
                    raise UnreachableError(f"a page of the list has more than {LARGEST_PAGE >> 20} MiB")
        return bytes(found)

    async def lines(self, parameters: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """Each line as it comes, until the server ends the answer; an empty one first, when it has answered.

        Raises ``RefusedError`` or ``UnreachableError``.
        """
        rest = bytearray()
        async with aclosing(self._pieces(parameters, SILENCE_SECS)) as pieces:
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
                    raise UnreachableError(f"a line of the watch has more than {LONGEST_LINE >> 20} MiB")

    async def _pieces(self, parameters: Mapping[str, str], read_secs: float) -> AsyncGenerator[bytes, None]:
        """The answer, with an empty piece first; silence in a watch is its end, once it has been answered."""
        import httpx  # noqa: PLC0415  as above

        if self._client is None:
            raise UnreachableError("not open")
        try:
            token = self._cluster.token()
        except (OSError, CredentialsError) as error:
            raise UnreachableError(f"its token cannot be read: {error}") from error
        headers = {"accept": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
        timeout = httpx.Timeout(TIMEOUT_SECS, read=read_secs)
        answered = False
        try:
            async with self._client.stream("GET", PODS, params=parameters, headers=headers, timeout=timeout) as response:
                if response.status_code != httpx.codes.OK:
                    raise RefusedError(response.status_code, await _words(response))
                answered = True
                yield b""
                async for piece in response.aiter_bytes():
                    yield piece
        except httpx.HTTPError as error:
            if answered and isinstance(error, httpx.ReadTimeout) and read_secs == SILENCE_SECS:
                return
            reason = "does not answer in time" if isinstance(error, httpx.TimeoutException) else reason_of(error)
            kind = BrokenError if answered else UnreachableError
            raise kind(f"{self._cluster.url}: {reason}") from error


async def _words(response: Any) -> str:  # noqa: ANN401  httpx' response
    """The message of a Status object, or the beginning of whatever else was answered."""
    text = bytearray()
    async for piece in response.aiter_bytes():
        text += piece
        if len(text) > LONGEST_WORDS:
            break
    try:
        message = str(msgspec.json.decode(text)["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        message = text[:LONGEST_WORDS].decode(errors="replace")
    return message or response.reason_phrase
