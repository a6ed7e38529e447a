"""Servers from Maven Central for tests: the jars that a pom.xml names, fetched once as ordinary artifacts into a cache folder.

``jars(pom, "kafka.version")`` gives the folder, or raises ``NotAvailable`` saying what is missing (Java 17, Maven, the network).
"""

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

DONE = ".complete"
FETCH_SECS = 300
CHECKOUT = Path(__file__).resolve().parents[1]


class NotAvailable(Exception):  # noqa: N818  a finding, not a failure: the caller decides
    """A server cannot be had here; the text says why."""


def jars(pom: Path, name: str) -> Path:
    """The folder with all jars of the version that stands in the pom as ``<name.version>``."""
    if not _java_is_17():
        raise NotAvailable("Java 17 or newer is not installed (Debian: openjdk-17-jdk-headless)")
    folder = cache(name) / version(pom, name)
    if not (folder / DONE).exists():
        _fetch(pom, folder)
    return folder


def version(pom: Path, name: str) -> str:
    """The version that the pom names."""
    found = re.search(rf"<{name}\.version>([^<]+)<", pom.read_text())
    assert found is not None
    return found[1]


def cache(name: str) -> Path:
    """``.cache/NAME`` of the checkout, else the user's cache folder where the checkout cannot be written."""
    if os.access(CHECKOUT, os.W_OK):
        return CHECKOUT / ".cache" / name
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "httpipe" / name


def _java_is_17() -> bool:
    java = shutil.which("java")
    if java is None:
        return False
    said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    return found is not None and int(found[1]) >= 17


def _fetch(pom: Path, folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise NotAvailable("Maven is not installed (Debian: maven)")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs may start at once
        if (folder / DONE).exists():
            return
        command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_SECS, check=False)
        except subprocess.TimeoutExpired as error:
            raise NotAvailable(f"Maven did not finish within {FETCH_SECS} s") from error
        if done.returncode:
            raise NotAvailable(f"Maven failed: {(done.stdout + done.stderr).strip()[-500:]}")
        (folder / DONE).touch()
