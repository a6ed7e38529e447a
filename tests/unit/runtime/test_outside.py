"""What surrounds the engine: systemd, the control socket, metrics, files of transforms, privileges."""

import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import anyio
import anyio.lowlevel
import pytest
from anyio.to_thread import run_sync

from pipeline.api import Context, Event, EventBatch, Outputs, Sink, Source, Transform
from pipeline.config.options import ProcessOptions
from pipeline.delivery.fanout import Fanout
from pipeline.errors import ConfigError, HttpipeError
from pipeline.runtime.control.client import ControlClient
from pipeline.runtime.control.paths import own_paths
from pipeline.runtime.control.server import ControlServer, somebody_answers
from pipeline.runtime.control.service import ControlService
from pipeline.runtime.control.tap import QUEUE_EVENTS, Tap
from pipeline.runtime.engine import Engine
from pipeline.runtime.options import RunOptions
from pipeline.runtime.process import privileges
from pipeline.runtime.process.sd_notify import SdNotify
from pipeline.runtime.run import run
from pipeline.runtime.units.files import FileReader
from pipeline.telemetry.exposition import Exposition
from pipeline.telemetry.metrics import METRICS, markdown
from pipeline.testing.fakes import events, numbers
from pipeline.testing.plans import Part, plan

pytestmark = pytest.mark.anyio


class Steady(Source):
    """Numbered events for ever, as fast as the loop turns."""

    can_wait = True

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing to prepare."""

    async def batches(self) -> AsyncIterator[EventBatch]:
        """For ever."""
        at = 0
        while True:
            yield EventBatch(events(at, at + 10), at)
            at += 10
            await anyio.sleep(0.001)


class Nowhere(Sink):
    """Takes everything."""

    taken: ClassVar[list[int]] = []

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing to prepare."""

    async def write(self, batch: Sequence[Event]) -> None:
        """Count."""


async def with_engine(use: Callable[[Engine], Any], **parts: Part) -> Any:
    """Run an engine while ``use`` is at work."""
    engine = Engine(plan(**parts), RunOptions(configure_logs=False))
    with anyio.fail_after(10):
        await engine.open()
        async with anyio.create_task_group() as group:
            group.start_soon(engine.run)
            result = await use(engine)
            engine.stop()
    await engine.aclose()
    return result


async def nothing_to_reload() -> Sequence[str]:
    """For an engine that came from no file."""
    return ()


def receiver(tmp_path: Path) -> tuple[socket.socket, dict[str, str]]:
    """A socket as systemd has one, and the environment that names it."""
    path = str(tmp_path / "notify")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(path)
    listening.setblocking(False)
    return listening, {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "200000"}


async def test_systemd_is_told(tmp_path: Path) -> None:
    """READY, RELOADING with the time, STOPPING and WATCHDOG as sd_notify(3) has them."""
    listening, environ = receiver(tmp_path)
    systemd = SdNotify(environ)
    systemd.ready()
    systemd.reloading()
    systemd.stopping()
    systemd.alive()
    told = [listening.recv(200).decode() for _ in range(4)]
    assert told[0] == "READY=1"
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", told[1])
    assert told[2:] == ["STOPPING=1", "WATCHDOG=1"]
    assert systemd.watchdog_secs == 0.2
    systemd.close()
    listening.close()


