"""How it is run: what stays when it ends, who comes first, a flood, lists that change."""

import errno
import functools
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from gate_lists import lists
from gate_run import Running
from gate_servers import served
from gate_wire import other_program
from live_namespace import Namespace

from pipeline.errors import CaptureError
from pipeline.sources.bpf import tcx
from pipeline.sources.gate import abi, host, pins, place
from pipeline.sources.gate.gate import Sizes
from pipeline.sources.gate.place import by_links

LIVES = Path(__file__).parent


@pytest.fixture(scope="module")
def port(server_side: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Generator[int, None, None]:
    """nginx."""
    with served(server_side, tmp_path_factory.mktemp("operation"), ("nginx",)) as ports:
        yield ports["nginx"]


def status(namespace: Namespace, port: int, path: str = "/admin/x") -> str:
    """Of the answer."""
    command = namespace.command(
        "curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", f"http://10.25.0.2:{port}{path}"
    )
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def becomes(wanted: str, namespace: Namespace, port: int, path: str = "/admin/x") -> bool:
    """The kernel lets go of a link a moment after the last one who held it has."""
    until = time.monotonic() + 5
    while status(namespace, port, path) != wanted:
        if time.monotonic() > until:
            return False
    return True


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path, None, None]:
    """A BPF file system of our own, in place of /sys/fs/bpf."""
    subprocess.run(["mount", "-t", "bpf", "bpf", str(tmp_path)], check=True)
    monkeypatch.setattr(pins, "FOLDER", tmp_path / "httpipe-gate")
    yield tmp_path / "httpipe-gate"
    subprocess.run(["umount", str(tmp_path)], check=True)


