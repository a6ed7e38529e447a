"""The file system that every kernel boots into: Debian 12's own Python, nginx and libbpf, and what httpipe depends on.

Packages are unpacked, not installed, so that another architecture needs no emulation; what their scripts would have made and
somebody here needs is made by hand. httpipe itself comes at each boot from a drive of its own: this image stays as it is for as
long as its packages do. Modules of the kernels are not in it either, see ``kernel_image``.
"""

import compileall
import hashlib
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.debian_packages import CACHE, NotAvailable, Suite, alone, run, unpack

ROOT = Path(__file__).resolve().parents[2]
SUITE = "bookworm"
"""Also of ``HAS_HEADERS``: the kernel's headers are in here."""

PACKAGES = (
    *("base-files", "base-passwd", "bash", "coreutils", "dash", "grep", "kmod", "libc-bin", "libcap2-bin", "mount", "procps"),
    *("sed", "tar", "util-linux", "python3", "nginx-light", "curl", "iproute2", "libbpf1", "bpftool", "python3-bpfcc", "openssl"),
)
HEADERS = r"linux-headers-\d\S*-(cloud-(amd|arm)64|common)"
"""For bcc on this suite's kernel. What they depend on, compilers, bcc does without."""

TOOLS = ("iniconfig", "packaging", "pluggy", "pygments", "pytest")
"""Beside what httpipe itself depends on: the tests inside are pytest's."""

SITE = "opt/httpipe/lib/python3.11/site-packages"
PLATFORMS = {"amd64": "x86_64", "arm64": "aarch64"}
WHEELS = [f"manylinux{version}" for version in ("2014", *(f"_2_{minor}" for minor in range(36, 16, -1)))]

SIZE = "3G"
"""Of the file system; on the disk it takes what is in it, a third."""


def root_image(architecture: str) -> Path:
    """The image, made where it is not in the cache yet."""
    with alone():
        suite = Suite(SUITE, architecture)
        packages = suite.closure(*PACKAGES) + suite.newest(f"linux-headers-cloud-{architecture}", HEADERS)
        parts = [*sorted(package.name for package in packages), requirements(), Path(__file__).read_text(encoding="utf-8")]
        image = CACHE / f"root-{architecture}-{hashlib.sha256(''.join(parts).encode()).hexdigest()[:12]}.ext4"
        if not image.exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as name:
                unfinished = Path(name) / "root.ext4"
                _fill(Path(name) / "root", packages, architecture)
                run(["mke2fs", "-q", "-t", "ext4", "-d", str(Path(name) / "root"), str(unfinished), SIZE])
                for older in CACHE.glob(f"root-{architecture}-*.ext4"):
                    older.unlink()
                unfinished.rename(image)
    return image


def requirements() -> str:
    """Of the locked packages those that the tests inside need, with their hashes."""
    tools = "|".join(TOOLS)
    blocks = re.split(r"\n(?=\S)", (ROOT / "requirements-dev.lock").read_text(encoding="utf-8"))
    needed = [block for block in blocks if re.match(rf"({tools})==", block)]
    return (ROOT / "requirements.lock").read_text(encoding="utf-8") + "\n" + "\n".join(needed) + "\n"


def _fill(root: Path, packages: list[Path], architecture: str) -> None:
    root.mkdir()
    for name in ("bin", "lib", "sbin", "lib64"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    unpack(packages, root)
    for name in ("passwd", "group"):
        shutil.copy(root / "usr/share/base-passwd" / f"{name}.master", root / "etc" / name)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    for name in ("dev", "proc", "sys", "run", "tmp", "root", "srv/httpipe", "var/log/nginx"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("doc", "man", "locale"):
        shutil.rmtree(root / "usr/share" / name)
    _environment(root, architecture)
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    if sys.version_info[:2] == (3, 11):  # the same bytecode; elsewhere the guest compiles what it imports
        for folder in ("usr/lib/python3.11", "usr/lib/python3/dist-packages", SITE):
            compileall.compile_dir(root / folder, quiet=2, stripdir=str(root), workers=0, invalidation_mode=unchecked)


def _environment(root: Path, architecture: str) -> None:
    """A virtual environment as ``python3 -m venv --copies`` makes it, with its packages."""
    programs = root / "opt/httpipe/bin"
    programs.mkdir(parents=True)
    shutil.copy(root / "usr/bin/python3.11", programs / "python3")
    (programs.parent / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.2\n")
    with tempfile.NamedTemporaryFile("w", suffix=".lock") as lock:
        lock.write(requirements())
        lock.flush()
        platforms = [f"--platform={wheel}_{PLATFORMS[architecture]}" for wheel in WHEELS]
        options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version=3.11", *platforms]
        command = [sys.executable, "-m", "pip", "-q", "install", f"--target={root / SITE}", *options, "-r", lock.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotAvailable(f"pip failed: {done.stderr[-600:]}")