async def test_without_systemd_nothing_is_sent() -> None:
    """No socket, no watchdog; a watchdog for another process is not ours."""
    SdNotify({}).ready()
    assert SdNotify({}).watchdog_secs == 0
    assert SdNotify({"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}).watchdog_secs == 0


async def test_a_run_under_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ready when capturing has begun, alive while it runs."""
    listening, environ = receiver(tmp_path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    options = RunOptions(configure_logs=False, handle_signals=False, for_secs=0.2)
    await run(plan(ProcessOptions(control_socket=str(tmp_path / "c")), s=Part(Steady), n=Part(Nowhere, ["s"])), options=options)
    told = []
    while True:
        try:
            told.append(listening.recv(200).decode())
        except BlockingIOError:
            break
    listening.close()
    assert "READY=1" in told
    assert told.count("WATCHDOG=1") >= 2


async def test_control_socket_shows_status_and_taps(tmp_path: Path) -> None:
    """A client sees snapshots of the run, and the events that match a condition, while it runs."""
    path = str(tmp_path / "control")

    def look() -> tuple[Any, list[Any]]:
        with ControlClient(path) as client:
            status = next(client.snapshots())
        with ControlClient(path) as client:
            passing = client.tap("s", "httpipe.sequence > 30", per_sec=50)
            return status, [next(passing) for _ in range(5)]

    async def use(engine: Engine) -> Any:
        async with anyio.create_task_group() as group:
            group.start_soon(ControlServer([path], ControlService(engine, nothing_to_reload)).run)
            while not await run_sync(somebody_answers, path):  # noqa: ASYNC110  another thread looks
                await anyio.sleep(0.001)
            assert os.stat(path).st_mode & 0o777 == 0o600  # noqa: PTH116
            seen = await run_sync(look)
            while engine.graph.fanouts.of("s").taps:  # noqa: ASYNC110  the server notices that the client has gone
                await anyio.sleep(0.001)
            group.cancel_scope.cancel()
        return seen

    status, seen = await with_engine(use, s=Part(Steady), n=Part(Nowhere, ["s"]))
    assert {each.id for each in status.components} == {"s", "n"}
    assert seen[0] == {}
    shown = [each for each in seen[1:] if not isinstance(each, int)]
    assert all(each["httpipe.sequence"] > 30 for each in shown)
    assert shown
    assert not os.path.exists(path)  # noqa: ASYNC240, PTH110


async def test_the_control_socket_is_its_owners_before_anybody_can_connect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the umask, which belongs to the threads that write files meanwhile too, is left alone."""
    path = tmp_path / "control"
    modes: list[int] = []

    class Watched(socket.socket):
        def listen(self, *backlog: int) -> None:
            modes.append(path.stat().st_mode & 0o777)
            super().listen(*backlog)

    umasks: list[int] = []
    before = os.umask(0)
    try:
        monkeypatch.setattr(socket, "socket", Watched)
        monkeypatch.setattr(os, "umask", umasks.append)
        server = ControlServer([str(path)], ControlService(Engine(plan(), RunOptions()), nothing_to_reload))
        listener = server._listen()
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert listener is not None
    with closing(listener):
        assert (modes, umasks) == ([0o600], [])


class Split(Transform):
    """All events leave by an output that nobody reads."""

    outputs = ("rest",)

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing to prepare."""

    def process(self, batch: Sequence[Event]) -> Outputs:
        """Nothing is left for the default output."""
        return {"rest": batch}


async def test_an_output_that_nobody_reads_can_be_tapped(tmp_path: Path) -> None:
    """What leaves by it is what one wants to see."""
    path = str(tmp_path / "control")

    def look() -> Any:
        with ControlClient(path) as client:
            passing = client.tap("t.rest")
            return next(passing), next(passing)

    async def use(engine: Engine) -> Any:
        async with anyio.create_task_group() as group:
            group.start_soon(ControlServer([path], ControlService(engine, nothing_to_reload)).run)
            while not await run_sync(somebody_answers, path):  # noqa: ASYNC110  another thread looks
                await anyio.sleep(0.001)
            seen = await run_sync(look)
            group.cancel_scope.cancel()
        return seen

    begun, event = await with_engine(use, s=Part(Steady), t=Part(Split, ["s"]), n=Part(Nowhere, ["t"]))
    assert (begun, event["event.name"]) == ({}, "http.exchange")


@pytest.mark.parametrize(
    ("request_line", "told"),
    [
        (b'{"ask": "tap", "id": "nix"}\n', 'nothing here is called "nix"; there are n, s'),
        (b'{"ask": "tap", "id": "s", "where": "statsu == 1"}\n', "statsu"),
        (b'{"ask": "dance"}\n', "not understood"),
        (b"\xff\n", "not understood"),
        (b"x" * 70_000, "too long"),
    ],
)
async def test_control_socket_answers_nonsense_with_an_error(tmp_path: Path, request_line: bytes, told: str) -> None:
    """And stays up."""
    path = str(tmp_path / "control")

    def ask() -> str:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(path)
            client.sendall(request_line)
            with client.makefile("rb") as lines:
                return str(json.loads(lines.readline())["error"])

    async def use(engine: Engine) -> str:
        async with anyio.create_task_group() as group:
            group.start_soon(ControlServer([path], ControlService(engine, nothing_to_reload)).run)
            while not await run_sync(somebody_answers, path):  # noqa: ASYNC110  another thread looks
                await anyio.sleep(0.001)
            answer: str = await run_sync(ask)
            group.cancel_scope.cancel()
        return answer

    assert told in await with_engine(use, s=Part(Steady), n=Part(Nowhere, ["s"]))


async def test_a_client_without_a_pipeline_is_told() -> None:
    """No traceback."""
    with pytest.raises(HttpipeError, match="cannot talk to httpipe at /nonexistent"):
        ControlClient("/nonexistent")
    folder = {"RUNTIME_DIRECTORY": "/run/httpipe:/run/x"}
    assert own_paths(folder)[:2] == ("/run/httpipe/httpipe.sock", "/run/httpipe/httpipe-2.sock")


async def test_a_tap_is_bounded_and_counts_what_it_misses() -> None:
    """Whoever does not read sees less; the pipeline does not notice."""
    now = [0.0]
    tap = Tap(lambda event: event.timestamp_ns % 2 == 0, 10_000, lambda: now[0])
    output = Fanout(lambda: 0.0)
    tap.attach([output])
    for at in range(0, 5000, 100):
        output.push(events(at, at + 100), 0, (), [])
    seen, missed = await tap.take()
    assert numbers(seen) == list(range(0, 2 * QUEUE_EVENTS, 2))
    assert missed == 3000
    slow = Tap(None, 7, lambda: now[0])
    slow.show(events(0, 100))
    assert (numbers((await slow.take())[0]), slow.missed) == (list(range(7)), 0)
    now[0] = 1.5
    slow.show(events(100, 103))
    assert numbers((await slow.take())[0]) == [100, 101, 102]
    tap.detach()
    assert output.taps == ()


async def test_metrics_health_and_ready() -> None:
    """Prometheus gets every declared metric, health and readiness follow the pipeline."""
    silence = [0.0]

    class Silent(ControlService):
        def silence_secs(self) -> float:
            return silence[0]

    async def use(engine: Engine) -> dict[str, tuple[int, str]]:
        while not engine.snapshot().of("n").sent:  # noqa: ASYNC110
            await anyio.sleep(0.001)
        exposition = Exposition("127.0.0.1:0", "1.2.3", Silent(engine, nothing_to_reload))
        exposition.start()
        answers = {}
        for path in ("metrics", "health", "ready", "nothing"):
            answers[path] = await run_sync(fetch, f"http://127.0.0.1:{exposition.port}/{path}")
        silence[0] = 60.0
        answers["sick"] = await run_sync(fetch, f"http://127.0.0.1:{exposition.port}/health")
        silence[0] = 0.0
        engine.stopping = True
        answers["stopping"] = await run_sync(fetch, f"http://127.0.0.1:{exposition.port}/ready")
        await run_sync(exposition.close)
        return answers

    answers = await with_engine(use, s=Part(Steady), n=Part(Nowhere, ["s"]))
    text = answers["metrics"][1]
    for metric in METRICS:
        assert f"# TYPE {metric.full_name} {metric.kind}" in text.replace("_total ", "_total ")
    assert re.search(r'httpipe_component_sent_events_total\{component_id="n",component_kind="sink",.*\} [1-9]', text)
    assert 'httpipe_build_info{version="1.2.3"} 1.0' in text
    assert [answers[name][0] for name in ("health", "ready", "nothing", "sick", "stopping")] == [200, 200, 404, 503, 503]
    assert "has not turned for 60 s" in answers["sick"][1]


class Cut(Steady):
    """Brings nothing for a while, and says so itself."""

    context: ClassVar[Context]

    def __init__(self, config: Any, context: Context) -> None:
        """Remember who to tell."""
        super().__init__(config, context)
        type(self).context = context


async def test_what_a_component_says_of_itself_is_shown_while_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    """A source without contact: /health names it and stays 200, /ready is 503, `top` has it, the log has beginning and end."""
    caplog.set_level("INFO", "httpipe")

    async def use(engine: Engine) -> list[tuple[int, str]]:
        exposition = Exposition("127.0.0.1:0", "1", ControlService(engine, nothing_to_reload))
        exposition.start()
        answers = []
        for sentence in ("no contact since noon", "no contact since noon, still", ""):
            Cut.context.trouble(sentence)
            status = engine.snapshot().of("s")
            assert (status.state, status.error) == (("degraded", sentence) if sentence else ("ok", ""))
            answers += [await run_sync(fetch, f"http://127.0.0.1:{exposition.port}/{path}") for path in ("health", "ready")]
        await run_sync(exposition.close)
        return answers

    answers = await with_engine(use, s=Part(Cut), n=Part(Nowhere, ["s"]))
    assert answers[0] == (200, "ok\ns: degraded: no contact since noon\n")
    assert answers[1] == (503, "s: no contact since noon\n")
    assert answers[4:] == [(200, "ok\n"), (200, "ok\n")]
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith(("no contact", "recovered"))]
    assert said == ["no contact since noon", "recovered"]


def fetch(url: str) -> tuple[int, str]:
    """Snapshot and text."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  our own server
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def test_a_metrics_address_that_is_taken_or_wrong_is_a_configuration_error() -> None:
    """The message names the option."""
    service = ControlService(Engine(plan(), RunOptions()), nothing_to_reload)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for address in (f"127.0.0.1:{taken.getsockname()[1]}", "nonsense", "127.0.0.1:99999"):
            with pytest.raises(ConfigError, match=r"telemetry\.metrics_address"):
                Exposition(address, "1", service)


async def test_docs_list_every_metric() -> None:
    """docs/metrics.md holds the table that the declarations give."""
    page = Path(__file__).parents[3] / "docs" / "metrics.md"
    assert markdown() in page.read_text()


async def test_files_are_read_once_and_again_when_changed(tmp_path: Path) -> None:
    """A transform that asks every second pays for one stat."""
    file = tmp_path / "table"
    file.write_bytes(b"one")
    read = FileReader().read
    assert (read(str(file)), read(str(file))) == (b"one", None)
    file.write_bytes(b"three")
    assert (read(str(file)), read(str(file))) == (b"three", None)
    with pytest.raises(OSError, match="nope"):
        read(str(tmp_path / "nope"))


async def test_an_unknown_user_is_a_configuration_error() -> None:
    """Before anything is opened."""
    with pytest.raises(ConfigError, match=r'process\.user: there is no user "no-such-user"'):
        privileges.find("no-such-user")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_privileges_are_gone_for_good() -> None:
    """No capability, no way back, and set-user-ID programs give nothing."""
    script = """
import os
import pwd
from pipeline.runtime.process import privileges
privileges.drop(pwd.getpwnam("nobody"))
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(os.getresuid(), os.getgroups(), [status[n].strip() for n in ("CapPrm", "CapEff", "CapAmb", "NoNewPrivs")])
try:
    os.setuid(0)
except PermissionError:
    print("no way back")
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=20).stdout  # noqa: ASYNC221
    assert "(65534, 65534, 65534)" in told
    assert told.count("0000000000000000") == 3
    assert "'1'" in told
    assert "no way back" in told
