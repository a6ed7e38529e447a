"""What a capture sees and what it costs the ring; how it begins, ends and fails."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from live_namespace import Namespace, join
from live_nginx import Serve
from live_readable import readable
from live_recording import recording

import pipeline.sources.bpf.capture as capture_module
import pipeline.sources.bpf.source as source_module
from pipeline.api import CaptureError, Context, Segment
from pipeline.sources.bpf import abi
from pipeline.sources.bpf.attach import interface_names
from pipeline.sources.bpf.capture import Capture
from pipeline.sources.bpf.config import BpfConfig
from pipeline.sources.bpf.ring_libbpf import LibbpfRing
from pipeline.sources.bpf.source import BpfSource

GIBIBYTE = 1 << 30
MEBIBYTE = 1 << 20
HEAD = 16 * 1024
WAIT_SECS = 20


@pytest.mark.anyio
async def test_a_gibibyte_stays_in_the_kernel(namespace: Namespace, serve: Serve, loader: str) -> None:
    """A response of 1 GiB puts less than 1 MiB into the ring, and its size is exact."""
    server = serve(namespace, ["127.0.0.1:80"])
    server.sparse("huge", GIBIBYTE)
    async with recording(BpfConfig(loader=loader), namespace) as taken:
        await anyio.run_process(namespace.command("curl", "-sS", "-o", "/dev/null", "http://127.0.0.1/huge"))
        await taken.until(lambda taken: bool(taken.exchanges))
    [exchange] = taken.exchanges
    assert exchange.http_response_body_size == GIBIBYTE
    assert exchange.httpipe_marks == ()
    assert taken.counts["record_bytes"] < MEBIBYTE
    assert taken.counts["ring_full"] == 0


@pytest.mark.anyio
async def test_last_byte_of_a_connection_gone_quiet(namespace: Namespace, serve: Serve, loader: str) -> None:
    """A large response is complete though the connection stays open and nothing more is said on it."""
    server = serve(namespace, ["127.0.0.1:80"])
    server.file("large", MEBIBYTE)
    async with recording(BpfConfig(loader=loader), namespace) as taken:
        with namespace.entered():
            stream = await anyio.connect_tcp("127.0.0.1", 80)
        async with stream:
            await stream.send(b"GET /large HTTP/1.1\r\nHost: nginx\r\n\r\n")
            got = 0
            while got < MEBIBYTE:
                got += len(await stream.receive())
            await taken.until(lambda taken: bool(taken.exchanges))
    [exchange] = taken.exchanges
    assert exchange.http_response_body_size == MEBIBYTE
    assert exchange.httpipe_marks == ()


@pytest.mark.anyio
@pytest.mark.parametrize("pieces", [1, 7, 1024])
async def test_heads_are_whole(namespace: Namespace, loader: str, pieces: int) -> None:
    """A head of 16 KiB is copied whole, also where it comes in pieces."""
    head = b"GET / HTTP/1.1\r\nHost: h\r\nX-Long: " + b"x" * (HEAD - 40) + b"\r\n\r\n"
    size = -(-len(head) // pieces)
    async with recording(BpfConfig(loader=loader), namespace) as taken:
        with namespace.entered():
            listener = socket.create_server(("127.0.0.1", 8080))
            client = socket.create_connection(("127.0.0.1", 8080))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer, _ = listener.accept()
        with listener, client, peer:
            for at in range(0, len(head), size):
                client.sendall(head[at : at + size])
            received = b""
            while len(received) < len(head):
                received += peer.recv(65536)
            peer.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            await taken.until(lambda taken: bool(taken.exchanges))
    sent = sorted((segment.seq, segment.payload) for segment in taken.segments if segment.key[-2:] == b"\x1f\x90")
    assert b"".join(payload for _, payload in sent) == head
    assert [exchange.httpipe_marks for exchange in taken.exchanges] == [()]


@pytest.mark.anyio
async def test_bodies_where_asked_for(namespace: Namespace, serve: Serve, loader: str) -> None:
    """A pipeline that wants bodies gets as much of each as it asked for."""
    server = serve(namespace, ["127.0.0.1:80"])
    server.file("large", MEBIBYTE)
    async with recording(BpfConfig(loader=loader), namespace, body_bytes=300_000) as taken:
        await anyio.run_process(namespace.command("curl", "-sS", "-o", "/dev/null", "http://127.0.0.1/large"))
        await taken.until(lambda taken: bool(taken.exchanges))
    copied = sum(len(segment.payload) for segment in taken.segments)
    assert 300_000 <= copied <= 400_000


@pytest.mark.anyio
async def test_interfaces_that_appear_later(namespace: Namespace, serve: Serve, loader: str) -> None:
    """`any` sees an interface that was made after capturing began."""
    late = Namespace()
    try:
        async with recording(BpfConfig(loader=loader), namespace) as taken:
            join(namespace, late, [("10.9.0.1/24", "10.9.0.2/24")])
            serve(late, ["10.9.0.2:80"])
            await anyio.run_process(namespace.command("curl", "-sS", "http://10.9.0.2/small"), stdout=subprocess.DEVNULL)
            await taken.until(lambda taken: bool(taken.exchanges))
    finally:
        late.remove()
    assert [exchange.network_local_address for exchange in taken.exchanges] == ["10.9.0.2"]


@pytest.mark.anyio
async def test_a_named_interface_that_comes_back(
    namespace: Namespace, serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interface that goes is missed aloud; one of the same name is watched when it comes."""
    monkeypatch.setattr(source_module, "COUNT_SECS", 0.01)
    source = BpfSource(BpfConfig(loader="libbpf", interfaces=("wire",)), Context(id="live"))
    first, second = Namespace(), Namespace()
    addresses = [("10.9.0.1/24", "10.9.0.2/24")]
    try:
        join(namespace, first, addresses)
        serve(second, ["0.0.0.0:80"])
        with namespace.entered():
            await source.open()
            # names are looked up in the namespace of the thread
            async with anyio.create_task_group() as group:
                seen = anyio.Event()
                group.start_soon(first_payload, source, seen)
                await anyio.run_process(["ip", "link", "delete", "wire"])
                await logged(caplog, "has gone")
                join(namespace, second, addresses)
                await logged(caplog, "has come back")
                with anyio.fail_after(WAIT_SECS):
                    await anyio.run_process(["curl", "-sS", "http://10.9.0.2/small"], stdout=subprocess.DEVNULL)
                    await seen.wait()
                group.cancel_scope.cancel()
    finally:
        await source.aclose()
        first.remove()
        second.remove()


