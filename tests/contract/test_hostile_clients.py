"""Clients of the control socket and of the metrics endpoint that do what they like: the run beside them notices nothing."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.cli.exit_codes import ExitCode
from pipeline.runtime.control.client import ControlClient
from pipeline.runtime.control.paths import own_paths
from pipeline.runtime.control.server import MAX_CLIENTS, somebody_answers
from pipeline.runtime.control.session import MAX_REQUEST_BYTES
from pipeline.telemetry.http_server import MAX_CONNECTIONS

COMMAND = [sys.executable, "-c", "from pipeline.cli.main import main; main()"]

PIPELINE = """
[sources.lines]
type = "replay"
path = "-"

[sinks.all]
type = "file"
inputs = ["lines"]
path = "all.jsonl"

[process]
control_socket = "{folder}/control"

[telemetry]
metrics_address = "127.0.0.1:{port}"
"""

EVENT = '{"event.name":"http.exchange","timestamp":"2026-01-01T00:00:00Z","http.request.method":"GET","url.path":"/%d"}\n'

WAIT_SECS = 30.0
RUN_LINES = 20
"""Lines in one write of the feeder."""


class Pipeline:
    """A real process that is fed numbered events until ``finish``."""

    def __init__(self, folder: Path) -> None:
        self.control = str(folder / "control")
        self.port = _free_port()
        self._out = folder / "all.jsonl"
        (folder / "pipeline.toml").write_text(PIPELINE.format(folder=folder, port=self.port))
        self.process = subprocess.Popen([*COMMAND, "run"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
        self.given = 0
        self._stop = threading.Event()
        self._feeder = threading.Thread(target=self._feed)
        self.wait(lambda: somebody_answers(self.control))

    def feed_on(self) -> None:
        """Events come, some thousand a second, until the end."""
        self._feeder.start()

    def _feed(self) -> None:
        while not self._stop.wait(0.005):
            self.give(RUN_LINES)

    def give(self, events: int) -> None:
        """So many events at once."""
        assert self.process.stdin is not None
        self.process.stdin.write("".join(EVENT % number for number in range(self.given, self.given + events)))
        self.process.stdin.flush()
        self.given += events

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until it holds."""
        deadline = time.monotonic() + WAIT_SECS
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def delivered(self) -> int:
        """Events that the sink has written."""
        with ControlClient(self.control) as client:
            return next(client.snapshots()).of("all").sent

    def works(self) -> None:
        """Events pass, and both doors answer."""
        before = self.delivered()
        self.wait(lambda: self.delivered() > before)
        assert self.health() == 200

    def health(self) -> int:
        """The status of ``/health``."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=WAIT_SECS) as answer:
            return int(answer.status)

    def end(self) -> None:
        """Whatever has happened."""
        self._feed_no_more()
        with self.process:
            if self.process.poll() is None:
                self.process.kill()

    def _feed_no_more(self) -> None:
        self._stop.set()
        if self._feeder.is_alive():
            self._feeder.join()

    def finish(self) -> str:
        """End of the input. The sink has everything; returns what was said."""
        self._feed_no_more()
        _, said = self.process.communicate(timeout=WAIT_SECS)
        assert self.process.returncode == ExitCode.OK, said
        assert [json.loads(line)["url.path"] for line in self._out.read_text().splitlines()] == [
            f"/{number}" for number in range(self.given)
        ]
        assert "Traceback" not in said
        return said


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline at work."""
    running = Pipeline(tmp_path)
    yield running
    running.end()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def unix(pipeline: Pipeline) -> socket.socket:
    """A connection to the control socket."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(WAIT_SECS)
    connection.connect(pipeline.control)
    return connection


def tcp(pipeline: Pipeline) -> socket.socket:
    """A connection to the metrics endpoint."""
    return socket.create_connection(("127.0.0.1", pipeline.port), timeout=WAIT_SECS)


TAP = b'{"ask":"tap","id":"lines","per_sec":10000}\n'


@pytest.mark.slow
def test_taps_that_hang_up_while_they_are_sent_to(pipeline: Pipeline) -> None:
    """As ``httpipe tap | head -1`` does, two hundred times."""
    pipeline.feed_on()
    for _ in range(200):
        with unix(pipeline) as client:
            client.sendall(TAP)
            client.recv(200)
    pipeline.works()
    assert "served" not in pipeline.finish()


@pytest.mark.slow
def test_a_client_that_hangs_up_at_any_byte(pipeline: Pipeline) -> None:
    """Of its request, or of the answer."""
    pipeline.feed_on()
    for end in range(len(TAP)):
        with unix(pipeline) as client:
            client.sendall(TAP[:end])
    for length in range(1, 200, 7):
        with unix(pipeline) as client:
            client.sendall(b'{"ask":"status"}\n')
            client.recv(length)
    for request in (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /health HTTP/1.0\r\n\r\n"):
        for end in range(0, len(request) + 1, 3):
            with tcp(pipeline) as client:
                client.sendall(request[:end])
    pipeline.works()
    assert "served" not in pipeline.finish()


@pytest.mark.parametrize("reads", [True, False])
def test_a_tap_that_does_not_read_is_told_to_the_unit_what_it_missed(pipeline: Pipeline, reads: bool) -> None:  # noqa: FBT001
    """Shown and missed are all that passed; one that never reads again learns at least that something is missing."""
    with ControlClient(pipeline.control) as client:
        answers = client.tap("lines", per_sec=10_000)
        assert next(answers) == {}
        for _ in range(30):
            pipeline.give(1000)
        if reads:
            pipeline.wait(lambda: pipeline.delivered() == pipeline.given)
            seen = 0
            missed = 0
            while seen + missed < pipeline.given:
                answer = next(answers)
                missed, seen = (missed + answer, seen) if isinstance(answer, int) else (missed, seen + 1)
            assert missed > 0
            assert seen > 1000
        pipeline.finish()
        rest = list(answers)
        assert client.complete is reads
        assert (rest == []) is reads


def test_a_tap_that_keeps_up_sees_the_last_event(pipeline: Pipeline) -> None:
    """Also when the run ends right behind it."""
    with ControlClient(pipeline.control) as client:
        answers = client.tap(per_sec=10_000)
        assert next(answers) == {}
        pipeline.give(300)
        pipeline.finish()
        assert len(list(answers)) == 300
        assert client.complete


@pytest.mark.slow
def test_nonsense_and_floods(pipeline: Pipeline) -> None:
    """Garbage, half requests, far too many connections, talk without end: all of it at once."""
    pipeline.feed_on()
    garbage = [
        b"\x00\xff" * 3000,
        b"{" * MAX_REQUEST_BYTES,
        b"[" * 9000 + b"\n",
        b'{"ask":"tap","where":"' + b"(" * 9000 + b'"}\n',
    ]
    with contextlib.ExitStack() as open_for_long:
        for text in garbage:
            for door in (unix, tcp):
                open_for_long.enter_context(door(pipeline)).sendall(text)
        for _ in range(MAX_CONNECTIONS * 8):
            open_for_long.enter_context(tcp(pipeline)).sendall(b"GET /met")
        pipeline.wait(lambda: pipeline.health() == 200)
        for _ in range(MAX_CLIENTS * 4):
            open_for_long.enter_context(unix(pipeline)).sendall(b'{"ask":')
    with unix(pipeline) as client, contextlib.suppress(OSError):
        client.sendall(b'{"ask":"status","every_secs":1e300}\n')
        while True:
            client.sendall(bytes(65_536))
    pipeline.works()
    assert "served" not in pipeline.finish()


def test_clients_beyond_the_most_are_told(pipeline: Pipeline) -> None:
    """And let in when another has gone."""
    with contextlib.ExitStack() as many:
        for _ in range(MAX_CLIENTS):
            many.enter_context(unix(pipeline))
        with unix(pipeline) as one_more:
            assert b"8 clients are connected" in one_more.recv(200)
    pipeline.wait(lambda: pipeline.health() == 200)
    pipeline.feed_on()
    pipeline.works()
    pipeline.finish()


@pytest.mark.slow
def test_slow_clients_are_hung_up_on(pipeline: Pipeline) -> None:
    """A request byte by byte has a time limit as a whole, on both; snapshots asked for once a day cost no place for ever."""
    pipeline.feed_on()
    with unix(pipeline) as seldom:
        seldom.sendall(b'{"ask":"status","every_secs":1e9}\n')
    with unix(pipeline) as local, tcp(pipeline) as remote:
        connected = [local, remote]
        deadline = time.monotonic() + WAIT_SECS
        while connected:
            connected = [each for each in connected if _takes_one_more_byte(each)]
            assert time.monotonic() < deadline
    pipeline.works()
    pipeline.finish()


def _takes_one_more_byte(connection: socket.socket) -> bool:
    try:
        connection.settimeout(0.05)
        connection.send(b"x")
        return connection.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize(("heads", "stopped_secs"), [(5, 0), (50, 12)])
def test_real_taps_behind_head_and_stopped(pipeline: Pipeline, heads: int, stopped_secs: int) -> None:
    """``tap | head -1`` again and again beside a tap that is stopped as by Ctrl-Z, for longer than any time-out there was."""
    pipeline.feed_on()
    tap = [*COMMAND, "tap", "lines", "--socket", pipeline.control, "--per-sec", "10000", "--format", "json"]
    with subprocess.Popen(tap, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as stopped:
        assert stopped.stdout is not None
        assert stopped.stdout.readline()
        os.kill(stopped.pid, signal.SIGSTOP)
        goes_on = time.monotonic() + stopped_secs
        done = 0
        while done < heads or time.monotonic() < goes_on:
            done += 1
            with subprocess.Popen(tap, stdout=subprocess.PIPE) as piped:
                assert piped.stdout is not None
                piped.stdout.readline()
                piped.stdout.close()
                assert piped.wait(WAIT_SECS) == ExitCode.OK
        os.kill(stopped.pid, signal.SIGCONT)
        pipeline.works()
        pipeline.finish()
        _, said = stopped.communicate(timeout=WAIT_SECS)
    assert stopped.returncode == ExitCode.OK
    assert b"the pipeline has ended" in said


def test_a_pipeline_that_has_no_socket_of_its_own_says_so(tmp_path: Path, pipeline: Pipeline) -> None:
    """Another httpipe listens at the path that both name."""
    second = tmp_path / "second"
    second.mkdir()
    (second / "pipeline.toml").write_text((tmp_path / "pipeline.toml").read_text().partition("[telemetry]")[0])
    done = subprocess.run([*COMMAND, "run"], input="", capture_output=True, text=True, check=False, cwd=second, timeout=WAIT_SECS)
    assert done.returncode == ExitCode.OK
    assert "another httpipe listens there" in done.stderr
    pipeline.feed_on()
    pipeline.works()
    pipeline.finish()


@pytest.mark.slow
def test_pipelines_side_by_side_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes a socket of its own; `top` and `tap` want to know which is meant, by the name of its file or its PID."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    (tmp_path / "httpipe-3.sock").touch()
    with contextlib.ExitStack() as stack:
        running = []
        for number, name in enumerate(["edge", "inner"]):
            folder = tmp_path / name
            folder.mkdir()
            text = PIPELINE.partition("[process]")[0].replace("lines", f"lines_of_{name}")
            (folder / f"{name}.toml").write_text(text)
            command = [*COMMAND, "run", f"{name}.toml"]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder)
            stack.enter_context(process)
            stack.callback(process.kill)
            running.append(process)
            deadline = time.monotonic() + WAIT_SECS
            while not somebody_answers(own_paths()[number]):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        listed = httpipe("top", "--list")
        assert [line.split()[:3] for line in listed.stdout.splitlines() if str(tmp_path) in line] == [
            ["edge.toml", "PID", str(running[0].pid)],
            ["inner.toml", "PID", str(running[1].pid)],
        ]
        for command in ("top", "tap"):
            unclear = httpipe(command)
            assert unclear.returncode == ExitCode.USAGE
            assert "several pipelines run here; name one with --instance FILE or PID" in unclear.stderr
        for called in ("inner", "inner.toml", str(running[1].pid)):
            assert "lines_of_inner" in httpipe("top", "--once", "--instance", called).stdout
        assert 'no pipeline here is called "outer"' in httpipe("tap", "--instance", "outer").stderr


def httpipe(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=WAIT_SECS)
