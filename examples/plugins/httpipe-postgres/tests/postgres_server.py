"""A PostgreSQL server of its own for tests: in a temporary folder, on a Unix socket, never as root.

The programs come from Debian's package `postgresql`. The server may be stopped and started again.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

NOBODY = "nobody"
SETTINGS = "-c listen_addresses= -c fsync=off -c autovacuum=off"


def programs() -> Path | None:
    """Where the newest installed server's programs are."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((each.parent for each in versions), key=lambda folder: float(folder.parent.name), default=None)


class PostgresServer:
    """``dsn`` reaches it while it runs."""

    def __init__(self) -> None:
        found = programs()
        if found is None:
            raise RuntimeError("there is no PostgreSQL server here; install Debian's package postgresql")
        self.programs = found
        self.folder = Path(tempfile.mkdtemp(prefix="httpipe-postgres-"))
        self.user = NOBODY if os.geteuid() == 0 else None  # the server refuses to run as root
        if self.user:
            shutil.chown(self.folder, self.user)
        self.dsn = f"host={self.folder} user=test dbname=postgres"

    def __enter__(self) -> Self:
        self._run("initdb", "-D", "data", "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def start(self) -> None:
        """Returns once it answers."""
        self._run("pg_ctl", "start", "-w", "-s", "-D", "data", "-l", "log", "-o", f"-k {self.folder} {SETTINGS}")

    def stop(self) -> None:
        """Breaks every connection."""
        self._run("pg_ctl", "stop", "-w", "-s", "-D", "data", "-m", "immediate")

    @contextmanager
    def away(self) -> Generator[None]:
        """Not there inside the context."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        subprocess.run(command, cwd=self.folder, user=self.user, check=True, stdout=subprocess.DEVNULL, timeout=60)
