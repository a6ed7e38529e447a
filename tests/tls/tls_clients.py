"""Real clients: what is started for so many connections with so many requests each, and whose TLS library that is."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tls_programs import HERE, c_program, go_program, rust_program


class Client(NamedTuple):
    """``command(port, connections, requests, folder)``; ``library`` as in ``httpipe.tls.library``.

    ``finds_ports``: whether each connection's socket is known for certain: one thread reads it and calls its TLS library.
    """

    library: str
    command: Callable[[int, int, int, Path], list[str]]
    environment: dict[str, str] = {}  # noqa: RUF012  never changed


def _urls(port: int, connections: int, requests: int, folder: Path, line: str) -> str:
    path = folder / "urls"
    numbers = [f"{i}-{k}" for i in range(connections) for k in range(requests)]
    path.write_text("".join(f"{line}https://127.0.0.1:{port}/list/{number}\n" for number in numbers))
    return str(path)


def _curl(*options: str) -> Callable[[int, int, int, Path], list[str]]:
    def command(port: int, connections: int, requests: int, folder: Path) -> list[str]:
        return ["curl", "-sSk", "--http1.1", *options, "-K", _urls(port, connections, requests, folder, "url=")]

    return command


def _wget(port: int, connections: int, requests: int, folder: Path) -> list[str]:
    return ["wget", "-q", "-O", "-", "--no-check-certificate", "-i", _urls(port, connections, requests, folder, "")]


def _with(*program: str) -> Callable[[int, int, int, Path], list[str]]:
    return lambda port, connections, requests, _: [*program, *map(str, (port, connections, requests))]


def _python(kind: str) -> Callable[[int, int, int, Path], list[str]]:
    return _with(sys.executable, str(HERE / "clients.py"), kind)


def _go(version: str = "", *options: str) -> Callable[[int, int, int, Path], list[str]]:
    return lambda port, connections, requests, folder: _with(str(go_program("client", version, *options)))(
        port, connections, requests, folder
    )


def _rust(name: str) -> Callable[[int, int, int, Path], list[str]]:
    return lambda port, connections, requests, folder: _with(str(rust_program(name)))(port, connections, requests, folder)


def _c(name: str, *options: str) -> Callable[[int, int, int, Path], list[str]]:
    return lambda port, connections, requests, folder: _with(str(c_program(name, folder, *options)))(
        port, connections, requests, folder
    )


CLIENTS: dict[str, Client] = {
    "curl": Client("openssl", _curl()),
    "curl, fifty at once": Client("openssl", _curl("-Z", "--parallel-max", "50")),
    "wget": Client("gnutls", _wget),
    "http.client": Client("openssl", _python("http_client")),
    "requests": Client("openssl", _python("requests")),
    "asyncio": Client("openssl", _python("asyncio")),
    "uvloop": Client("openssl", _python("uvloop")),
    "curl_cffi": Client("boringssl", _python("curl_cffi")),
    "node": Client("openssl", _with("node", str(HERE / "client.js"))),
    "go": Client("go", _go()),
    "go, stripped": Client("go", _go("", "-ldflags=-s -w")),
    "rustls": Client("rustls", _rust("rustls-sync")),
    "tokio-rustls": Client("rustls", _rust("rustls-tokio")),
    "static and stripped OpenSSL": Client("openssl", _c("openssl", "-static", "-s", "-lssl", "-lcrypto")),
    "libcurl on NSS": Client("nss", _c("nss", "-l:libcurl-nss.so.4")),
}

THOROUGH: dict[str, Client] = {
    **{f"go {version}": Client("go", _go(version)) for version in ("1.21.13", "1.23.12", "1.26.0")},
    "go, with C": Client("go", _go("", "-tags=withc")),
    "go, position-independent": Client("go", _go("", "-buildmode=pie")),
    "go, stripped and position-independent": Client("go", _go("", "-buildmode=pie", "-ldflags=-s -w")),
}
"""For ``make test-tls``."""
