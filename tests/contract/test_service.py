"""The commands of contrib's systemd unit, as they are written there, with a socket of ours in systemd's place and real files."""

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "contrib" / "httpipe.service"
HTTPIPE = str(Path(sys.executable).with_name("httpipe"))

PIPELINE = """
[sources.quiet]
type = "replay"
path = "-"

[sinks.out]
type = "file"
inputs = ["quiet"]
path = "{folder}/var/log/httpipe/out.jsonl"
{more}
"""


class Service:
    """What systemd would do: folders, environment, commands. Everything that is absolute in the unit stands in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        lines = [line for line in UNIT.read_text().splitlines() if "=" in line and not line.startswith("#")]
        self._unit = dict(line.split("=", 1) for line in lines)
        for place, name in (("etc", "Configuration"), ("run", "Runtime"), ("var/log", "Logs"), ("var/lib", "State")):
            (folder / place / self._unit[f"{name}Directory"]).mkdir(parents=True)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        self.notify.settimeout(30)

    def write(self, more: str = "") -> None:
        """The pipeline file."""
        (self.folder / "etc/httpipe/pipeline.toml").write_text(PIPELINE.format(folder=self.folder, more=more))

    def command(self, name: str) -> list[str]:
        """As it stands in the unit."""
        words = shlex.split(self._unit[name].replace("/usr/local/bin/httpipe", HTTPIPE))
        return [word if word == HTTPIPE or not word.startswith("/") else f"{self.folder}{word}" for word in words]

    @property
    def environment(self) -> Mapping[str, str]:
        """As systemd.exec(5) has it."""
        run = f"{self.folder}/run/httpipe"
        return {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": f"{self.folder}/notify", "RUNTIME_DIRECTORY": run}

    def start(self) -> subprocess.Popen[str]:
        """ExecStart."""
        return subprocess.Popen(
            self.command("ExecStart"), env=self.environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def reload(self) -> subprocess.CompletedProcess[str]:
        """ExecReload."""
        command = self.command("ExecReload")
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)

    def told(self, wanted: str) -> list[str]:
        """What the service says up to this line."""
        lines: list[str] = []
        while wanted not in lines:
            lines += self.notify.recv(4096).decode().splitlines()
        return lines


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Folders of its own."""
    made = Service(tmp_path)
    yield made
    made.notify.close()


def end(process: subprocess.Popen[str]) -> str:
    """SIGTERM, as systemd does it; returns what it said."""
    process.terminate()
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, said
    return said


@pytest.mark.slow
def test_reload_succeeds_with_a_file_that_can_run_and_only_then(service: Service) -> None:
    """The command fails with all that is wrong, and nothing has changed; mended, it succeeds when the file runs."""
    service.write()
    process = service.start()
    try:
        service.told("READY=1")
        service.write("colour = 1\nbatch.max_events = 0")
        refused = service.reload()
        assert refused.returncode == 78
        assert "not reloaded; the pipeline keeps running unchanged" in refused.stderr
        assert "sinks.out.colour" in refused.stderr
        assert "sinks.out.batch.max_events" in refused.stderr
        service.write("batch.max_events = 10")
        done = service.reload()
        assert (done.returncode, done.stderr) == (0, f"httpipe: reloaded {service.folder}/etc/httpipe/pipeline.toml\n")
        assert (service.folder / "var/log/httpipe/out.jsonl").exists()
    finally:
        said = end(process)
    assert "not reloaded" in said
    assert "rebuilt out" in said


@pytest.mark.slow
def test_ready_waits_for_the_sink(service: Service) -> None:
    """While its folder cannot be written, the status names the sink and READY does not come; then it does."""
    log = service.folder / "var/log/httpipe"
    log.rmdir()
    log.write_text("a file where the folder should be")
    service.write("retry.initial_backoff_secs = 0.1\nretry.max_backoff_secs = 0.1")
    process = service.start()
    try:
        before = service.told("STATUS=not ready before these sinks have been opened: out")
        assert "READY=1" not in before
        assert service.reload().returncode == 0, "the reload of a pipeline that is not ready yet is not its READY"
        log.unlink()
        assert "STATUS=carries events" in service.told("READY=1")
    finally:
        said = end(process)
    assert "not ready; events are queued meanwhile" in said


def test_reload_without_a_running_pipeline_says_so(service: Service) -> None:
    """Nothing listens: usage error, naming the socket."""
    done = service.reload()
    assert done.returncode == 64
    assert f"cannot talk to httpipe at {service.folder}/run/httpipe/httpipe.sock" in done.stderr
