"""Programs that are compiled for these tests: C by clang, Go and Rust by their own tools, which keep it in .cache."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from go_programs import NoGoError, toolchain

from tests.debian_packages import NotAvailable, Suite, alone, unpack

HERE = Path(__file__).parent / "programs"
CACHE = Path(__file__).parents[2] / ".cache" / "tls"
BUILD_SECS = 600


class CannotBuildError(Exception):
    """A compiler or a library is missing; the text says which."""


def c_program(name: str, folder: Path, *options: str) -> Path:
    """A program of one C file."""
    made = folder / name
    _run("clang", "-O2", str(HERE / f"{name}.c"), "-o", str(made), *options)
    return made


@cache
def rust_program(name: str) -> Path:
    """``rustls-sync`` or ``rustls-tokio``."""
    target = CACHE / "rust"
    manifest = HERE / "rust" / "Cargo.toml"
    _run("cargo", "build", "--release", "--locked", "--manifest-path", str(manifest), "--target-dir", str(target))
    return target / "release" / name


@cache
def go_program(name: str, version: str = "", *options: str) -> Path:
    """A folder of ``programs/go``, by the Go of this machine or by another version, which Go's own module proxy has."""
    try:
        go = toolchain(version) if version else "go"
    except NoGoError as error:
        raise CannotBuildError(str(error)) from error
    made = CACHE / "go" / "".join(c if c.isalnum() else "-" for c in " ".join((name, version or go_version(), *options)))
    _run(go, "build", *options, "-o", str(made), f"./{name}", cwd=HERE / "go", GOTOOLCHAIN="local", CC="clang", GOFLAGS="")
    return made


@cache
def go_version() -> str:
    """Of the Go of this machine, such as ``1.19.8``."""
    return _run("go", "env", "GOVERSION", cwd=HERE / "go", GOTOOLCHAIN="local").strip().removeprefix("go")


@cache
def netty() -> tuple[str, ...]:
    """The command of Netty's client, without its arguments."""
    folder = CACHE / "netty"
    jars, classes = folder / "lib", folder / "classes"
    if not jars.exists():
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
        _run("mvn", "-q", "-B", "-f", str(HERE / "netty" / "pom.xml"), *goal)
    _run("javac", "-cp", f"{jars}/*", "-d", str(classes), str(HERE / "netty" / "Client.java"))
    return ("java", "-Xmx300m", "-cp", f"{jars}/*:{classes}", "Client")


@cache
def older_openssl() -> Path:
    """The folder of OpenSSL 1.1.1's libraries, which Debian 11 had."""
    folder = CACHE / "openssl-1.1.1"
    try:
        with alone():
            files = [file for file in Suite("bullseye", "amd64").closure("libssl1.1") if "libssl1.1" in file.name]
            folder.mkdir(parents=True, exist_ok=True)
            unpack(files, folder)
    except NotAvailable as error:
        raise CannotBuildError(str(error)) from error
    return folder / "usr" / "lib" / "x86_64-linux-gnu"


def _run(command: str, *arguments: str, cwd: Path | None = None, **environment: str) -> str:
    if shutil.which(command) is None:
        raise CannotBuildError(f"{command} is not installed: tools/setup.sh test installs it")
    try:
        done = subprocess.run(
            [command, *arguments],
            cwd=cwd,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
            timeout=BUILD_SECS,
        )
    except subprocess.CalledProcessError as error:
        raise CannotBuildError(f"{command} {' '.join(arguments)}: {(error.stderr + error.stdout)[-2000:]}") from error
    return done.stdout