def in_a_process(namespace: Namespace, *, pin: Path | None, links: bool = True) -> subprocess.Popen[str]:
    """A gate that is ready, in a process of its own."""
    program = f"""
        import sys, time
        sys.path[:0] = {sys.path!r}
        from gate_lists import lists
        from pathlib import Path
        from pipeline.sources.gate import abi, pins, place
        place.by_links = lambda: {links}
        from pipeline.sources.gate.gate import Gate
        from pipeline.sources.gate.settings import Settings
        gate = Gate()
        gate.configure(Settings(tuple(range(25000, 25100)), abi.Mode.ENFORCE))
        gate.install(gate.prepare(lists()))
        gate.attach("wire")
        if {str(pin)!r} != "None":
            pins.FOLDER = Path({str(pin)!r})
            gate.pin("httpipe-test")
        print("ready", flush=True)
        time.sleep(60)
    """
    command = ["nsenter", f"--net=/run/netns/{namespace.name}", sys.executable, "-c", textwrap.dedent(program)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    """As an out-of-memory killer does."""
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_killed_and_open(port: int, server_side: Namespace, client_side: Namespace) -> None:
    """Nothing is left."""
    process = in_a_process(server_side, pin=None)
    assert status(client_side, port) == "403"
    kill(process)
    assert becomes("200", client_side, port)
    with server_side.entered():
        assert tcx.order(tcx_index("wire"), tcx.INGRESS) == []


def tcx_index(name: str) -> int:
    """Of an interface here."""
    import socket  # noqa: PLC0415  nothing else needs it

    return socket.if_nametoindex(name)


@pytest.mark.skipif(not by_links(), reason="needs tcx")
def test_killed_and_closed(
    port: int, server_side: Namespace, client_side: Namespace, start: functools.partial[Running], kept: Path
) -> None:
    """The pinned links refuse on; the next gate takes their place; ``detach`` removes what is left."""
    process = in_a_process(server_side, pin=kept)
    try:
        kill(process)
        assert status(client_side, port) == "403"
        with server_side.entered():
            found = list(pins.status())
        assert {(each.interface, each.direction) for each in found} == {("wire", "ingress"), ("wire", "egress")}
        gate = start("wire", deny=("/other",)).gate
        gate.pin("httpipe-test")
        assert becomes("200", client_side, port)
        assert status(client_side, port, "/other") == "403"
        gate.close()
        assert status(client_side, port, "/other") == "403"
        assert pins.detach("httpipe-test") == 2
        assert becomes("200", client_side, port, "/other")
    finally:
        pins.detach("httpipe-test")


def test_killed_below_6_6(
    port: int, server_side: Namespace, client_side: Namespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Filters stay behind, and refuse on; ``status`` shows them as long as nobody holds them, ``detach`` removes them."""
    monkeypatch.setattr(pins, "by_links", lambda: False)
    process = in_a_process(server_side, pin=None, links=False)
    with server_side.entered():
        assert list(pins.status(tmp_path)) == []
    kill(process)
    assert status(client_side, port) == "403"
    with server_side.entered():
        assert [(each.gate, each.interface, each.direction) for each in pins.status(tmp_path)] == [(pins.LEFT, "wire", "ingress")]
        assert pins.detach(pins.LEFT, tmp_path) == 2
        assert list(pins.status(tmp_path)) == []
    assert becomes("200", client_side, port)


def test_without_what_it_attaches_to(monkeypatch: pytest.MonkeyPatch, start: functools.partial[Running]) -> None:
    """A kernel that was built without says so, with what to do; ``httpipe doctor``, too."""

    def fail(*_: object, **__: object) -> int:
        raise OSError(errno.ENOENT, "No such file or directory")

    for links, part, remedy in ((False, "clsact", "modprobe sch_ingress cls_bpf"), (True, "tcx", "CONFIG_NET_XGRESS")):
        monkeypatch.setattr(place, "by_links", lambda links=links: links)
        monkeypatch.setattr(getattr(place, part), "attach", fail)
        with pytest.raises(CaptureError, match="cannot attach to lo") as refused:
            start("lo")
        assert remedy in refused.value.remedy
        (point,) = host.checks()
        assert (point.ok, point.required, remedy in point.remedy) == (False, False, True)


@pytest.mark.parametrize("links", [True, False], ids=["tcx", "clsact"])
def test_doctor_tries_it(monkeypatch: pytest.MonkeyPatch, links: bool) -> None:  # noqa: FBT001  a case
    """Where nobody else is; it says how it would be attached."""
    monkeypatch.setattr(place, "by_links", lambda: links)
    monkeypatch.setattr(host, "by_links", lambda: links)
    (point,) = host.checks()
    assert point.ok, point
    assert ("tcx" if links else "clsact") in point.detail


def test_another_program(port: int, server_side: Namespace, client_side: Namespace, start: functools.partial[Running]) -> None:
    """One that was there first is asked behind ours; one that goes in front of ours is told of."""
    with other_program(server_side, "passer", tcx.INGRESS, first=True):
        gate = start("wire").gate
        assert status(client_side, port) == "403"
        with server_side.entered():
            assert list(gate.check()) == []
        with other_program(server_side, "passer", tcx.INGRESS, first=True):
            assert status(client_side, port) == "200"
            with server_side.entered():
                assert re.search(r"wire \(ingress\) does not come first", *gate.check())
                assert list(gate.check()) == []
                assert len(gate.wrong()) == 1
        with server_side.entered():
            list(gate.check())
            assert gate.wrong() == []
        assert status(client_side, port) == "403"


def test_other_lists(port: int, client_side: Namespace, start: functools.partial[Running]) -> None:
    """From one list to the next there is no moment without; what the old one held is given back."""
    running = start("wire", deny=("/admin/**", "/first"))
    gate = running.gate
    flood = subprocess.Popen(
        client_side.command("wrk", "-t1", "-c10", "-d2", "-H", "Connection: close", f"http://10.25.0.2:{port}/admin/x"),
        stdout=subprocess.PIPE,
        text=True,
    )
    for number in range(100):
        gate.install(gate.prepare(lists(("/admin/**", f"/list/{number}"))))
        time.sleep(0.01)
    told, _ = flood.communicate()
    asked = int(re.search(r"(\d+) requests in", told)[1])  # type: ignore[index]  else it fails
    refused = int(re.search(r"Non-2xx or 3xx responses: (\d+)", told)[1])  # type: ignore[index]  else it fails
    assert asked == refused > 100
    assert status(client_side, port, "/list/99") == "403"
    assert status(client_side, port, "/first") == "200"
    running.look()
    assert {each.action for each in running.decisions} == {abi.Action.REFUSED}


def test_flood(port: int, client_side: Namespace, start: functools.partial[Running]) -> None:
    """Thousands of refusals a second; the ring loses some, and the books balance."""
    running = start("wire", sizes=Sizes(ring_bytes=1 << 16))
    command = client_side.command("wrk", "-t1", "-c20", "-d3", "-H", "Connection: close", f"http://10.25.0.2:{port}/admin/x")
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    refused = int(re.search(r"Non-2xx or 3xx responses: (\d+)", told)[1])  # type: ignore[index]  else it fails
    assert "Socket errors" not in told
    assert running.balances(), running.counts
    assert running.count("ring_full") > 0
    assert 0 <= running.count("forbidden") - refused <= 40
    assert refused / 3 > 2000


def test_same_verdicts(port: int, client_side: Namespace, start: functools.partial[Running]) -> None:
    """What would be refused while only watching is what is refused then, for the same reasons."""
    paths = ("/ok", "/admin/x", "/%61dmin", "/a/../admin/y", "/%zz", "//admin", "/a;b", "/ok?x=/admin/")
    running = start("wire", report_all=True, mode=abi.Mode.MONITOR)
    found = []
    for mode in abi.Mode:
        running.gate.set_mode(mode)
        running.decisions.clear()
        answers = [status(client_side, port, path) for path in paths]
        found.append([(each.path, each.reason, each.doubts, each.entry) for each in running.look().decisions])
        assert ("403" in answers) == (mode is abi.Mode.ENFORCE)
    assert found[0] == found[1]
    assert len(found[0]) == len(paths)
