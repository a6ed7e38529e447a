"""Podman with a storage of its own, Docker's API on its socket, and containers from an empty image that is made here."""

import contextlib
import os
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Self

PROGRAMS = ("podman", "runc")
IMAGE = "localhost:5000/httpipe/tool:7"
HOST = ("/usr", "/lib", "/lib64")
"""What containers have of this host, to read only: enough for any of its programs."""


class PodmanEngine:
    """``with PodmanEngine(folder) as engine:``, then ``run``; everything that runs ends with it."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "engine.sock"
        self._folder = folder
        self._service: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        for needed in ("etc", "tmp"):
            (self._folder / "root" / needed).mkdir(parents=True)
        with tarfile.open(self._folder / "root.tar", "w") as tar:
            tar.add(self._folder / "root", ".")
        label = "LABEL org.opencontainers.image.title=tool"
        self.do("import", "--change", label, str(self._folder / "root.tar"), IMAGE)
        self.serve()
        return self

    def __exit__(self, *_: object) -> None:
        self.do("rm", "--all", "--force", "--time", "0")
        self.stop()
        deadline = time.monotonic() + 20
        while self._works_on() and time.monotonic() < deadline:
            time.sleep(0.05)

    def serve(self) -> None:
        """Listen on the socket."""
        self._service = subprocess.Popen([*self._podman(), "system", "service", "--time", "0", f"unix://{self.socket}"])

    def stop(self) -> None:
        """Listen no more; containers run on."""
        service, self._service = self._service, None
        if service is not None:
            service.kill()
            service.wait()
            self.socket.unlink(missing_ok=True)

    def run(self, name: str, *command: str, network: str = "none", **labels: str) -> str:
        """A container; ``__`` in the name of a label stands for a dot. Returns its id."""
        options = ["--detach", "--name", name, "--network", network, "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=512:512"]
        options += [part for label, value in labels.items() for part in ("--label", f"{label.replace('__', '.')}={value}")]
        options += [part for folder in HOST if Path(folder).exists() for part in ("--volume", f"{folder}:{folder}:ro")]
        return self.do("run", *options, IMAGE, *command).strip()

    def do(self, *arguments: str) -> str:
        """A command of Podman; what it says."""
        done = subprocess.run([*self._podman(), *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _works_on(self) -> bool:
        """Whether something of it runs still, as what tidies up behind a container does; it would make its folders again."""
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if os.fsencode(self._folder) in each.read_bytes():
                    return True
        return False

    def _podman(self) -> list[str]:
        # vfs and cgroupfs work everywhere, also where this runs in a container or without systemd
        places = ["--root", str(self._folder / "storage"), "--runroot", str(self._folder / "run")]
        return ["podman", *places, "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--runtime", "runc"]