async def first_payload(source: BpfSource, seen: anyio.Event) -> None:
    """Read until some payload came."""
    async for batch in source.batches():
        if any(isinstance(record, Segment) and record.payload for record in batch.records):
            seen.set()


async def logged(caplog: pytest.LogCaptureFixture, words: str) -> None:
    """Wait for a line in the log."""
    with anyio.fail_after(WAIT_SECS):
        while words not in caplog.text:
            await anyio.lowlevel.checkpoint()


@pytest.mark.anyio
async def test_where_libbpf_reads_the_ring(namespace: Namespace, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader of other machines than x86-64 gives the same, bodies and IPv6 included."""
    monkeypatch.setattr(capture_module, "Ring", LibbpfRing)
    server = serve(namespace, ["[::1]:80"])
    server.file("large", MEBIBYTE)
    urls = [f"http://[::1]/{'large' if number % 3 else 'small'}?{number}" for number in range(23)]
    async with recording(BpfConfig(loader="libbpf"), namespace) as taken:
        await anyio.run_process(namespace.command("curl", "-sSg", *urls), stdout=subprocess.DEVNULL)
        await taken.until(lambda taken: len(taken.exchanges) >= 23)
    assert [exchange.http_response_body_size for exchange in taken.exchanges] == [line.body_bytes for line in server.logged()]
    assert {exchange.httpipe_marks for exchange in taken.exchanges} == {()}


@pytest.mark.anyio
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_end_the_command_well(namespace: Namespace, serve: Serve, tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C or SIGTERM: what was seen is written, the exit code is 0, and nothing stays attached."""
    serve(namespace, ["127.0.0.1:80"])
    output, ready, pipeline = tmp_path / "exchanges.jsonl", tmp_path / "ready", tmp_path / "pipeline.toml"
    pipeline.write_text(f'[sources.http]\ntype = "bpf"\n[sinks.file]\ntype = "file"\npath = "{output}"\ninputs = ["http"]\n')
    command = [str(Path(sys.executable).with_name("httpipe")), "run", str(pipeline), "--ready-file", str(ready)]
    before = programs()
    async with await anyio.open_process(namespace.command(*command), stdout=subprocess.DEVNULL) as process:
        with anyio.fail_after(WAIT_SECS):
            while not ready.exists():
                await anyio.lowlevel.checkpoint()
            await anyio.run_process(namespace.command("curl", "-sS", "http://127.0.0.1/small"), stdout=subprocess.DEVNULL)
            process.send_signal(number)
            assert await process.wait() == 0
    assert output.read_text().count("\n") == 1
    with anyio.fail_after(WAIT_SECS):
        while not programs() <= before:  # the kernel frees them a moment after the process
            await anyio.lowlevel.checkpoint()


@pytest.mark.anyio
async def test_several_interfaces(namespace: Namespace, neighbour: Namespace, serve: Serve) -> None:
    """Two named interfaces give the exchanges of both, and of no third."""
    serve(neighbour, ["10.9.0.2:80"])
    serve(namespace, ["127.0.0.1:80"])
    async with recording(BpfConfig(loader="libbpf", interfaces=("lo", "wire")), namespace) as taken:
        for host in ("127.0.0.1", "10.9.0.2"):
            await anyio.run_process(namespace.command("curl", "-sS", f"http://{host}/small"), stdout=subprocess.DEVNULL)
        await taken.until(lambda taken: len(taken.exchanges) == 2)
    assert [exchange.network_local_address for exchange in taken.exchanges] == ["127.0.0.1", "10.9.0.2"]


@pytest.mark.anyio
async def test_a_bridge_shows_each_exchange_once(namespace: Namespace, neighbour: Namespace, serve: Serve, loader: str) -> None:
    """`any` on a host with a bridge sees a segment on the port and on the bridge; it is told once."""
    inside = ("ip", "-n", namespace.name)
    commands = (
        "link add br0 type bridge",
        "address flush dev wire",
        "link set wire master br0",
        "address add 10.9.0.1/24 dev br0",
    )
    for command in (*commands, "link set br0 up"):
        await anyio.run_process([*inside, *command.split()])
    serve(neighbour, ["10.9.0.2:80"])
    async with recording(BpfConfig(loader=loader), namespace) as taken:
        await anyio.run_process(namespace.command("curl", "-sS", "http://10.9.0.2/small"), stdout=subprocess.DEVNULL)
        await taken.until(lambda taken: bool(taken.exchanges))
    assert len(taken.exchanges) == 1
    assert taken.counts["repeated"] >= 2
    assert len([segment for segment in taken.segments if segment.payload]) == 2


@pytest.mark.anyio
async def test_ports(namespace: Namespace, serve: Serve) -> None:
    """Only the ports of the options."""
    serve(namespace, ["127.0.0.1:80", "127.0.0.1:18080"])
    async with recording(BpfConfig(loader="libbpf", ports=(18080,)), namespace) as taken:
        for port in (80, 18080):
            url = f"http://127.0.0.1:{port}/small"
            await anyio.run_process(namespace.command("curl", "-sS", url), stdout=subprocess.DEVNULL)
        await taken.until(lambda taken: bool(taken.exchanges))
    assert [exchange.network_local_port for exchange in taken.exchanges] == [18080]


@pytest.mark.anyio
async def test_stopping_keeps_what_the_ring_holds(namespace: Namespace, serve: Serve, loader: str) -> None:
    """What was captured before the end is told, though nobody was woken for it yet."""
    serve(namespace, ["127.0.0.1:80"])
    async with recording(BpfConfig(loader=loader), namespace) as taken:
        await anyio.run_process(namespace.command("curl", "-sS", "http://127.0.0.1/small"), stdout=subprocess.DEVNULL)
    assert len(taken.exchanges) == 1
    assert taken.counts["unread_at_stop"] == 0


@pytest.mark.anyio
async def test_a_missing_interface_is_named() -> None:
    """The error names it and those that exist."""
    source = BpfSource(BpfConfig(interfaces=("eth99",)), Context(id="live"))
    with pytest.raises(CaptureError, match="eth99") as caught:
        await source.open()
    assert all(name in caught.value.remedy for name in interface_names())
    await source.aclose()


@pytest.mark.parametrize("want", [65536, 262144, abi.Want.ANY])
def test_wakes_for_a_batch_and_not_for_a_record(namespace: Namespace, loader: str, want: int) -> None:
    """The reader is woken at as many bytes as it says, or by the next record where it says so, and once only."""
    capture = Capture(BpfConfig(loader=loader, interfaces=("lo",)))
    with namespace.entered():
        capture.load()
        capture.attach()
        listener = socket.create_server(("127.0.0.1", 80))
        client = socket.create_connection(("127.0.0.1", 80))
    peer, _ = listener.accept()
    try:
        with client, listener, peer:
            capture.read()
            capture.ring.rearm()
            capture.want(want)
            sent = 0
            while not woken(capture):
                client.sendall(b"GET / HTTP/1.1\r\nX: ".ljust(1000, b"x"))
                peer.sendall(b"HTTP/1.1 200 OK\r\nX: ".ljust(1000, b"x"))
                peer.recv(65536)
                client.recv(65536)
                sent += 2000
            assert sent == 2000 if want is abi.Want.ANY else want * 0.8 < sent < want + 4000
            capture.ring.rearm()
            client.sendall(b"GET / HTTP/1.1\r\nX: ".ljust(1000, b"x"))
            assert not woken(capture)
    finally:
        capture.close()


def woken(capture: Capture) -> bool:
    """Whether the kernel has woken us; the wake-up passes through an interrupt, which may take a moment."""
    return bool(select.select([capture.ring.fileno()], [], [], 0.02)[0])


NOBODY = ("--reuid", "65534", "--clear-groups")


def limited(given: str, code: str) -> subprocess.CompletedProcess[str]:
    """Python code as nobody, with these capabilities and no others."""
    limits = [f"--{kind}={given}" for kind in ("bounding-set", "inh-caps", "ambient-caps")]
    command = readable(["setpriv", *NOBODY, *limits, sys.executable, "-c", code])
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_SECS)


