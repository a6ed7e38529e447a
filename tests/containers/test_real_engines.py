"""The transform ``containers`` with real engines: the containers that run and begin, and requests that are captured from one."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from socket import create_server
from urllib.request import urlopen

import anyio
import pytest
from real_engines import RealEngine

from pipeline.api import Context
from pipeline.testing.transforms import exchange
from pipeline.transforms.containers import Containers, ContainersConfig
from tests.waiting import until, until_async

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(240)]

SLEEP = ("/usr/bin/sleep", "1000")


@pytest.mark.anyio
async def test_it_follows_what_runs(engine: RealEngine) -> None:
    """Containers of the list, that start, get another name and end; also while the engine was away."""
    complaints: list[str] = []
    config = ContainersConfig(socket=str(engine.socket), labels=("com.example.team",))
    it = Containers(config, Context("it", trouble=complaints.append))

    def named(id_: str) -> object:
        [event] = it.process([exchange(httpipe_process_end="server", container_id=id_)])[""]
        return event.attributes.get("container.name")

    before = engine.run("before", *SLEEP, com__docker__compose__service="shop", com__example__team="blue")
    async with anyio.create_task_group() as group:
        group.start_soon(it.run)
        await until_async(lambda: it.table.listed)
        [event] = it.process([exchange(httpipe_process_end="server", container_id=before)])[""]
        assert event.attributes == {
            "container.name": "before",
            "container.image.name": "localhost:5000/httpipe/tool",
            "container.image.tags": ("7",),
            "container.label.com.example.team": "blue",
            "service.name": "shop",
        }
        later = engine.run("later", *SLEEP)
        await until_async(lambda: named(later) == "later")
        [event] = it.process([exchange(httpipe_process_end="client", container_id=later)])[""]
        assert event.attributes["service.name"] == "tool"  # of the image, whose labels are the container's, too
        engine.do("rename", "later", "renamed")
        await until_async(lambda: named(later) == "renamed")
        engine.do(*engine.REMOVE, "renamed")
        await until_async(lambda: len(it.table) == 1)
        assert named(later) == "renamed"  # for a while longer
        assert not any(complaints)
        engine.stop()
        while_away = engine.run("while-away", *SLEEP) if engine.STARTS_ALONE else ""
        await until_async(lambda: any(complaints))
        assert named(before) == "before"
        engine.serve()
        await until_async(lambda: complaints[-1] == "")
        after = while_away or engine.run("while-away", *SLEEP)
        await until_async(lambda: named(after) == "while-away")
        assert named(before) == "before"
        group.cancel_scope.cancel()


def test_a_captured_request_has_the_names_of_its_container(engine: RealEngine, tmp_path: Path) -> None:
    """Through the command, with a server in a container and a client on the host."""
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "p.toml").write_text(f"""
[sources.http]
type = "bpf"
interfaces = ["lo"]
ports = [{port}]
processes = true

[transforms.containers]
type = "containers"
inputs = ["http"]
socket = "{engine.socket}"
wait_secs = 30

[sinks.out]
type = "stdout"
inputs = ["containers"]
format = "json"
stop_after_events = 1
""")
    engine.run("web", "/usr/bin/python3", "-m", "http.server", str(port), "--bind", "127.0.0.1", network="host", a="b")
    command = [str(Path(sys.executable).with_name("httpipe")), "run", "--ready-file", str(tmp_path / "ready"), "p.toml"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        try:
            until(lambda: (tmp_path / "ready").exists() or run.poll() is not None)
            until(lambda: answers(port))  # the server in the container has only begun
            out, log = run.communicate(timeout=60)
        finally:
            run.kill()
    event = json.loads(out)
    assert (event["container.name"], event["service.name"], event["httpipe.process.end"]) == ("web", "tool", "server"), log
    assert event["container.image.tags"] == ["7"]


def answers(port: int) -> bool:
    """Whether a server does."""
    with contextlib.suppress(OSError):
        urlopen(f"http://127.0.0.1:{port}/etc/", timeout=10).close()
        return True
    return False
