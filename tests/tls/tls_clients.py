"""Real clients: what is started for so many connections with so many requests each, and whose TLS library that is."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tls_programs import HERE, c_program, go_program, older_openssl, rust_program

from pipeline.sources.tls.probe import Target
from pipeline.sources.tls.targets.look import look

Command = Callable[[int, int, int, Path], list[str]]
"""Of a port, connections, requests for each, and a folder."""


class Client(NamedTuple):
    """``library`` as in ``httpipe.tls.library``; ``loads`` are files that it loads beside those that it is linked to."""

    library: str
    command: Command
    loads: Callable[[], list[Path]] = list


def files(client: Client, command: list[str]) -> tuple[str, ...]:
    """Every file with a TLS library that a client runs, so that its very first request is captured."""
    executable = str(Path(shutil.which(command[0]) or command[0]).resolve())
    linked = subprocess.run(["ldd", executable], capture_output=True, text=True, check=False).stdout
    paths = {executable, *re.findall(r"(/\S+) \(0x", linked), *map(str, client.loads())}
    return tuple(sorted({os.path.realpath(path) for path in paths if _has_tls(path)}))


def _has_tls(path: str) -> bool:
    fd = os.open(path, os.O_RDONLY)
    try:
        return any(isinstance(found, Target) for found in look(fd))
    finally:
        os.close(fd)


def _urls(port: int, connections: int, requests: int, folder: Path, line: str) -> str:
    path = folder / "urls"
    numbers = [f"{i}-{k}" for i in range(connections) for k in range(requests)]
    path.write_text("".join(f"{line}https://127.0.0.1:{port}/list/{number}\n" for number in numbers))
    return str(path)


def _curl(*options: str) -> Command:
    def command(port: int, connections: int, requests: int, folder: Path) -> list[str]:
        return ["curl", "-sSk", "--http1.1", *options, "-K", _urls(port, connections, requests, folder, "url=")]

    return command


def _wget(port: int, connections: int, requests: int, folder: Path) -> list[str]:
    return ["wget", "-q", "-O", "-", "--no-check-certificate", "-i", _urls(port, connections, requests, folder, "")]


def _with(*program: str) -> Command:
    return lambda port, connections, requests, _: [*program, *map(str, (port, connections, requests))]


def _python(kind: str) -> Command:
    return _with(sys.executable, str(HERE / "clients.py"), kind)


def _built(build: Callable[..., Path], *arguments: str) -> Command:
    """Built when it is wanted."""

    def command(port: int, connections: int, requests: int, _folder: Path) -> list[str]:
        return [str(build(*arguments)), str(port), str(connections), str(requests)]

    return command


def _go(version: str = "", *options: str) -> Command:
    return _built(go_program, "client", version, *options)


def _c(name: str, *options: str) -> Command:
    def command(port: int, connections: int, requests: int, folder: Path) -> list[str]:
        return [str(c_program(name, folder, *options)), str(port), str(connections), str(requests)]

    return command


def _curl_cffi() -> list[Path]:
    return list(Path(sysconfig.get_path("platlib")).glob("curl_cffi/_wrapper*.so"))


CLIENTS: dict[str, Client] = {
    "curl": Client("openssl", _curl()),
    "curl, fifty at once": Client("openssl", _curl("-Z", "--parallel-max", "50")),
    "wget": Client("gnutls", _wget),
    "http.client": Client("openssl", _python("http_client")),
    "requests": Client("openssl", _python("requests")),
    "asyncio": Client("openssl", _python("asyncio")),
    "uvloop": Client("openssl", _python("uvloop")),
    "curl_cffi": Client("boringssl", _python("curl_cffi"), _curl_cffi),
    "node": Client("openssl", _with("node", str(HERE / "client.js"))),
    "go": Client("go", _go()),
    "go, stripped": Client("go", _go("", "-ldflags=-s -w")),
    "rustls": Client("rustls", _built(rust_program, "rustls-sync")),
    "tokio-rustls": Client("rustls", _built(rust_program, "rustls-tokio")),
    "static and stripped OpenSSL": Client("openssl", _c("openssl", "-static", "-s", "-lssl", "-lcrypto")),
    "libcurl on NSS": Client("nss", _c("nss", "-l:libcurl-nss.so.4")),
}


def _openssl_1_1_1(port: int, connections: int, requests: int, folder: Path) -> list[str]:
    libraries = older_openssl()
    linked = (f"-L{libraries}", "-l:libssl.so.1.1", "-l:libcrypto.so.1.1", f"-Wl,-rpath,{libraries}")
    return _c("openssl", *linked)(port, connections, requests, folder)


THOROUGH: dict[str, Client] = {
    "OpenSSL 1.1.1": Client("openssl", _openssl_1_1_1),
    **{f"go {version}": Client("go", _go(version)) for version in ("1.21.13", "1.23.12", "1.26.0")},
    "go, with C": Client("go", _go("", "-tags=withc")),
    "go, position-independent": Client("go", _go("", "-buildmode=pie")),
    "go, stripped and position-independent": Client("go", _go("", "-buildmode=pie", "-ldflags=-s -w")),
}
"""For ``make test-tls``."""