OPEN = """
import anyio
import anyio.lowlevel
import pipeline.sources.bpf.capture as capture_module
import pipeline.sources.bpf.source as source_module
from pipeline.api import CaptureError, Context, Segment
from pipeline.sources.bpf.source import BpfSource
from pipeline.sources.bpf.config import BpfConfig
from pipeline.sources.bpf.ring_libbpf import LibbpfRing
async def main():
    source = BpfSource(BpfConfig(loader="libbpf", interfaces=("lo",)), Context(id="live"))
    try:
        await source.open()
    except CaptureError as error:
        print("denied" if error.denied else "failed", error)
    else:
        print("capturing")
    await source.aclose()
anyio.run(main)
"""


def test_two_capabilities_are_enough() -> None:
    """Without root's powers, cap_net_raw and cap_bpf are all it takes."""
    assert limited("-all,+net_raw,+bpf", OPEN).stdout == "capturing\n"


@pytest.mark.parametrize("given", ["-all", "-all,+net_raw", "-all,+bpf"])
def test_a_missing_capability_is_named(given: str) -> None:
    """One of them missing: the error says what to do."""
    done = limited(given, OPEN)
    assert done.stdout.startswith("denied")
    assert "cap_net_raw and cap_bpf" in done.stdout


KEPT = """
import pathlib, pwd, subprocess
from pipeline.runtime.process import privileges
privileges.drop(pwd.getpwnam("nobody"), frozenset({39}))
for status in (pathlib.Path("/proc/self/status").read_text(), subprocess.check_output(["cat", "/proc/self/status"], text=True)):
    fields = dict(line.split(":", 1) for line in status.splitlines())
    print(*(int(fields[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")), *fields["Uid"].split())
"""


