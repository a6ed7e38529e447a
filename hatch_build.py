"""Puts the compiled BPF program into wheel, sdist and editable installs.

Also a script: ``python hatch_build.py`` builds it in place.

Comes in: the C files of ``pipeline/bpf``. Goes out: ``pipeline/bpf/http_trace.bpf.o`` beside them. An object that is
newer than its sources is taken as it is, and so is the one that an sdist brings: installing either needs no clang.
BPF is one little-endian target, so one object serves x86-64 and arm64.

``HTTPIPE_NO_BPF=1`` leaves the program out: no live capture, everything else works. ``CLANG`` names another compiler.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a script

    class BuildHookInterface:  # type: ignore[no-redef]
        """Stands in where nothing is being packaged."""


HERE = Path(__file__).resolve().parent
FOLDER = HERE / "pipeline" / "bpf"
SOURCE = FOLDER / "http_trace.bpf.c"
OBJECT = SOURCE.with_suffix(".o")

PACKAGES = "clang and libbpf-dev"
MISSING = f"""{{what}}, so the BPF program cannot be compiled.
  Install the Debian packages {PACKAGES}:  apt-get install -y clang libbpf-dev
  or do without live capture:  HTTPIPE_NO_BPF=1"""

FLAGS = ("-target", "bpf", "-mcpu=v2", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-fdebug-compilation-dir=.", "-iquote.")


class CannotBuildError(Exception):
    """The BPF program cannot be compiled here; the text says what to do."""


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling before it collects files."""

    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        """Compile where needed; carry the object though git ignores it."""
        try:
            if build():
                build_data["artifacts"].append(f"/{OBJECT.relative_to(HERE)}")
        except CannotBuildError as error:
            sys.exit(f"httpipe: {error}")  # hatchling would show a traceback


def build() -> bool:
    """Compile unless the object is up to date; false where it is to be left out."""
    if os.environ.get("HTTPIPE_NO_BPF", "0") not in {"", "0"}:
        return False
    if not up_to_date():
        compile_object()
    return True


def up_to_date() -> bool:
    """The object is there and newer than its sources, or came with an sdist (whose files all have the same time)."""
    if not OBJECT.is_file():
        return False
    if (HERE / "PKG-INFO").is_file():
        return True
    built = OBJECT.stat().st_mtime_ns
    return all(path.stat().st_mtime_ns <= built for path in (*FOLDER.rglob("*.[ch]"), Path(__file__)))


def compile_object() -> None:
    """One call of clang. The object appears whole or not at all."""
    clang = os.environ.get("CLANG") or next(filter(None, map(shutil.which, ("clang", "clang-19", "clang-16", "clang-14"))), None)
    if clang is None:
        raise CannotBuildError(MISSING.format(what="clang is not installed"))
    unfinished = OBJECT.with_suffix(f".{os.getpid()}.tmp")
    command = [clang, *FLAGS, *includes(), "-c", SOURCE.name, "-o", str(unfinished)]
    try:
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)  # noqa: S603  our own command
        if done.returncode:
            what = (
                "the headers of libbpf or of the kernel's interface are missing"
                if "file not found" in done.stderr
                else "clang failed"
            )
            raise CannotBuildError(f"{done.stderr}\n{MISSING.format(what=what)}")
        unfinished.replace(OBJECT)
    except FileNotFoundError as error:
        raise CannotBuildError(MISSING.format(what=f"{clang} cannot be started")) from error
    finally:
        unfinished.unlink(missing_ok=True)


def includes() -> list[str]:
    """Debian keeps <asm/types.h> in a folder per architecture, which clang does not search for the target bpf."""
    return [
        f"-I{folder}" for folder in sorted(Path("/usr/include").glob("*-linux-gnu*")) if (folder / "asm" / "types.h").is_file()
    ]


if __name__ == "__main__":
    try:
        sys.exit(0 if build() else "httpipe: HTTPIPE_NO_BPF is set, nothing built")
    except CannotBuildError as error:
        sys.exit(f"httpipe: {error}")
