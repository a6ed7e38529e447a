"""What is tried on every kernel of the matrix, from inside. ``tests/kernels/test_kernels.py`` reports each on its own."""

import json
import platform
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Traffic
from inside_gate import attached, gated, status
from inside_httpipe import WAIT_SECS, Httpipe, seen, until
from inside_loaded import OURS, programs, sockets
from inside_network import GRE, TUN, VETH4, VETH6, VLAN, Network
from inside_tls import LARGE, tls_nginx
from inside_verifier import measure
from inside_workload import REQUESTS, fetch
from live_nginx import Nginx

from pipeline.errors import CaptureError
from pipeline.sources.bpf import kernel, owners, program
from pipeline.sources.gate.abi import Reason
from pipeline.sources.gate.gate import OLDEST_KERNEL, Gate
from pipeline.sources.tls import program as tls

RESULTS = Path("/tmp/results")  # noqa: S108  the machine is ours
TENTH_OF_THE_LIMIT = 100_000
"""The verifier gives up at a million instructions."""

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
TWO_CAPABILITIES = ("--bounding-set=-all,+net_raw,+bpf", "--inh-caps=-all,+net_raw,+bpf", "--ambient-caps=-all,+net_raw,+bpf")

Run = Callable[..., Httpipe]


def test_doctor() -> None:
    """It says that this host can capture, and what is true of this kernel."""
    done = subprocess.run(["httpipe", "doctor", "--json"], capture_output=True, text=True, check=False)
    points = {point["name"]: point for point in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(point["ok"] for point in points.values() if point["required"])
    assert platform.release() in points["kernel"]["detail"]
    assert points["program loads"]["detail"] == "by libbpf"
    old = kernel.release() < (5, 11)
    assert points["locked memory"]["detail"] == ("unlimited, or can be raised" if old else "does not count since Linux 5.11")
    assert points["processes"]["ok"] == owners.BTF.exists(), points["processes"]
    assert ("cap_bpf" in points["reading maps"]["detail"]) == (kernel.release() < (5, 19))


def test_verifier() -> None:
    """The verifier walks through far fewer instructions than it allows; ``make bench`` prints how many, and how long it took."""
    processed, took_ms = measure()
    assert processed < TENTH_OF_THE_LIMIT
    assert measure(name=program.FRAMES)[0] < TENTH_OF_THE_LIMIT
    (RESULTS / "verifier").write_text(f"{platform.release()} {processed} {took_ms:.0f}\n")
    if owners.BTF.exists():
        assert measure(owners.OBJECT, "who_sends", ())[0] < TENTH_OF_THE_LIMIT


def test_loopback(traffic: Traffic) -> None:
    """23 requests over one connection, by IPv4 and by IPv6, are 23 exchanges each."""
    for word in ("loopback4", "loopback6"):
        traffic.assert_same(word)
        assert traffic.connections(word) == 1


def test_one_connection_each(traffic: Traffic) -> None:
    """Without keep-alive too."""
    traffic.assert_same("closing")
    assert traffic.connections("closing") == REQUESTS


def test_pipelining(traffic: Traffic) -> None:
    """Sent at once, answered in order."""
    traffic.assert_same("pipelined")


def test_large_answers(traffic: Traffic) -> None:
    """Bodies of 1 MB have their exact size, here and over the wire."""
    traffic.assert_same("large", 3)
    traffic.assert_same("far", 3)


def test_frames(traffic: Traffic) -> None:
    """HTTP/2, here and over the wire: the same, and what is in the frames is left out."""
    traffic.assert_same("frames", 3)
    traffic.assert_same("framesfar", 3)
    assert not traffic.httpipe.counted("frames_lost")


def test_split_heads(traffic: Traffic) -> None:
    """A head may be cut anywhere."""
    traffic.assert_same("split")


def test_veth(traffic: Traffic) -> None:
    """Between two network namespaces, by IPv4 and by IPv6."""
    traffic.assert_same("veth4")
    traffic.assert_same("veth6")


def test_vlan(traffic: Traffic) -> None:
    """Through a VLAN device, whose packets `any` sees twice."""
    traffic.assert_same("vlan")


def test_gre(traffic: Traffic) -> None:
    """Through a GRE device; what it wraps them in is counted as a tunnel's."""
    traffic.assert_same("gre")
    assert traffic.httpipe.counted("tunnelled") > 0


def test_tun(traffic: Traffic) -> None:
    """Through a device without a link header."""
    traffic.assert_same("tun")


def test_processes(traffic: Traffic, servers: list[Nginx]) -> None:
    """Each exchange has the processes at its ends, also those that are gone; none where the kernel does not describe itself."""
    told = [
        (each.get("process.pid"), each.get("process.executable.path"), each.get("httpipe.client.process.executable.name"))
        for each in traffic.of("closing") + traffic.of("veth4")
    ]
    expected = [(server.pid, "/usr/sbin/nginx", "curl") for server in servers for _ in range(REQUESTS)]
    assert told == (expected if owners.BTF.exists() else [(None, None, None)] * len(expected)), traffic.httpipe.log


def test_nothing_is_lost(traffic: Traffic) -> None:
    """Every exchange is there, and no counter of a loss has moved."""
    assert traffic.complete, traffic.httpipe.log
    losses = ("ring_full", "nested", "copy_failed", "segment_cut", "table_full", "waiting_full", "shed_requests")
    assert {name: traffic.httpipe.counted(name) for name in losses} == dict.fromkeys(losses, 0)


def test_sigterm(traffic: Traffic) -> None:
    """It ends a run well."""
    assert traffic.code == 0, traffic.httpipe.log
    assert "Traceback" not in traffic.httpipe.log


def test_nothing_stays(traffic: Traffic, network: Network) -> None:
    """While it ran there were a program, its maps and a socket; afterwards there is nothing."""
    assert set(traffic.loaded) == set(OURS)
    assert traffic.sockets == 1
    assert until(lambda: not programs())
    assert sockets(network.near) == 0


def captured(httpipe: Httpipe, network: Network, servers: list[Nginx], word: str, before: int) -> None:
    """23 small answers and a large one that nothing follows are all reported, and SIGTERM ends it well."""
    assert httpipe.started, httpipe.log
    fetch(network.near, "http://127.0.0.1/small", word)
    fetch(network.near, "http://127.0.0.1/large", word, count=1)
    assert httpipe.has(REQUESTS + 1), httpipe.log
    code, log = httpipe.stop(), httpipe.log
    assert code == 0, log
    logged = [tuple(line) for line in servers[0].logged()[before:]]
    assert [seen(exchange) for exchange in httpipe.exchanges()] == logged, log
    assert httpipe.counted("packets") > 0, log
    assert "Traceback" not in log


def test_user_nobody_with_two_capabilities(run: Run, network: Network, servers: list[Nginx]) -> None:
    """cap_net_raw and cap_bpf are all it takes, where locked memory suffices."""
    before = len(servers[0].logged())
    httpipe = run("prlimit", "--memlock=unlimited", *NOBODY, *TWO_CAPABILITIES)
    captured(httpipe, network, servers, "nobody", before)
    assert "processes are not told: " in httpipe.log


def test_at_sockets(run: Run, network: Network, servers: list[Nginx]) -> None:
    """On the root cgroup it sees the loopback of another network namespace, and counts once what two sockets show."""
    before = len(servers[1].logged())
    httpipe = run(options='at = "sockets"\nports = [80]\n')
    assert httpipe.started, httpipe.log
    for namespace in (network.far, network.near):
        fetch(namespace, f"http://{VETH4}/small", "sockets")
    assert httpipe.has(2 * REQUESTS), httpipe.log
    assert httpipe.stop() == 0, httpipe.log
    assert [seen(exchange) for exchange in httpipe.exchanges()] == [tuple(line) for line in servers[1].logged()[before:]]
    assert httpipe.counted("repeated") >= 2 * REQUESTS


LOAD = """
from pipeline.api import CaptureError
from pipeline.sources.bpf import libbpf_loader, program
try:
    libbpf_loader.load(program.Sizes(ring_bytes=1 << 18, max_connections=64)).close()
except CaptureError as error:
    print("denied" if error.denied else "failed", error)
else:
    print("loaded")
"""


def test_locked_memory() -> None:
    """Where it counts, too little is told with the remedy; later kernels do not look at it."""
    command = ["prlimit", f"--memlock={64 << 10}", *NOBODY, *TWO_CAPABILITIES, "python3", "-c", LOAD]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_SECS)
    if kernel.release() >= (5, 11):
        assert done.stdout == "loaded\n", done.stdout + done.stderr
    else:
        assert done.stdout.startswith("denied"), done.stdout + done.stderr
        assert "64 KiB of locked memory (RLIMIT_MEMLOCK) are too few" in done.stdout
        assert "LimitMEMLOCK=infinity" in done.stdout


