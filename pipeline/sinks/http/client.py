"""How sinks talk to a web server: the options that they share, and a pool of connections that says what became of a request.

In: bytes and header fields. Out: status and the beginning of the answer. A request is never sent twice here: the engine owns
retry. httpx is imported when a sink is opened.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import anyio
from pydantic import AnyHttpUrl, ConfigDict, Field, SecretStr, model_validator

from pipeline.api import Config, NotConnected, PathOption
from pipeline.model.effects import Needs, effective
from pipeline.reasons import reason_of
from pipeline.sinks.http.address import is_https
from pipeline.sinks.http.answer import QUOTED, Answer

if TYPE_CHECKING:
    import httpx

INSTALL = 'this sink needs the package httpx; type: pip install "httpipe[http]"'
"""Shown where the optional dependency is missing."""

LONGEST_ANSWER = 64 << 10
"""Bytes of an answer that are read, so that its connection can be used again; behind that a new connection is cheaper."""
PUBLIC_FIELDS = ("content-type", "content-encoding", "user-agent")
"""Header fields whose values may stand in a message."""
SHORTEST_SECRET = 6
"""Characters; what is shorter would be found in ordinary words."""
IDLE_SECS = 20.0
"""Servers close idle connections after 5 s (Node.js) to 75 s (nginx): who sends rarely makes a new one and meets no dead one."""


class TlsOptions(Config):
    """`tls`: who the two ends of an `https` connection are."""

    model_config = ConfigDict(hide_input_in_errors=True)

    ca_file: PathOption | None = None
    """Certificates (PEM) that the server's is checked against. Default: those of the system."""
    crt_file: PathOption | None = None
    """Own certificate (PEM), where the server asks for one."""
    key_file: PathOption | None = None
    """Its private key (PEM)."""
    key_pass: SecretStr | None = None
    """Password of the private key; write `"${NAME}"` to take it from the environment."""
    verify_certificate: bool = True
    """Refuse a server whose certificate is not signed by a known authority or is for another host."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return effective(
            self,
            Needs(["ca_file"], "verify_certificate = true", self.verify_certificate),
            Needs(["key_file", "key_pass"], "crt_file", self.crt_file is not None),
        )

    def context(self) -> ssl.SSLContext:
        """An SSL context as these options say. Reads files; raises ``OSError`` (``ssl.SSLError`` is one)."""
        for path in filter(None, (self.ca_file, self.crt_file, self.key_file)):
            Path(path).open("rb").close()  # its error names the file, that of the library does not
        context = ssl.create_default_context(cafile=self.ca_file)
        if not self.verify_certificate:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.crt_file:
            context.load_cert_chain(self.crt_file, self.key_file, self.key_pass.get_secret_value() if self.key_pass else None)
        return context


class RequestOptions(Config):
    """Options of every sink that sends requests."""

    model_config = ConfigDict(hide_input_in_errors=True)

    server_option: ClassVar[str] = "url"
    """Which option names the server."""

    tls: TlsOptions = TlsOptions()
    """Certificates, for `https`."""
    proxy: AnyHttpUrl | None = None
    """HTTP proxy to go through, such as `http://proxy.example:3128`. What the environment says (`HTTPS_PROXY`) is not read."""
    # below the engine's write_timeout_secs of 30, so that the message names the server
    timeout_secs: Annotated[float, Field(gt=0, le=600)] = 10.0
    """How long to wait for the connection, and then for every piece of the answer."""

    @model_validator(mode="after")
    def _certificates_are_for_https(self) -> Self:
        name = self.server_option
        return effective(self, Needs(["tls"], f'{name} = "https://…"', is_https(getattr(self, name, ""))))


class Client:
    """A pool of connections. ``open`` before ``send``; ``aclose`` is safe twice, and safe unopened."""

    def __init__(self, options: RequestOptions) -> None:
        self._options = options
        self._pool: httpx.AsyncClient | None = None

    async def open(self) -> None:
        """Read the certificates; connections are made as they are needed. Raises ``NotConnected``."""
        try:
            import httpx  # noqa: PLC0415  70 ms and an optional dependency: only who uses it pays
        except ImportError as error:
            raise NotConnected(INSTALL) from error
        try:
            verify = await anyio.to_thread.run_sync(self._options.tls.context)
        except OSError as error:
            what = f"{error.filename}: {error.strerror}" if error.filename else f"what tls names: {error}"
            raise NotConnected(f"cannot read {what}") from error
        await self.aclose()  # where the sink failed to open behind this
        limits = httpx.Limits(max_connections=None, keepalive_expiry=IDLE_SECS)
        proxy = None if self._options.proxy is None else str(self._options.proxy)
        self._pool = httpx.AsyncClient(
            timeout=self._options.timeout_secs, verify=verify, proxy=proxy, limits=limits, trust_env=False
        )

    async def send(self, method: str, url: str, body: bytes, fields: Mapping[str, str], *, keep: int = QUOTED) -> Answer:
        """One request. Of the answer so many bytes are kept: more than for a message where a program reads it.

        Raises ``NotConnected`` where there is no whole answer, which does not say whether the server has the body.
        """
        import httpx  # noqa: PLC0415  as in ``open``

        if self._pool is None:
            raise NotConnected("not open")
        try:
            # an answer's words are quoted, so it should not be compressed
            headers = {"accept-encoding": "identity", **fields}
            async with self._pool.stream(method, url, content=body, headers=headers) as response:
                said = bytearray()
                async for piece in response.aiter_raw():
                    said += piece
                    if len(said) > max(LONGEST_ANSWER, keep):
                        break  # leaving the block closes the connection
        except httpx.TransportError as error:
            raise NotConnected(f"{httpx.URL(url).netloc.decode()}: {reason_of(error)}") from error
        whole = bytes(said[:keep])
        if not response.is_success:
            whole = without_echo(whole, fields)
        return Answer(response.status_code, response.headers.get("retry-after", ""), whole)

    async def aclose(self) -> None:
        """Close all connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.aclose()


def without_echo(said: bytes, fields: Mapping[str, str]) -> bytes:
    """What a server says about a refused request, without the credentials of its header fields: some servers repeat them."""
    for name, value in fields.items():
        if name.lower() not in PUBLIC_FIELDS:
            for secret in (value, value.rpartition(" ")[2]):  # with and without a scheme such as Bearer
                said = said.replace(secret.encode(), b"REDACTED") if len(secret) >= SHORTEST_SECRET else said
    return said
