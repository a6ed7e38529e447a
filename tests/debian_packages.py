"""Debian packages of any suite and architecture, fetched by apt and unpacked, beside what this machine has installed.

Comes in: names of packages. Goes out: ``.deb`` files in the cache, or ``NotAvailable``. apt gets lists, state and cache of its
own, so that the machine's are left as they are; where the archive is, and through what it is reached, the machine's own
configuration says. Nothing is installed and no script of a package is run.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "httpipe" / "kernels"
"""Outlives a clone: about 1 GB, of which the file systems are most."""

LISTS_SECS = 24 * 3600
"""Lists of packages are fetched again after so long; older ones do where the archive cannot be reached."""

KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class NotAvailable(Exception):  # noqa: N818  no fault of the program
    """The packages cannot be had here; the text says why."""


class Suite:
    """One suite of Debian for one architecture (``amd64``, ``arm64``)."""

    def __init__(self, name: str, architecture: str) -> None:
        self.name = name
        self._architecture = architecture
        self._folder = CACHE / "apt" / f"{name}-{architecture}"

    def newest(self, name: str, kind: str) -> list[Path]:
        """A package without content of its own: those whose names match that it leads to."""
        return self._files(f"newest {name} {kind}", lambda: ("download", *self._leads_to(name, kind)))

    def packages(self, *names: str) -> list[Path]:
        """These alone."""
        return self._files(f"packages {' '.join(names)}", lambda: ("download", *names))

    def closure(self, *names: str) -> list[Path]:
        """These packages with all that they depend on."""
        command = ("install", "--download-only", "--yes", "--no-install-recommends", *names)
        return self._files(f"closure {' '.join(names)}", lambda: command)

    def _leads_to(self, name: str, kind: str) -> list[str]:
        lines = self._apt("apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", name).splitlines()
        found = sorted({line for line in lines if re.fullmatch(kind, line)})
        if not found:
            raise NotAvailable(f"Debian's suite {self.name} has nothing like {kind}")
        return found

    def _files(self, question: str, command: Callable[[], tuple[str, ...]]) -> list[Path]:
        """What an ``apt-get`` command fetches. The answer is kept for as long as the lists: apt thinks for seconds."""
        self._update(LISTS_SECS)
        kept = self._folder / "answers" / hashlib.sha256(question.encode()).hexdigest()
        if kept.exists():
            files = [Path(line) for line in kept.read_text().splitlines()]
            if all(file.exists() for file in files):
                return files
        try:
            files = self._fetch(*command())
        except NotAvailable:
            self._update(0)  # the archive has moved on since the lists were fetched
            files = self._fetch(*command())
        kept.write_text("\n".join(map(str, files)))
        return files

    def _fetch(self, *command: str) -> list[Path]:
        """``--print-uris`` says which files these are, of those that are not there yet: hence the empty folder."""
        printed = self._apt("apt-get", "--print-uris", *command, archives="none")
        names = re.findall(r"^'\S+' (\S+\.deb) ", printed, re.MULTILINE)
        self._apt("apt-get", *command)
        return [self._folder / "archives" / name for name in names]

    def _update(self, older_secs: float) -> None:
        """Fetch the lists where they are older than that; keep them where they cannot be fetched."""
        stamp = self._folder / "updated"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < older_secs:
            return
        self._configure()
        try:
            self._apt("apt-get", "update", "--error-on=any")
        except NotAvailable:
            if not stamp.exists():
                raise
        else:
            self._apt("apt-get", "autoclean")  # what the archive no longer has
            shutil.rmtree(self._folder / "answers")
            (self._folder / "answers").mkdir()
            stamp.touch()

    def _configure(self) -> None:
        for name in ("state/lists/partial", "archives/partial", "none/partial", "answers"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        (self._folder / "status").touch()
        line = f"deb [signed-by={KEYS} target=Packages] {archive()} {self.name} main\n"
        (self._folder / "sources.list").write_text(line)

    def _apt(self, program: str, *arguments: str, archives: str = "archives") -> str:
        """With everything of its own, in the folder where ``download`` is to leave what it fetches."""
        folder, options = self._folder, []
        for name, value in {
            "Dir::Etc::SourceList": folder / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State": folder / "state",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder,
            "Dir::Cache::archives": folder / archives,
            "APT::Architecture": self._architecture,
            "APT::Architectures": self._architecture,
            "APT::Sandbox::User": "",  # the cache belongs to us, not to the user _apt
            "Acquire::Languages": "none",
        }.items():
            options += ["-o", f"{name}={value}"]
        command = [program, *options, *arguments]
        return run(command, cwd=folder / archives)


@contextmanager
def alone() -> Iterator[None]:
    """Nobody else, of this session or another, changes the cache meanwhile."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def archive() -> str:
    """Where this machine has its Debian from."""
    filters = ("Origin: Debian", "Label: Debian")
    try:
        printed = run(["apt-get", "indextargets", "--format", "$(SITE)", *filters])
    except FileNotFoundError as error:
        raise NotAvailable("there is no apt here") from error
    if not printed or not KEYS.exists():
        raise NotAvailable("apt knows no archive of Debian here")
    return printed.split()[0]


def unpack(packages: list[Path], folder: Path) -> None:
    """Their files, over each other; links to folders stay links, as Debian's merged /usr wants it."""
    for package in packages:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as files:
            subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", folder], stdin=files.stdout, check=True)
        if files.returncode:
            package.unlink()
            raise NotAvailable(f"{package.name} is damaged; it is fetched again the next time")


def run(command: list[str], cwd: Path | None = None) -> str:
    """What a program says; ``NotAvailable`` with its last words where it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotAvailable(f"{command[0]} failed: {done.stderr.strip()[-600:]}")
    return done.stdout
