"""Puts compiled BPF programs into wheel, sdist and editable installs, and the compiled lane into wheels and editable installs.

What a package index shows is README.md with absolute links: ``[project.urls]`` says by ``Source`` where the files are published.

Also a script: ``python hatch_build.py`` builds the programs in place, ``python hatch_build.py lane`` the lane.

Comes in: the C files of ``pipeline/bpf``. Goes out: an object for each ``*.bpf.c``, beside it, such as ``http_trace.bpf.o``.
Objects that are newer than the sources are taken as they are, and so are those that an sdist brings: installing either needs no
clang. BPF is one little-endian target, so one object serves x86-64 and arm64; but a program that reads the registers of
processes has one for each, such as ``tls.x86_64.bpf.o``, and every wheel has both.

Comes in: the crate ``lane``. Goes out: ``pipeline/_lane.abi3.so``, one extension for every CPython since 3.11, and a wheel
that names its platform. Where there is no Rust, or no way to the crates, the Python decoder serves alone and the wheel is for
any platform.

``HTTPIPE_NO_BPF=1`` leaves the programs out: no live capture, everything else works. ``CLANG`` names another compiler.
``HTTPIPE_LANE=0`` leaves the lane out, ``HTTPIPE_LANE=1`` fails where it cannot be built. ``HTTPIPE_LANE_TARGET=aarch64`` (or
``x86_64``) builds it for manylinux2014 of that processor, by cargo-zigbuild (``make wheels``).
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
    from hatchling.metadata.plugin.interface import MetadataHookInterface
except ImportError:  # run as a script

    class BuildHookInterface:  # type: ignore[no-redef]
        """Stands in where nothing is being packaged."""

    class MetadataHookInterface:  # type: ignore[no-redef]
        """Likewise."""


HERE = Path(__file__).resolve().parent
FOLDER = HERE / "pipeline" / "bpf"
READS_REGISTERS = ("tls.bpf.c",)
TAKES_TURNS = ("http_gate.bpf.c",)
"""Whose CPUs wait for each other: atomic exchange is an instruction of -mcpu=v3 (Linux 5.12)."""
ARCHITECTURES = {"x86_64": "x86", "aarch64": "arm64"}
"""As ``platform.machine()`` names them, and as libbpf's headers do."""

PACKAGES = "clang and libbpf-dev"
MISSING = f"""{{what}}, so the BPF programs cannot be compiled.
  Install the Debian packages {PACKAGES}:  apt-get install -y clang libbpf-dev
  or do without live capture:  HTTPIPE_NO_BPF=1"""

LANE = HERE / "lane"
EXTENSION = HERE / "pipeline" / "_lane.abi3.so"
MANYLINUX = "manylinux_2_17_{0}.manylinux2014_{0}"
"""The oldest C library that Rust's own standard library works with is 2.17."""

