"""`httpipe` as a command in a namespace, with a BPF file system of its own, so that nothing is pinned on this host."""

import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from live_namespace import Namespace
from live_readable import readable

HTTPIPE = str(Path(sys.executable).with_name("httpipe"))
RUN = [sys.executable, "-c", "from pipeline.cli.main import main; main()", "run"]
"""By the interpreter itself: the script may lie where only root may enter."""
WAIT_SECS = 30


class Host:
    """A network namespace, and a mount namespace whose /sys/fs/bpf is empty at first."""

    def __init__(self, network: Namespace) -> None:
        self._network = network
        script = "mount -t bpf bpf /sys/fs/bpf && echo mounted && exec sleep infinity"
        self._holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", script], stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        with self._holder.stdout as said:
            assert said.readline() == b"mounted\n"

    def command(self, *arguments: str) -> list[str]:
        """A command that runs in both."""
        return ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", f"--net=/run/netns/{self._network.name}", *arguments]

    def httpipe(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What it says, and how it ends."""
        return subprocess.run(self.command(HTTPIPE, *arguments), capture_output=True, text=True, check=False, timeout=WAIT_SECS)

    def curl(self, url: str) -> str:
        """The status and the body."""
        done = subprocess.run(
            self.command("curl", "-s", "-m", "5", "-w", " %{http_code}", url), capture_output=True, text=True, check=False
        )
        return done.stdout

    def end(self) -> None:
        """What is pinned goes with it."""
        self._holder.kill()
        self._holder.wait()


class Firewall:
    """A run of httpipe, whose file has one source, ``gate``. ``user``: to whom it gives up its privileges."""

    def __init__(self, host: Host, folder: Path, options: str, rest: str = "", user: str = "") -> None:
        self._host = host
        self.file, self._log, self.events = (folder / name for name in ("pipeline.toml", "log", "events.jsonl"))
        self._rest = f'{rest}\n[sinks.file]\ntype = "file"\ninputs = ["gate"]\npath = "{self.events}"\n'
        self._rest += f'[process]\ncontrol_socket = "{folder}/socket"\n' + (f'user = "{user}"\n' if user else "")
        self._ready = folder / "ready"
        self._ready.unlink(missing_ok=True)
        self.write(options)
        command = host.command(*readable([*RUN, str(self.file), "--ready-file", str(self._ready)]))
        with self._log.open("w") as log:
            self.process = subprocess.Popen(command, stderr=log)
        self.until(self._ready.exists)

    def write(self, options: str) -> None:
        """The pipeline file."""
        self.file.write_text(f'[sources.gate]\ntype = "firewall"\n{options}\n{self._rest}')

    def reload(self, options: str) -> subprocess.CompletedProcess[str]:
        """Other options, and have them read."""
        self.write(options)
        return self._host.httpipe("reload", "--socket", str(self.file.with_name("socket")))

    def said(self) -> str:
        """The log."""
        return self._log.read_text()

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for it; the firewall must live."""
        deadline = time.monotonic() + WAIT_SECS
        while not holds():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.01)

    def end(self, signal: int) -> None:
        """By this signal."""
        self.process.send_signal(signal)
        self.process.wait(WAIT_SECS)


@contextmanager
def hosted(network: Namespace) -> Generator[Host, None, None]:
    """A host, ended at the end."""
    host = Host(network)
    try:
        yield host
    finally:
        host.end()
