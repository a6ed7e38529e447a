"""From `plugins new` to `run` for each kind of plugin: built as a wheel, installed in a fresh environment, trusted, used."""

import json
import os
import socketserver
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.cli.exit_codes import ExitCode
from pipeline.plugins.trust import NAME, SYSTEM

pytestmark = pytest.mark.wheel

EVENT = '{"event.name":"http.exchange","timestamp":"2026-01-01T00:00:00Z","url.path":"/x","httpipe.duration_ms":300.0}\n'

REPLAY = '[sources.recorded]\ntype = "replay"\npath = "events.jsonl"\n'


class Environment:
    """A virtual environment that sees httpipe and what it needs, and has the plugins that the test installs."""

    def __init__(self, folder: Path) -> None:
        """Made once for all tests of this file."""
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=120)
        self.python = folder / "bin" / "python"
        self.site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        (self.site / "httpipe-under-test.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")

    def run(self, *command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """A Python module's command line in this environment."""
        return subprocess.run(
            [self.python, *command],
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, "NO_COLOR": "1"},
        )

    def httpipe(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """The command."""
        return self.run("-c", "from pipeline.cli.main import main; main()", *arguments, cwd=cwd)

    def install(self, package: Path) -> None:
        """Build the wheel and install it, both without a network."""
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
        dist = package / "dist"
        subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", dist, package], check=True, timeout=120)
        [wheel] = dist.glob("*.whl")
        subprocess.run([*pip, "--python", self.python, "install", "--no-deps", "--no-index", wheel], check=True, timeout=120)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """One for all."""
    return Environment(tmp_path_factory.mktemp("environment"))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with a recording to play."""
    (tmp_path / "events.jsonl").write_text(EVENT * 3)
    return tmp_path


def made(environment: Environment, kind: str, name: str, work: Path) -> Path:
    """A new package of this kind, whose own tests pass, built and installed."""
    wrote = environment.httpipe("plugins", "new", kind, name, cwd=work)
    assert wrote.returncode == ExitCode.OK, wrote.stderr
    package = work / name.replace("_", "-")
    environment.install(package)
    tested = environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=package)
    assert tested.returncode == 0, tested.stdout
    return package


def trusted(environment: Environment, distribution: str, work: Path) -> None:
    """Refused before, with the lines to add; accepted after."""
    refused = environment.httpipe("validate", cwd=work)
    assert not (SYSTEM / NAME).exists(), "this machine has a trust list of its own, which would hold here too"
    assert refused.returncode == ExitCode.BAD_CONFIG
    assert f"[trust.{distribution}]" in refused.stderr
    assert f"httpipe plugins trust {distribution}" in refused.stderr
    wrote = environment.httpipe("plugins", "trust", distribution, cwd=work)
    assert wrote.stdout.startswith("Wrote plugins.toml: trusts"), wrote.stderr
    accepted = environment.httpipe("validate", cwd=work)
    assert accepted.returncode == ExitCode.OK, accepted.stderr


@pytest.fixture
def server() -> Iterator[tuple[int, list[bytes]]]:
    """A TCP server that keeps the lines it gets."""
    lines: list[bytes] = []

    class Handler(socketserver.StreamRequestHandler):
        """Reads to the end."""

        def handle(self) -> None:
            """Keep every line."""
            lines.extend(self.rfile)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = False
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield listening.server_address[1], lines
        listening.shutdown()
        thread.join()


def test_a_new_sink_delivers(environment: Environment, work: Path, server: tuple[int, list[bytes]]) -> None:
    """And is refused again once its files change, or it is trusted no more."""
    port, lines = server
    made(environment, "sink", "my_sink", work)
    pipeline = f'{REPLAY}[sinks.out]\ntype = "my_sink"\ninputs = ["recorded"]\naddress = "127.0.0.1:{port}"\n'
    (work / "pipeline.toml").write_text(pipeline)
    trusted(environment, "my-sink", work)
    done = environment.httpipe("run", cwd=work)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "sent 3" in done.stderr
    assert [json.loads(line)["url.path"] for line in lines] == ["/x"] * 3

    wrong = pipeline.replace("address", "adress")
    (work / "pipeline.toml").write_text(wrong)
    told = environment.httpipe("validate", cwd=work).stderr
    assert 'sinks.out.adress: unknown option; did you mean "address"?' in told
    assert "address" in environment.httpipe("list", "my_sink", cwd=work).stdout
    assert "my_sink" in environment.httpipe("schema", cwd=work).stdout
    assert "`my_sink` (sink)" in environment.httpipe("reference", cwd=work).stdout

    (work / "pipeline.toml").write_text(pipeline)
    assert environment.httpipe("plugins", "verify", cwd=work).returncode == ExitCode.OK
    module = environment.site / "my_sink" / "__init__.py"
    module.write_text(module.read_text() + "\nopen('imported', 'w').close()\n")
    verified = environment.httpipe("plugins", "verify", cwd=work)
    assert verified.returncode == ExitCode.BAD_CONFIG
    assert "has changed since it was installed" in verified.stdout
    changed = environment.httpipe("run", cwd=work)
    assert changed.returncode == ExitCode.BAD_CONFIG
    assert "is not what was trusted" in changed.stderr
    assert not (work / "imported").exists()
    assert environment.httpipe("plugins", "untrust", "my-sink", cwd=work).returncode == ExitCode.OK
    assert "not trusted" in environment.httpipe("run", cwd=work).stderr


def test_a_new_transform_transforms(environment: Environment, work: Path) -> None:
    """What it adds is known to the filter behind it."""
    made(environment, "transform", "my_transform", work)
    (work / "pipeline.toml").write_text(
        f'{REPLAY}[transforms.marked]\ntype = "my_transform"\ninputs = ["recorded"]\nslow_ms = 250\n'
        '[transforms.slow]\ntype = "filter"\ninputs = ["marked"]\nwhere = "my_transform.slow"\n'
        '[sinks.out]\ntype = "stdout"\ninputs = ["slow"]\nformat = "json"\n'
    )
    trusted(environment, "my-transform", work)
    done = environment.httpipe("run", cwd=work)
    assert done.returncode == ExitCode.OK, done.stderr
    assert [json.loads(line)["my_transform.slow"] for line in done.stdout.splitlines()] == [True] * 3


def test_a_new_source_brings_events(environment: Environment, work: Path) -> None:
    """To their end."""
    made(environment, "source", "my_source", work)
    (work / "pipeline.toml").write_text(
        '[sources.made]\ntype = "my_source"\npaths = ["/a", "/b"]\nrepeat = 2\n'
        '[sinks.out]\ntype = "stdout"\ninputs = ["made"]\nformat = "json"\n'
    )
    trusted(environment, "my-source", work)
    done = environment.httpipe("run", cwd=work)
    assert done.returncode == ExitCode.OK, done.stderr
    assert [json.loads(line)["url.path"] for line in done.stdout.splitlines()] == ["/a", "/b"] * 2