FLAGS = ("-target", "bpf", "-mcpu=v2", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-fdebug-compilation-dir=.", "-iquote.")


class CannotBuildError(Exception):
    """The BPF programs cannot be compiled here; the text says what to do."""


class NoLaneError(Exception):
    """The lane cannot be compiled here; the text says why, and what to do."""


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling before it collects files."""

    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        """Compile where needed; carry what was compiled though git ignores it."""
        try:
            if build():
                build_data["artifacts"] += [f"/{path.relative_to(HERE)}" for path in objects()]
            if self.target_name == "wheel" and (extension := build_lane()):
                build_data["force_include"][str(extension)] = str(EXTENSION.relative_to(HERE))
                build_data["pure_python"] = False
                build_data["tag"] = f"cp311-abi3-{lane_platform()}"
        except (CannotBuildError, NoLaneError) as error:
            sys.exit(f"httpipe: {error}")  # hatchling would show a traceback


# --- the readme ----------------------------------------------------------------------------------------------------------------


class CustomMetadataHook(MetadataHookInterface):
    """Called by hatchling for what a package index shows."""

    def update(self, metadata: dict[str, Any]) -> None:
        """README.md with links that lead somewhere from everywhere."""
        text = (HERE / "README.md").read_text(encoding="utf-8")
        source = metadata.get("urls", {}).get("Source", "")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute_links(text, source)}


def absolute_links(markdown: str, source: str) -> str:
    """Relative links and pictures begin with ``source``, the address of the folder README.md is in; without one they go.

    ``[why](docs/tls.md)`` becomes ``[why](https://…/docs/tls.md)``, or ``why``.
    """

    def link(found: re.Match[str]) -> str:
        mark, text, target = found.groups()
        if target.startswith(("http://", "https://", "#")):
            return found[0]
        if source:
            return f"{mark}[{text}]({source.rstrip('/')}/{target})"
        return "" if mark else text

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", link, markdown)


# --- the BPF programs ----------------------------------------------------------------------------------------------------------


def build() -> bool:
    """Compile unless the objects are up to date; false where they are to be left out."""
    if os.environ.get("HTTPIPE_NO_BPF", "0") not in {"", "0"}:
        return False
    if not up_to_date():
        for path, (source, flags) in objects().items():
            compile_object(source, flags, path)
    return True


def objects() -> dict[Path, tuple[Path, tuple[str, ...]]]:
    """Every object: its source, and the flags that are its own."""
    found: dict[Path, tuple[Path, tuple[str, ...]]] = {}
    for source in sorted(FOLDER.glob("*.bpf.c")):
        if source.name not in READS_REGISTERS:
            found[source.with_suffix(".o")] = source, ("-mcpu=v3",) if source.name in TAKES_TURNS else ()
            continue
        name = source.name.removesuffix(".bpf.c")
        for machine, architecture in ARCHITECTURES.items():
            found[source.with_name(f"{name}.{machine}.bpf.o")] = source, (f"-D__TARGET_ARCH_{architecture}",)
    return found


def up_to_date() -> bool:
    """The objects are there and newer than the sources, or came with an sdist (whose files all have the same time)."""
    there = list(objects())
    if not all(path.is_file() for path in there):
        return False
    if (HERE / "PKG-INFO").is_file():
        return True
    built = min(path.stat().st_mtime_ns for path in there)
    return all(path.stat().st_mtime_ns <= built for path in (*FOLDER.rglob("*.[ch]"), Path(__file__)))


def compile_object(source: Path, flags: tuple[str, ...], path: Path) -> None:
    """One call of clang. The object appears whole or not at all."""
    clang = os.environ.get("CLANG") or next(filter(None, map(shutil.which, ("clang", "clang-19", "clang-16", "clang-14"))), None)
    if clang is None:
        raise CannotBuildError(MISSING.format(what="clang is not installed"))
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    command = [clang, *FLAGS, *flags, *includes(), "-c", source.name, "-o", str(unfinished)]
    try:
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)  # noqa: S603  our own command
        if done.returncode:
            what = (
                "the headers of libbpf or of the kernel's interface are missing"
                if "file not found" in done.stderr
                else "clang failed"
            )
            raise CannotBuildError(f"{done.stderr}\n{MISSING.format(what=what)}")
        unfinished.replace(path)
    except FileNotFoundError as error:
        raise CannotBuildError(MISSING.format(what=f"{clang} cannot be started")) from error
    finally:
        unfinished.unlink(missing_ok=True)


def includes() -> list[str]:
    """Debian keeps <asm/types.h> in a folder per architecture, which clang does not search for the target bpf."""
    return [
        f"-I{folder}" for folder in sorted(Path("/usr/include").glob("*-linux-gnu*")) if (folder / "asm" / "types.h").is_file()
    ]


# --- the lane ------------------------------------------------------------------------------------------------------------------


def build_lane() -> Path | None:
    """Compile unless it is up to date. Where it lies; None where it is left out, or cannot be had and nobody insists."""
    asked = os.environ.get("HTTPIPE_LANE", "")
    if asked == "0":
        return None
    try:
        return EXTENSION if lane_up_to_date() else compile_lane()
    except NoLaneError as error:
        if asked == "1" or lane_target():
            raise
        EXTENSION.unlink(missing_ok=True)  # of other sources
        sys.stderr.write(f"httpipe: {error}; without the compiled lane httpipe works, but slower\n")
        return None


def lane_target() -> str:
    """The processor that the lane is built for, empty for this machine."""
    return os.environ.get("HTTPIPE_LANE_TARGET", "")


def lane_platform() -> str:
    """The last part of the wheel's name."""
    return MANYLINUX.format(lane_target()) if lane_target() else re.sub(r"[-.]", "_", sysconfig.get_platform())


def lane_up_to_date() -> bool:
    """The extension is there, for this machine, and newer than its sources."""
    if lane_target() or not EXTENSION.is_file():
        return False
    built = EXTENSION.stat().st_mtime_ns
    sources = (*LANE.joinpath("src").rglob("*"), LANE / "Cargo.toml", LANE / "Cargo.lock")
    return all(path.stat().st_mtime_ns <= built for path in sources)


def compile_lane() -> Path:
    """Fetch the crates, compile without a network. The extension appears whole or not at all; for elsewhere it stays there."""
    cargo = shutil.which("cargo")
    if cargo is None:
        raise NoLaneError("no cargo (Rust) here")
    run_cargo(cargo, "fetch", "--locked", failed="the crates of lane/Cargo.lock cannot be fetched")
    command: list[str] = ["build"]
    where = "release"
    if lane_target():
        triple = f"{lane_target()}-unknown-linux-gnu"
        command, where = ["zigbuild", f"--target={triple}.2.17"], f"{triple}/release"
    run_cargo(cargo, *command, "--release", "--locked", "--offline", failed="the lane does not compile")
    folder = Path(os.environ.get("CARGO_TARGET_DIR", LANE / "target"))
    compiled = folder / where / "lib_lane.so"
    if lane_target():
        return compiled
    unfinished = EXTENSION.with_suffix(f".{os.getpid()}.tmp")
    shutil.copy(compiled, unfinished)
    unfinished.replace(EXTENSION)
    return EXTENSION


def run_cargo(cargo: str, *arguments: str, failed: str) -> None:
    """In the crate's folder. One extension serves every Python, so PyO3 need not look for one."""
    env = {**os.environ, "PYO3_NO_PYTHON": "1", "CARGO_PROFILE_RELEASE_STRIP": "debuginfo"}
    done = subprocess.run([cargo, *arguments], cwd=LANE, env=env, capture_output=True, text=True, check=False)  # noqa: S603  our own command
    if done.returncode:
        raise NoLaneError(f"{failed}:\n{done.stderr.strip()}\n")


if __name__ == "__main__":
    try:
        if sys.argv[1:] == ["lane"]:
            sys.exit(0 if build_lane() else 1)
        sys.exit(0 if build() else "httpipe: HTTPIPE_NO_BPF is set, nothing built")
    except (CannotBuildError, NoLaneError) as error:
        sys.exit(f"httpipe: {error}")