def test_privileges_are_dropped(run: Run, network: Network, servers: list[Nginx]) -> None:
    """After the start it is nobody, with no capability but the one that reading maps takes on this kernel."""
    before = len(servers[0].logged())
    httpipe = run(process='[process]\nuser = "nobody"\n')
    assert httpipe.started, httpipe.log
    status = Path(f"/proc/{httpipe.process.pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert set(fields["Uid"].split()) == {"65534"}
    kept = 1 << 39 if kernel.maps_need_cap_bpf() else 0
    assert (int(fields["CapEff"], 16), int(fields["CapPrm"], 16)) == (kept, kept)
    captured(httpipe, network, servers, "dropped", before)


def test_shedding_under_a_full_ring(run: Run, network: Network, servers: list[Nginx]) -> None:
    """A reader that stands still costs whole connections: each exchange is reported whole, or its request is counted."""
    before = len(servers[0].logged())
    httpipe = run(options='interfaces = ["lo"]\nring_bytes = 262144\n')
    assert httpipe.started, httpipe.log
    httpipe.process.send_signal(signal.SIGSTOP)
    for number in range(6):
        fetch(network.near, "http://127.0.0.1/small", f"shed{number}", "-Z", "--parallel-max", "20", count=150)
    httpipe.process.send_signal(signal.SIGCONT)
    assert httpipe.stop() == 0, httpipe.log
    exchanges, logged = httpipe.exchanges(), len(servers[0].logged()) - before
    assert {(each["http.response.status_code"], tuple(each.get("httpipe.marks", ()))) for each in exchanges} == {(200, ())}
    assert len(exchanges) + httpipe.counted("shed_requests") == logged == 900, httpipe.log
    assert httpipe.counted("shed_connections") > 0 == httpipe.counted("ring_full")


def test_https_by_probes(run: Run, network: Network, tmp_path: Path) -> None:
    """23 requests over TLS are 23 exchanges of each end, with the addresses of their sockets; too old a kernel is named."""
    httpipe = run(kind="tls", options='executables = ["nginx", "curl"]')
    if kernel.release() < tls.OLDEST_KERNEL:
        assert httpipe.process.wait(WAIT_SECS) == 69
        assert "the BPF program tls needs Linux 5.15 or later, and this is Linux" in httpipe.log
        return
    assert httpipe.started, httpipe.log
    with tls_nginx(tmp_path / "nginx", network.near):
        assert httpipe.says("capturing openssl"), httpipe.log  # what is asked before is half seen
        fetch(network.near, "https://127.0.0.1/small", "tls", "-k", "--http1.1")
        assert httpipe.has(2 * REQUESTS), httpipe.log
        assert httpipe.stop() == 0, httpipe.log
    exchanges = httpipe.exchanges()
    assert [exchange.get("httpipe.marks") for exchange in exchanges] == [None] * 2 * REQUESTS, httpipe.log
    assert len({(exchange["client.port"], exchange["network.local.port"]) for exchange in exchanges}) == 1, httpipe.log
    ends = sorted((exchange["process.executable.name"], exchange["url.query"]) for exchange in exchanges)
    assert ends == [(name, f"tls-{number}") for name in ("curl", "nginx") for number in sorted(map(str, range(REQUESTS)))]
    assert "Traceback" not in httpipe.log


def encrypted(network: Network) -> int:
    """Connections that the kernel has encrypted so far."""
    command = network.near.command("cat", "/proc/net/tls_stat")
    counted = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return int(counted[counted.index("TlsTxSw") + 1])


def test_tls_in_the_kernel(run: Run, network: Network, tmp_path: Path) -> None:
    """Files that SSL_sendfile hands to the kernel are in no buffer of the program: their size is right, and what follows them."""
    if kernel.release() < tls.OLDEST_KERNEL:
        return
    httpipe = run(kind="tls", options='executables = ["nginx"]\n')
    assert httpipe.started, httpipe.log
    before = encrypted(network)
    with tls_nginx(tmp_path / "nginx", network.near):
        assert httpipe.says("capturing openssl"), httpipe.log
        urls = [f"https://127.0.0.1/{name}" for name in ("large?1", "small?2", "large?3", "large?4", "small?5")]
        command = network.near.command("curl", "-sSk", "--http1.1", *urls)
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=WAIT_SECS)
        assert encrypted(network) == before + 1
        assert httpipe.has(len(urls)), httpipe.log
        assert httpipe.stop() == 0, httpipe.log
    told = [(each["url.query"], each["http.response.body.size"], each.get("httpipe.marks")) for each in httpipe.exchanges()]
    sizes = (LARGE, len("hello"), LARGE, LARGE, len("hello"))
    assert told == [(str(number), size, None) for number, size in enumerate(sizes, 1)], httpipe.log


