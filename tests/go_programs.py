"""Programs of Go modules, built by the Go version that they ask for; both come from Go's module proxy and stay in .cache/go."""

import json
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache" / "go"
BUILD_SECS = 3600


class NoGoError(Exception):
    """There is no Go, or the proxy or the compiler refused; the text says which."""


@cache
def toolchain(version: str) -> str:
    """The command ``go`` of this version, such as ``1.26.0``; any Go that is installed fetches it."""
    with tempfile.TemporaryDirectory() as folder:
        module = f"golang.org/toolchain@v0.0.1-go{version}.linux-amd64"
        found = json.loads(_run("go", "mod", "download", "-json", module, cwd=Path(folder), GOTOOLCHAIN="local"))
    binary = Path(found["Dir"]) / "bin" / "go"
    for tool in (binary, *(Path(found["Dir"]) / "pkg" / "tool").rglob("*")):
        if tool.is_file() and not os.access(tool, os.X_OK):  # modules carry no permissions
            tool.chmod(0o755)
    return str(binary)


@cache
def installed(package: str, go_version: str = "") -> Path:
    """The program of a package with its version, such as ``helm.sh/helm/v3/cmd/helm@v3.22.0``; minutes, the first time.

    Without ``go_version``, by the Go that is installed.
    """
    path, _, version = package.partition("@")
    folder = CACHE / f"{path.replace('/', '-')}-{version}"
    program = folder / path.rpartition("/")[2]
    if not program.exists():
        with tempfile.TemporaryDirectory() as empty:
            go = toolchain(go_version) if go_version else "go"
            _run(go, "install", package, cwd=Path(empty), GOBIN=str(folder), GOTOOLCHAIN="local", GOFLAGS="")
    return program


@cache
def built_in_its_module(module: str, package: str, go_version: str, missing: str) -> Path:
    """The program of a package, such as ``./cmd/loki``, of a module that replaces others: ``go install`` refuses to build it.

    ``module`` has its version. ``missing`` is what it replaces by a folder that is not published with it: taken as published.
    """
    name = package.rpartition("/")[2]
    program = CACHE / f"{module.partition('@')[0].replace('/', '-')}-{module.partition('@')[2]}" / name
    if not program.exists():
        with tempfile.TemporaryDirectory() as empty:
            found = json.loads(_run("go", "mod", "download", "-json", module, cwd=Path(empty), GOTOOLCHAIN="local"))
            go, source = toolchain(go_version), Path(found["Dir"])
            for file in ("go.mod", "go.sum"):
                (Path(empty) / file).write_bytes((source / file).read_bytes())
            ours = str(Path(empty) / "go.mod")
            _run(go, "mod", "edit", f"-dropreplace={missing}", ours, cwd=Path(empty), GOTOOLCHAIN="local")
            build = ["build", "-mod=mod", f"-modfile={ours}", "-o", str(program), package]
            _run(go, *build, cwd=source, GOTOOLCHAIN="local", GOFLAGS="", CGO_ENABLED="0")
    return program


def built(source: Path, name: str, go_version: str) -> Path:
    """The program of a module that lies in a folder of ours; under load the largest takes half an hour, the first time."""
    program = CACHE / name
    if not program.exists():
        _run(
            toolchain(go_version), "build", "-o", str(program), ".", cwd=source, GOTOOLCHAIN="local", GOFLAGS="", CGO_ENABLED="0"
        )
    return program


def _run(command: str, *arguments: str, cwd: Path, **environment: str) -> str:
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
    except FileNotFoundError as error:
        raise NoGoError(f"{command} is not installed: tools/setup.sh test installs it") from error
    except subprocess.CalledProcessError as error:
        raise NoGoError(f"{command} {' '.join(arguments)}: {(error.stderr + error.stdout)[-2000:]}") from error
    return done.stdout
