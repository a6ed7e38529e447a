"""A process that speaks TLS with itself when it is told to, by a libssl of its own: nobody else on the machine maps that file."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from mapped_libssl import libssl

TALK = Path(__file__).parent / "programs" / "talk.py"


def own_libssl(folder: Path) -> Path:
    """A copy: another inode, which no other process has."""
    folder.mkdir(parents=True, exist_ok=True)
    copied = folder / libssl().name
    shutil.copy(libssl(), copied)
    return copied


class Talker:
    """Started, with its handshake done; ``library`` is loaded in place of the system's."""

    def __init__(self, certificate: Path, library: Path, *, python: str = sys.executable, prefix: tuple[str, ...] = ()) -> None:
        environment: Mapping[str, str] = {"LD_LIBRARY_PATH": str(library.parent)}
        command = [*prefix, python, str(TALK), str(certificate)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True, bufsize=1)
        self._read("ready")

    @property
    def pid(self) -> int:
        """Of the process."""
        return self.process.pid

    def talk(self, messages: int = 10) -> None:
        """As many messages, one read and one write each."""
        assert self.process.stdin
        self.process.stdin.write(f"{messages}\n")
        self._read("done")

    def close(self) -> int:
        """Its exit code."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        code = self.process.wait(10)
        self.process.stdout.close()
        return code

    def _read(self, expected: str) -> None:
        assert self.process.stdout
        assert self.process.stdout.readline().strip() == expected
