"""Whose traffic it is: the processes and containers at both ends, also when they are gone."""

import secrets
import shutil
import subprocess
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio.to_thread
import pytest
from live_clients import AGAIN, HANDED_ON, KEPT, curls, done, python
from live_frames import IPV4, REQUEST, ethernet, ipv4, tcp
from live_namespace import Namespace
from live_nginx import Serve
from live_recording import Recording, recording
from test_exchanges import MEGABYTE, assert_nothing_lost

from pipeline.errors import CaptureError
from pipeline.model.records import Owner
from pipeline.sources.bpf.capture import Capture
from pipeline.sources.bpf.config import BpfConfig
from pipeline.sources.bpf.syscall import run_on_frame

CURLS = 250
KEPT_OPEN = 50
AGAINS = 40
URL = "http://127.0.0.1:80/small"

NGINX = shutil.which("nginx")
CURL = shutil.which("curl")

TOLD = BpfConfig(loader="libbpf", processes=True)


@pytest.fixture(params=["socket calls", "reads"])
def tracepoints(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Those of Linux 6.3 and later, and those of older kernels, which this one has, too."""
    way: str = request.param
    if way == "reads":
        monkeypatch.setattr("pipeline.sources.bpf.owners._SOCKET_CALLS", {"tcp_rcv_space_adjust": "who_reads"})
    return way


def wrong(taken: Recording, asked: dict[str, int], server: int) -> Counter[str]:
    """What is not as it should be of exchanges that nginx answered, by the query that each of them asked for."""
    found: Counter[str] = Counter()
    for exchange in taken.exchanges:
        found["server"] += (exchange.process_pid, exchange.process_executable_path) != (server, NGINX)
        asking = (exchange.httpipe_client_process_pid, exchange.httpipe_client_process_executable_name)
        found["client"] += asking != (asked[exchange.url_query or ""], "curl")
        found["path"] += exchange.httpipe_client_process_executable_path != CURL
    return found


@pytest.mark.anyio
@pytest.mark.usefixtures("tracepoints")
async def test_short_lived(namespace: Namespace, serve: Serve) -> None:
    """Of curls, four at once, each exchange has the right two processes, though the client is gone when anybody looks."""
    server = serve(namespace, ["127.0.0.1:80"])
    async with recording(TOLD, namespace) as taken:
        asked = await anyio.to_thread.run_sync(curls, namespace, URL, range(CURLS))
        await taken.until(lambda taken: len(taken.exchanges) >= CURLS)
    assert len(taken.exchanges) == CURLS
    assert wrong(taken, asked, server.pid) == Counter(server=0, client=0, path=0)
    assert_nothing_lost(taken)


@pytest.mark.anyio
@pytest.mark.usefixtures("tracepoints")
async def test_same_port_again(namespace: Namespace, serve: Serve) -> None:
    """Processes that use the same port one after the other, within milliseconds, are told apart."""
    serve(namespace, ["127.0.0.1:80"])
    async with recording(TOLD, namespace) as taken:
        client = python(namespace, AGAIN, "127.0.0.1", "80", "7777", str(AGAINS))
        await anyio.to_thread.run_sync(done, client)
        await taken.until(lambda taken: len(taken.exchanges) >= AGAINS)
    assert {exchange.client_port for exchange in taken.exchanges} == {7777}
    assert [str(each.httpipe_client_process_pid) for each in taken.exchanges] == [each.url_query for each in taken.exchanges]


@pytest.mark.anyio
@pytest.mark.usefixtures("tracepoints")
async def test_there_before(namespace: Namespace, serve: Serve) -> None:
    """Connections that existed before the start have their server at the next request."""
    server = serve(namespace, ["127.0.0.1:80"])
    client = python(namespace, KEPT, "127.0.0.1", "80", str(KEPT_OPEN))
    assert client.stdin is not None
    assert client.stdout is not None
    assert await anyio.to_thread.run_sync(client.stdout.readline) == "there\n"
    async with recording(TOLD, namespace) as taken:
        await anyio.to_thread.run_sync(done, client, "go on\n")
        await taken.until(lambda taken: len(taken.exchanges) >= KEPT_OPEN)
    assert {each.url_query for each in taken.exchanges} == {f"after-{number}" for number in range(KEPT_OPEN)}
    assert {each.process_pid for each in taken.exchanges} == {server.pid}


@pytest.mark.anyio
async def test_other_namespaces(namespace: Namespace, neighbour: Namespace, serve: Serve) -> None:
    """The server in a namespace of its own, as a container's, is known where the client is, by IPv4 and by IPv6."""
    server = serve(neighbour, ["10.9.0.2:80", "[fd09::2]:80"])
    async with recording(TOLD, namespace) as taken:
        asked = await anyio.to_thread.run_sync(curls, namespace, "http://10.9.0.2/small", range(3))
        asked |= await anyio.to_thread.run_sync(curls, namespace, "http://[fd09::2]/small", range(3, 6))
        await taken.until(lambda taken: len(taken.exchanges) >= 6)
    assert wrong(taken, asked, server.pid) == Counter(server=0, client=0, path=0)


@pytest.mark.anyio
async def test_mapped_addresses(namespace: Namespace, serve: Serve) -> None:
    """A socket of IPv6 that speaks IPv4 (::ffff:127.0.0.1) is known by the addresses in the packets."""
    serve(namespace, ["127.0.0.1:80"])
    program = (
        "import socket; s = socket.socket(socket.AF_INET6); s.connect(('::ffff:127.0.0.1', 80)); "
        "s.sendall(b'GET /small HTTP/1.0\\r\\n\\r\\n')\nwhile s.recv(999): pass"
    )
    async with recording(TOLD, namespace) as taken:
        client = python(namespace, program)
        await anyio.to_thread.run_sync(done, client)
        await taken.until(lambda taken: bool(taken.exchanges))
    [exchange] = taken.exchanges
    assert (exchange.httpipe_client_process_pid, exchange.network_type) == (client.pid, "ipv4")


@pytest.mark.anyio
async def test_loopback_of_others(namespace: Namespace, serve: Serve) -> None:
    """A process of another network namespace is never taken for one of ours that has the same loopback address and port."""
    other = Namespace()
    try:
        ours, theirs = serve(namespace, ["127.0.0.1:80"]), serve(other, ["127.0.0.1:80"])
        async with recording(TOLD, namespace) as taken:
            for where in (other, namespace, other):
                client = python(where, AGAIN, "127.0.0.1", "80", "7777", "1")
                await anyio.to_thread.run_sync(done, client)
            await taken.until(lambda taken: bool(taken.exchanges))
        [exchange] = taken.exchanges
        assert ours.pid != theirs.pid
        assert exchange.process_pid == ours.pid
        assert str(exchange.httpipe_client_process_pid) == exchange.url_query
    finally:
        other.remove()


CGROUPS = {
    "unified": (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")),
    "version 1": (Path("/sys/fs/cgroup/pids"),),
}
"""Where they may be mounted."""
FORMS = (
    "docker/{}",
    "system.slice/docker-{}.scope",
    "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podab12.slice/cri-containerd-{}.scope",
    "kubepods.slice/crio-{}.scope",
    "machine.slice/libpod-{}.scope/container",
    "system.slice/docker-{}.scope/init.scope",
    "system.slice/docker-{}.scope/a/b",
)


@contextmanager
def made(root: Path, name: str) -> Generator[Path, None, None]:
    """A cgroup for as long as it is used; groups above it that were not there go with it."""
    group = root / f"httpipe-test-{secrets.token_hex(4)}" / name
    group.mkdir(parents=True)
    try:
        yield group
    finally:
        while group != root:
            group.rmdir()
            group = group.parent


def in_cgroup(namespace: Namespace, group: Path, url: str) -> None:
    """A curl within it."""
    script = 'echo $$ > "$1/cgroup.procs" && exec curl -sS -o /dev/null "$2"'
    with namespace.entered():  # not by ip(8), which mounts another /sys
        subprocess.run(["sh", "-c", script, "sh", str(group), url], check=True)


@pytest.mark.anyio
@pytest.mark.parametrize("version", CGROUPS)
async def test_containers(namespace: Namespace, serve: Serve, version: str) -> None:
    """The container is told from its cgroup, as each runtime names it, though process and cgroup are gone."""
    root = next((path for path in CGROUPS[version] if (path / "cgroup.procs").exists()), None)
    if root is None:
        pytest.skip(f"no cgroups here: {version}")
    serve(namespace, ["127.0.0.1:80"])
    identifiers = {form: secrets.token_hex(32) for form in FORMS}
    async with recording(TOLD, namespace) as taken:
        for number, (form, identifier) in enumerate(identifiers.items()):
            with made(root, form.format(identifier)) as group:
                await anyio.to_thread.run_sync(in_cgroup, namespace, group, f"{URL}?{number}")
        await taken.until(lambda taken: len(taken.exchanges) >= len(FORMS))
    found = {int(each.url_query or 0): each.httpipe_client_container_id for each in taken.exchanges}
    assert [found[number] for number in range(len(FORMS))] == list(identifiers.values())
    assert {each.container_id for each in taken.exchanges} == {None}


@pytest.mark.anyio
async def test_command_lines(namespace: Namespace, serve: Serve) -> None:
    """Where asked for, command lines are told, without secrets."""
    serve(namespace, ["127.0.0.1:80"])
    config = BpfConfig(loader="libbpf", processes=True, command_lines=True)
    async with recording(config, namespace) as taken:
        command = namespace.command("curl", "-sS", "-o/dev/null", "-H", "Authorization: Bearer abc", f"{URL}?sig=abc")
        await anyio.run_process(command)
        await taken.until(lambda taken: bool(taken.exchanges))
    [exchange] = taken.exchanges
    expected = f"curl -sS -o/dev/null -H Authorization: REDACTED {URL}?sig=REDACTED"
    assert exchange.httpipe_client_process_command_line == expected
    assert (exchange.process_command_line or "").startswith("nginx -c ")


@pytest.mark.anyio
async def test_not_wanted(namespace: Namespace, serve: Serve) -> None:
    """processes = false: none is told."""
    serve(namespace, ["127.0.0.1:80"])
    async with recording(BpfConfig(loader="libbpf", processes=False), namespace) as taken:
        await anyio.to_thread.run_sync(curls, namespace, URL, range(2))
        await taken.until(lambda taken: len(taken.exchanges) >= 2)
    assert {(each.process_pid, each.httpipe_client_process_pid) for each in taken.exchanges} == {(None, None)}
    assert not taken.counts["owners"]


def test_a_ring_that_is_full(namespace: Namespace, serve: Serve) -> None:
    """An owner that the ring has no room for is counted, and told at the next bytes."""
    serve(namespace, ["127.0.0.1:80"]).file("page", MEGABYTE)
    capture = Capture(BpfConfig(loader="libbpf", processes=True, ring_bytes=1 << 18))
    with namespace.entered():
        capture.load()
    try:
        capture.attach()
        client = python(namespace, HANDED_ON, "127.0.0.1", "80", str(MEGABYTE))
        assert client.stdin is not None
        assert client.stdout is not None
        parent = int(client.stdout.readline())
        fill(capture)
        client.stdin.write("read on\n")
        client.stdin.flush()
        child = int(client.stdout.readline())
        pids = told(capture)
        assert parent in pids
        assert child not in pids
        assert dict(capture.counters.news())["owners_ring_full"] > 0
        done(client, "ask again\n")
        assert child in told(capture)
    finally:
        capture.close()


def fill(capture: Capture) -> None:
    """Not even a small record finds room in the ring any more."""
    run_on_frame(capture.program_fd, ethernet(IPV4, ipv4(tcp(REQUEST, seq=0))))
    seq = len(REQUEST)
    while not dict(capture.counters.news()).get("ring_full", 0):
        run_on_frame(capture.program_fd, ethernet(IPV4, ipv4(tcp(b"x", seq=seq))))
        seq += 1


def told(capture: Capture) -> set[int]:
    """The processes that the ring names."""
    return {record.process.pid for record in capture.rest() if isinstance(record, Owner)}


def test_told_or_not_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the kernel does not describe its structures, processes = true is an error, and "auto" says so and goes on."""
    monkeypatch.setattr("pipeline.sources.bpf.owners.BTF", tmp_path / "vmlinux")
    with pytest.raises(CaptureError, match="processes = true, but they cannot be told here: this kernel does not describe"):
        Capture(TOLD).load()
    capture = Capture(BpfConfig(loader="libbpf"))
    capture.load()
    try:
        assert "CONFIG_DEBUG_INFO_BTF" in capture.without_owners
    finally:
        capture.close()