def test_a_capability_that_is_kept() -> None:
    """It alone stays when root becomes another user, and no program that is started has it."""
    done = subprocess.run(readable([sys.executable, "-c", KEPT]), capture_output=True, text=True, check=False, timeout=WAIT_SECS)
    nobody = "65534 65534 65534 65534"
    assert done.stdout.splitlines() == [f"{1 << 39} {1 << 39} 0 0 {nobody}", f"0 0 0 0 {nobody}"], done.stderr


def test_without_sysfs() -> None:
    """A container that has no /sys captures, as the doctor says; its counters are read."""
    covered = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys && exec "$@"', "sh"]
    done = subprocess.run([*covered, sys.executable, "-c", OPEN], capture_output=True, text=True, check=False, timeout=WAIT_SECS)
    assert done.stdout == "capturing\n", done.stderr
    doctor = [*covered, str(Path(sys.executable).with_name("httpipe")), "doctor"]
    told = subprocess.run(doctor, capture_output=True, text=True, check=False, timeout=WAIT_SECS)
    assert "This host can capture." in told.stdout, told.stdout + told.stderr


def test_a_crash_leaves_nothing_attached(namespace: Namespace, tmp_path: Path) -> None:
    """kill -9 detaches: no socket and no program of ours stays behind."""
    script = tmp_path / "capture.py"
    script.write_text(OPEN.replace('print("capturing")', 'print("capturing", flush=True); await anyio.sleep_forever()'))
    before = programs()
    with subprocess.Popen(namespace.command(sys.executable, str(script)), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "capturing\n"
            assert programs() - before, "of those before some may still have been on their way out"
        finally:
            process.kill()
    deadline = time.monotonic() + WAIT_SECS
    while programs() - before and time.monotonic() < deadline:
        os.sched_yield()  # the kernel lets go of programs after a grace period
    assert programs() <= before


def programs() -> set[str]:
    """Ids of the programs of our name that are loaded."""
    done = subprocess.run(["bpftool", "prog", "show", "name", "http_trace"], capture_output=True, text=True, check=False)
    return {line.split(":")[0] for line in done.stdout.splitlines() if "http_trace" in line}