def test_firewall(network: Network, servers: list[Nginx]) -> None:
    """A denied path gets 403 by every kind of device, and the server never hears of it; too old a kernel is named."""
    if kernel.release() < OLDEST_KERNEL:
        with pytest.raises(CaptureError, match=r"needs Linux 6\.1 or later") as refused:
            Gate()
        assert refused.value.remedy.startswith("run a newer kernel")
        return
    before = len(servers[1].logged())
    hosts = (VETH4, VETH6, VLAN, GRE, TUN)
    interfaces = ("wire", "tunnel", "tun")
    with gated(network.far, interfaces, ("/denied/**", "/*/hidden")) as gate:
        assert [status(network.near, f"http://{host}/denied/x") for host in hosts] == ["403"] * len(hosts)
        assert [status(network.near, f"http://{host}/a/hidden") for host in hosts] == ["403"] * len(hosts)
        assert [status(network.near, f"http://{host}/small?firewall") for host in hosts] == ["200"] * len(hosts)
        with network.far.entered():
            assert list(gate.check()) == []
        decisions = gate.drain()
        assert {each.reason for each in decisions} == {Reason.LISTED}
        assert {each.vlan for each in decisions} == {0, 7}
        assert attached(network.far, interfaces) == 6
    assert attached(network.far, interfaces) == 0
    assert {line.target for line in servers[1].logged()[before:]} == {"/small?firewall"}
    assert status(network.near, f"http://{VETH4}/denied/x") == "404"


@pytest.mark.skipif(not Path(f"/usr/src/linux-headers-{platform.release()}").exists(), reason="headers are those of 6.1")
def test_bcc(run: Run, network: Network, servers: list[Nginx]) -> None:
    """bcc compiles the program with this kernel's headers, and it captures the same."""
    before = len(servers[0].logged())
    httpipe = run(options='interfaces = ["lo"]\nloader = "bcc"\n')
    captured(httpipe, network, servers, "bcc", before)
    assert "loaded by bcc" in httpipe.log
