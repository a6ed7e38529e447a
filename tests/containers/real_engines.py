"""Podman and Docker, each with folders and a socket of its own, and containers from an empty image that is made here.

They have the programs of this host, to read only, so that nothing is pulled. vfs and cgroupfs work everywhere, also where this
runs in a container or without systemd. Nothing of the host's network is touched.
"""

import contextlib
import os
import shutil
import subprocess
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from tests.debian_packages import Suite, alone, run, unpack
from tests.waiting import until

IMAGE = "localhost:5000/httpipe/tool:7"
HOST = ("/usr", "/lib", "/lib64")
"""What containers have of this host: enough for any of its programs."""


class RealEngine(ABC):
    """``with Podman(folder) as engine:``, then ``run``; everything that runs ends with it."""

    PROGRAMS: ClassVar[Sequence[str]]
    REMOVE: ClassVar[Sequence[str]]
    """How a container is removed that runs."""
    STARTS_ALONE: ClassVar[bool]
    """Whether containers can be started while nobody listens on the socket."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "engine.sock"
        self.folder = folder
        self._service: subprocess.Popen[bytes] | None = None
        self._ids: list[str] = []

    @abstractmethod
    def client(self) -> list[str]:
        """The command that others follow."""

    @abstractmethod
    def service(self) -> list[str]:
        """The command that listens on the socket."""

    def __enter__(self) -> Self:
        for needed in ("etc", "tmp"):
            (self.folder / "root" / needed).mkdir(parents=True)
        with tarfile.open(self.folder / "root.tar", "w") as tar:
            tar.add(self.folder / "root", ".")
        self.serve()
        self.do("import", "--change", "LABEL org.opencontainers.image.title=tool", str(self.folder / "root.tar"), IMAGE)
        return self

    def __exit__(self, *_: object) -> None:
        for id_ in self._ids:
            subprocess.run([*self.client(), *self.REMOVE, id_], capture_output=True, timeout=60, check=False)
        self.stop()
        until(lambda: not self._works_on())
        for line in Path("/proc/self/mounts").read_text().splitlines():  # Docker leaves some
            if (place := line.split(" ")[1]).startswith(str(self.folder)):
                subprocess.run(["umount", place], check=True)

    def serve(self) -> None:
        """Listen on the socket. Returns when it answers."""
        with (self.folder / "log").open("ab") as log:
            self._service = subprocess.Popen(self.service(), stdout=log, stderr=log)
        until(self.socket.is_socket)
        until(lambda: subprocess.run([*self.client(), "ps"], capture_output=True, timeout=60, check=False).returncode == 0)

    def stop(self) -> None:
        """Listen no more; containers run on."""
        service, self._service = self._service, None
        if service is not None:
            service.terminate()
            service.wait(30)
            self.socket.unlink(missing_ok=True)

    def run(self, name: str, *command: str, network: str = "none", **labels: str) -> str:
        """A container; ``__`` in the name of a label stands for a dot. Returns its id."""
        options = ["--detach", "--name", name, "--network", network, "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=512:512"]
        options += [part for label, value in labels.items() for part in ("--label", f"{label.replace('__', '.')}={value}")]
        options += [part for folder in HOST if Path(folder).exists() for part in ("--volume", f"{folder}:{folder}:ro")]
        self._ids.append(self.do("run", *options, IMAGE, *command).strip())
        return self._ids[-1]

    def do(self, *arguments: str) -> str:
        """A command; what it says."""
        done = subprocess.run([*self.client(), *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _works_on(self) -> bool:
        """Whether something of it runs still, as what tidies up behind a container does; it would make its folders again."""
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if os.fsencode(self.folder) in each.read_bytes():
                    return True
        return False


class Podman(RealEngine):
    """Its service only answers: containers are started and run without it."""

    PROGRAMS = ("podman", "runc")
    REMOVE = ("rm", "--force", "--time", "0")
    STARTS_ALONE = True

    def client(self) -> list[str]:
        """With what it keeps in the folder."""
        places = ["--root", str(self.folder / "storage"), "--runroot", str(self.folder / "run")]
        return ["podman", *places, "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--runtime", "runc"]

    def service(self) -> list[str]:
        """For ever."""
        return [*self.client(), "system", "service", "--time", "0", f"unix://{self.socket}"]


class Docker(RealEngine):
    """From Debian's packages, fetched and unpacked: installing them would start a daemon for the whole host."""

    PROGRAMS = ("apt-get", "dpkg", "runc")
    REMOVE = ("rm", "--force")
    STARTS_ALONE = False
    unpacked: ClassVar[Path]
    """Where ``fetch`` has put its files."""

    @classmethod
    def fetch(cls, folder: Path) -> None:
        """Into this folder, once for all. Raises ``NotAvailable``."""
        cls.unpacked = folder
        architecture = run(["dpkg", "--print-architecture"]).strip()
        with alone():
            unpack(Suite("bookworm", architecture).packages("docker.io", "containerd"), folder)

    def client(self) -> list[str]:
        """By the socket."""
        return [str(self.unpacked / "usr/bin/docker"), "--host", f"unix://{self.socket}"]

    def service(self) -> list[str]:
        """Without a network of its own; containers survive it."""
        path = f"{self.unpacked}/usr/bin:{self.unpacked}/usr/sbin:{os.environ['PATH']}"
        places = ["--data-root", self.folder / "data", "--exec-root", self.folder / "exec", "--pidfile", self.folder / "pid"]
        network = ["--iptables=false", "--ip6tables=false", "--bridge=none"]
        listen = ["--host", f"unix://{self.socket}", "--storage-driver", "vfs", "--live-restore"]
        return ["env", f"PATH={path}", str(self.unpacked / "usr/sbin/dockerd"), *map(str, places), *network, *listen]


def missing(engine: type[RealEngine]) -> list[str]:
    """Programs that it needs and this host lacks."""
    return [name for name in engine.PROGRAMS if shutil.which(name) is None]
