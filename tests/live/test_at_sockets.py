"""at = "sockets": the program on the root cgroup, which sees the sockets of every network namespace."""

import socket
import subprocess
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from live_clients import curls
from live_namespace import Namespace
from live_nginx import Serve
from live_recording import recording
from test_exchanges import REQUESTS, assert_nothing_lost, assert_same, curl
from test_owners import wrong

from pipeline.errors import CaptureError
from pipeline.sources.bpf import cgroup
from pipeline.sources.bpf.capture import Capture
from pipeline.sources.bpf.config import BpfConfig

PORT = 18473
"""This host's sockets are seen too, so the traffic has a port of its own."""
EACH = 100

CONFIG = BpfConfig(loader="libbpf", at="sockets", ports=(PORT,), processes=True)


@pytest.fixture
def other() -> Generator[Namespace, None, None]:
    """A network namespace that has nothing to do with the first."""
    made = Namespace()
    yield made
    made.remove()


@pytest.mark.anyio
async def test_loopback_of_two_namespaces(namespace: Namespace, other: Namespace, serve: Serve) -> None:
    """200 of 200 requests on the loopback of two namespaces, neither of them ours, with the right processes."""
    server = serve(namespace, [f"127.0.0.1:{PORT}"])
    neighbour = serve(other, [f"127.0.0.1:{PORT}"])
    url = f"http://127.0.0.1:{PORT}/small"
    async with recording(CONFIG) as taken:
        asked = await anyio.to_thread.run_sync(curls, namespace, url, range(EACH))
        there = await anyio.to_thread.run_sync(curls, other, url, range(EACH, 2 * EACH))
        await taken.until(lambda taken: len(taken.exchanges) >= 2 * EACH)
    assert {each.url_query for each in taken.exchanges} == asked.keys() | there.keys()
    assert len(taken.exchanges) == 2 * EACH
    assert {each.httpipe_marks for each in taken.exchanges} == {()}
    whole = list(taken.exchanges)
    for pids, pid in ((asked, server.pid), (there, neighbour.pid)):
        taken.exchanges = [each for each in whole if each.url_query in pids]
        assert wrong(taken, pids, pid) == Counter(server=0, client=0, path=0)
    assert_nothing_lost(taken)


@pytest.mark.anyio
@pytest.mark.parametrize("address", ["10.9.0.2", "[fd09::2]"])
async def test_both_ends_here(namespace: Namespace, neighbour: Namespace, serve: Serve, loader: str, address: str) -> None:
    """From one namespace to another each packet passes two sockets, and counts once, though both interfaces have one number."""
    assert interface(namespace) == interface(neighbour)
    server = serve(neighbour, [f"{address}:{PORT}"])
    async with recording(BpfConfig(loader=loader, at="sockets", ports=(PORT,))) as taken:
        await curl(namespace, f"http://{address}:{PORT}/small")
        await taken.until(lambda taken: len(taken.exchanges) >= REQUESTS)
    assert_same(taken, server)
    requests = [each for each in taken.segments if each.payload.startswith(b"GET ")]
    assert len(requests) == REQUESTS
    assert taken.counts["repeated"] >= 2 * REQUESTS


def interface(namespace: Namespace) -> int:
    """The number of its end of the wire."""
    with namespace.entered():
        return socket.if_nametoindex("wire")


@pytest.mark.anyio
async def test_large_bodies(namespace: Namespace, serve: Serve) -> None:
    """Bodies that are left out have their exact size, as on interfaces."""
    server = serve(namespace, [f"127.0.0.1:{PORT}"])
    server.file("large", 5_000_000)
    async with recording(CONFIG) as taken:
        await anyio.run_process(
            namespace.command("curl", "-sS", *[f"http://127.0.0.1:{PORT}/large"] * 3), stdout=subprocess.DEVNULL
        )
        await taken.until(lambda taken: len(taken.exchanges) >= 3)
    assert [each.http_response_body_size for each in taken.exchanges] == [5_000_000] * 3
    assert_nothing_lost(taken)


@pytest.mark.anyio
async def test_frames(namespace: Namespace, serve: Serve) -> None:
    """So have those of HTTP/2, of which little is copied, and no place of a frame is lost."""
    server = serve(namespace, [f"127.0.0.1:{PORT} http2"])
    server.file("large", 5_000_000)
    command = ["h2load", "-n", "20", "-m", "20", "-w", "20", "-W", "24", f"http://127.0.0.1:{PORT}/large"]
    async with recording(CONFIG) as taken:
        await anyio.run_process(namespace.command(*command))
        await taken.until(lambda taken: len(taken.exchanges) == 20)
    assert {(each.http_response_body_size, each.httpipe_marks) for each in taken.exchanges} == {(5_000_000, ())}
    assert taken.counts["record_bytes"] < 20 * 5_000_000 / 20
    assert taken.counts["frames_lost"] == taken.counts["nested"] == 0


def test_no_cgroups(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the hierarchy of version 2 is not mounted, the error says how to mount it."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text("22 1 0:20 / /proc rw - proc proc rw\n")
    monkeypatch.setattr(cgroup, "MOUNTS", mounts)
    with pytest.raises(CaptureError, match="needs cgroups of version 2"):
        Capture(CONFIG).load()
