"""The firewall as a user runs it: its file, its lists, reloads under load, what stays when it ends, and what it says."""

import http.client
import json
import os
import pwd
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from gate_command import Firewall, Host, hosted
from gate_wire import other_program
from live_namespace import Namespace, ip
from live_nginx import Nginx

from pipeline.sources.bpf import tcx

SERVER = "10.25.0.2"
OPTIONS = 'mode = "{mode}"\ninterfaces = ["wire", "lo"]\nports = [80]\n'
DENIED, ALLOWED = "/small/denied", "/small"

Begin = Callable[..., Firewall]


@pytest.fixture(scope="module")
def nginx(
    server_side: Namespace, client_side: Namespace, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Nginx, None, None]:
    """The server behind the firewall."""
    assert client_side
    made = Nginx(tmp_path_factory.mktemp("nginx"), server_side, [f"{SERVER}:80", "127.0.0.1:80"])
    yield made
    made.stop()


@pytest.fixture
def host(server_side: Namespace) -> Generator[Host, None, None]:
    """Where httpipe runs."""
    with hosted(server_side) as made:
        yield made


@pytest.fixture
def begin(host: Host, nginx: Nginx, tmp_path: Path) -> Generator[Begin, None, None]:
    """``begin(options)`` runs a firewall, ended with the test."""
    assert nginx
    with ExitStack() as stack:

        def begun(options: str, rest: str = "", name: str = "one") -> Firewall:
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            firewall = Firewall(host, folder, options, rest)
            stack.callback(lambda: firewall.process.poll() is None and firewall.end(signal.SIGKILL))
            return firewall

        yield begun


def status(namespace: Namespace, path: str) -> int | str:
    """What a client of its own gets."""
    with namespace.entered():
        connection = http.client.HTTPConnection(SERVER, 80, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except ConnectionResetError:
            return "reset"
        finally:
            connection.close()


def becomes(namespace: Namespace, path: str, wanted: int) -> bool:
    """Whether that is what a client gets soon: the kernel lets go of a program when nobody is in it any more."""
    deadline = time.monotonic() + 5
    while (got := status(namespace, path)) != wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    return got == wanted


@contextmanager
def load(namespace: Namespace, *paths: str) -> Generator[dict[str, Counter[int | str]], None, None]:
    """A client for each path, which asks without a pause; those that are allowed on one connection that is kept."""
    got: dict[str, Counter[int | str]] = {path: Counter() for path in paths}
    goes_on = threading.Event()
    goes_on.set()

    def ask(path: str) -> None:
        while goes_on.is_set():
            got[path][status(namespace, path)] += 1

    def ask_on_one() -> None:
        with namespace.entered():
            kept = http.client.HTTPConnection(SERVER, 80, timeout=5)
            kept.connect()
            kept.auto_open = False  # a connection that is broken is not made again
            while goes_on.is_set():
                try:
                    kept.request("GET", ALLOWED)
                    answer = kept.getresponse()
                    answer.read()
                    kept_statuses[answer.status] += 1
                except (OSError, http.client.HTTPException) as error:
                    kept_statuses[type(error).__name__] += 1
                    return
            kept.close()

    kept_statuses = got["kept"] = Counter()
    threads = [threading.Thread(target=ask, args=(path,)) for path in paths] + [threading.Thread(target=ask_on_one)]
    for thread in threads:
        thread.start()
    try:
        yield got
    finally:
        goes_on.clear()
        for thread in threads:
            thread.join()


def test_monitor_then_enforce_then_other_options_without_a_gap(
    begin: Begin, client_side: Namespace, nginx: Nginx, tmp_path: Path
) -> None:
    """From the reload on not one denied request passes, through three more reloads and two new lists; no connection breaks."""
    denied = tmp_path / "denied"
    denied.write_text(f"{DENIED}\n")
    lists = f'deny.file = "{denied}"\n'
    firewall = begin(OPTIONS.format(mode="monitor") + lists)
    assert status(client_side, DENIED) == 200
    assert firewall.reload(OPTIONS.format(mode="enforce") + lists).returncode == 0
    firewall.until(lambda: status(client_side, DENIED) == 403)
    served = len([each for each in nginx.logged() if each.target == DENIED])
    with load(client_side, DENIED, ALLOWED) as got:
        for body in ("one", "two", "three"):
            assert firewall.reload(OPTIONS.format(mode="enforce") + lists + f'body = "{body}"\n').returncode == 0
        for number in (1, 2):
            denied.write_text(f"{DENIED}\n/other{number}\n")
            firewall.until(lambda number=number: firewall.said().count("the lists were read again") == number)  # type: ignore[misc]
            assert status(client_side, f"/other{number}") == 403
    assert set(got[DENIED]) == {403}
    assert set(got[ALLOWED]) == {200}
    assert set(got["kept"]) == {200}
    assert min(each.total() for each in got.values()) > 100
    assert len([each for each in nginx.logged() if each.target == DENIED]) == served
    firewall.end(signal.SIGTERM)
    events = [json.loads(line) for line in firewall.events.read_text().splitlines()]
    actions = Counter(event["httpipe.firewall.action"] for event in events if event["url.path"] == DENIED)
    assert actions["would_refuse"] >= 1
    assert actions["refused"] == got[DENIED][403] + 1
    told = events[-1]
    assert (told["httpipe.firewall.answer"], told["http.request.method"], told["network.interface.name"]) == (
        "403",
        "GET",
        "wire",
    )
    assert (told["httpipe.firewall.reason"], told["httpipe.firewall.mode"]) == ("denied", "enforce")
    assert {event["httpipe.firewall.entry"] for event in events if event["url.path"] == DENIED} == {DENIED}


def test_a_broken_list_keeps_the_old_one_and_says_so(begin: Begin, client_side: Namespace, tmp_path: Path) -> None:
    """Line and fault in the log; a reload with it is refused, too; when it is mended it holds."""
    denied = tmp_path / "denied"
    denied.write_text(f"{DENIED}\n")
    options = OPTIONS.format(mode="enforce") + f'deny.file = "{denied}"\n'
    firewall = begin(options)
    denied.write_text("/new\na*b.example\n")
    firewall.until(lambda: "the lists cannot be used; the last good ones stay" in firewall.said())
    assert f'{denied}:2: \\"a*b.example\\" is not an entry' in firewall.said()
    assert (status(client_side, DENIED), status(client_side, "/new")) == (403, 404)
    refused = firewall.reload(options + 'answer = "reset"\n')
    assert (refused.returncode, f"{denied}:2:" in refused.stderr) == (78, True)
    assert status(client_side, DENIED) == 403
    denied.write_text("/new\n")
    firewall.until(lambda: "the lists were read again" in firewall.said())
    assert (status(client_side, DENIED), status(client_side, "/new")) == (200, 403)
    denied.unlink()
    firewall.until(lambda: firewall.said().count("the last good ones stay") == 2)
    assert status(client_side, "/new") == 403


@pytest.mark.slow
def test_a_hundred_thousand_entries(begin: Begin, client_side: Namespace, tmp_path: Path) -> None:
    """First and last hold, and after a change too, while requests go on."""
    denied = tmp_path / "denied"
    kinds = ("/exact/{}", "/prefix{}/**", "h{}.example", "*.s{}.example", "POST /m/{}")
    lines = [kind.format(number) for number in range(20_000) for kind in kinds]
    denied.write_text("\n".join(lines))
    firewall = begin(OPTIONS.format(mode="enforce") + f'deny.file = "{denied}"\n')
    assert [status(client_side, path) for path in ("/exact/0", "/exact/19999", "/prefix19999/x", "/exact/20000")] == [
        403,
        403,
        403,
        404,
    ]
    with load(client_side, "/exact/0", ALLOWED) as got:
        denied.write_text("\n".join([*lines, "/exact/20000"]))
        firewall.until(lambda: "the lists were read again" in firewall.said())
    assert status(client_side, "/exact/20000") == 403
    assert (set(got["/exact/0"]), set(got[ALLOWED]), set(got["kept"])) == ({403}, {200}, {200})


def test_what_stays_when_it_is_killed(begin: Begin, host: Host, client_side: Namespace) -> None:
    """Closed: the firewall, which `gate status` shows, the next run replaces without a gap, `gate detach` ends. Open: nothing."""
    enforced = OPTIONS.format(mode="enforce") + f'deny.entries = ["{DENIED}"]\n'
    begin(enforced + 'on_exit = "closed"\n').end(signal.SIGKILL)
    assert status(client_side, DENIED) == 403
    shown = host.httpipe("gate", "status").stdout.splitlines()
    assert [line.split()[:3] for line in shown] == [["gate", "lo", "ingress"], ["gate", "wire", "ingress"]]
    assert all(line.endswith("comes first") for line in shown)
    with load(client_side, DENIED) as got:
        begin(enforced + 'on_exit = "closed"\n').end(signal.SIGTERM)
    assert set(got[DENIED]) == {403}
    begin(enforced).end(signal.SIGKILL)  # what was kept goes when another takes its place
    assert becomes(client_side, DENIED, 200)
    assert host.httpipe("gate", "status").stdout.startswith("No firewall is kept")
    begin(enforced + 'on_exit = "closed"\n').end(signal.SIGKILL)
    assert host.httpipe("gate", "detach", "gat").stderr == 'httpipe: no firewall "gat" is kept; did you mean "gate"?\n'
    assert host.httpipe("gate", "detach", "gate").stdout == "Detached gate.\n"
    assert becomes(client_side, DENIED, 200)


def test_two_firewalls_at_one_interface(begin: Begin, host: Host, client_side: Namespace, tmp_path: Path) -> None:
    """The second one is refused, and told which process the first one is; in one file, `validate` names both."""
    options = OPTIONS.format(mode="enforce") + f'deny.entries = ["{DENIED}"]\n'
    first = begin(options)
    file = first.file
    done = host.httpipe("run", str(file), "--for", "5s")
    assert done.returncode != 0
    assert f"the firewall of another httpipe, process {first.process.pid}, stands on" in done.stderr
    assert status(client_side, DENIED) == 403
    both = tmp_path / "both.toml"
    both.write_text(file.read_text() + '[sources.other]\ntype = "firewall"\n' + options)
    done = host.httpipe("validate", str(both))
    assert done.returncode == 78
    assert "a firewall on wire (ingress) is [sources.gate] already: only one can be there" in done.stdout + done.stderr


def test_health_fails_while_another_program_comes_first(
    begin: Begin, host: Host, server_side: Namespace, client_side: Namespace
) -> None:
    """503 with the interface, and `gate status` says which; 200 again when it has gone."""
    address = "127.0.0.1:9597"
    options = OPTIONS.format(mode="enforce") + f'deny.entries = ["{DENIED}"]\n'
    first = begin(options, f'[telemetry]\nmetrics_address = "{address}"\n')
    assert host.curl(f"http://{address}/health") == "ok\n 200"
    with other_program(server_side, "looker", tcx.INGRESS, first=True):
        first.until(lambda: "503" in host.curl(f"http://{address}/health"))
        assert "the firewall on wire (ingress) does not come first" in host.curl(f"http://{address}/ready")
        assert status(client_side, DENIED) == 403
    first.until(lambda: host.curl(f"http://{address}/health") == "ok\n 200")
    assert status(client_side, DENIED) == 403


def test_an_interface_that_comes_back(begin: Begin, host: Host, server_side: Namespace, client_side: Namespace) -> None:
    """Health says that it has gone; when it is there again it has the firewall again, and is kept with the others."""
    address = "127.0.0.1:9598"
    ip("-n", server_side.name, "link", "add", "other", "type", "veth", "peer", "name", "end")
    options = f'mode = "enforce"\ninterfaces = ["wire", "other"]\nports = [80]\ndeny.entries = ["{DENIED}"]\non_exit = "closed"\n'
    try:
        firewall = begin(options, f'[telemetry]\nmetrics_address = "{address}"\n')
        ip("-n", server_side.name, "link", "delete", "other")
        firewall.until(lambda: "the firewall on other (ingress) has no interface" in host.curl(f"http://{address}/health"))
        ip("-n", server_side.name, "link", "add", "other", "type", "veth", "peer", "name", "end")
        firewall.until(lambda: host.curl(f"http://{address}/health") == "ok\n 200")
        firewall.end(signal.SIGKILL)
        shown = [line.split()[:3] for line in host.httpipe("gate", "status").stdout.splitlines()]
        assert shown == [["gate", "other", "ingress"], ["gate", "wire", "ingress"]]
        assert status(client_side, DENIED) == 403
    finally:
        host.httpipe("gate", "detach", "gate")
        ip("-n", server_side.name, "link", "delete", "other")
    assert becomes(client_side, DENIED, 200)


def test_a_reload_may_move_it(begin: Begin, client_side: Namespace) -> None:
    """To fewer interfaces and back; one that is not there refuses the reload, and nothing has changed."""
    lists = f'deny.entries = ["{DENIED}"]\nports = [80]\nmode = "enforce"\n'
    firewall = begin(lists + 'interfaces = ["wire"]\n')
    assert firewall.reload(lists + 'interfaces = ["lo"]\n').returncode == 0
    firewall.until(lambda: status(client_side, DENIED) == 200)
    assert firewall.reload(lists + 'interfaces = ["lo", "wire"]\n').returncode == 0
    firewall.until(lambda: status(client_side, DENIED) == 403)
    refused = firewall.reload(lists + 'interfaces = ["wire", "eth7"]\n')
    assert refused.returncode != 0
    assert "eth7" in refused.stderr
    assert status(client_side, DENIED) == 403
    refused = firewall.reload(lists + 'interfaces = ["wire"]\nkernel_connections = 1000\n')
    assert "cannot change while the firewall runs; restart httpipe" in refused.stderr
    time.sleep(1.1)  # its every-second look
    assert status(client_side, DENIED) == 403


def test_a_user_without_privileges_goes_on_with_it(host: Host, nginx: Nginx, client_side: Namespace) -> None:
    """With cap_bpf and cap_net_admin alone: from monitor to enforce, another list, fewer interfaces and again more."""
    assert nginx
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
        denied = folder / "denied"
        denied.write_text(f"{DENIED}\n")
        lists = f'deny.file = "{denied}"\nports = [80]\n'
        firewall = Firewall(host, folder, lists + 'interfaces = ["lo", "wire"]\n', user="nobody")
        try:
            assert "CapEff:\t0000008000001000" in Path(f"/proc/{firewall.process.pid}/status").read_text()
            assert status(client_side, DENIED) == 200
            assert firewall.reload(lists + 'interfaces = ["lo"]\nmode = "enforce"\n').returncode == 0
            assert firewall.reload(lists + 'interfaces = ["lo", "wire"]\nmode = "enforce"\n').returncode == 0
            firewall.until(lambda: status(client_side, DENIED) == 403)
            denied.write_text("/new\n")
            firewall.until(lambda: status(client_side, "/new") == 403)
            assert status(client_side, DENIED) == 200
        finally:
            firewall.end(signal.SIGTERM)
    assert becomes(client_side, "/new", 404)


def test_clients_of_this_host_may_only_ask_for_what_is_allowed(nginx: Nginx, client_side: Namespace, tmp_path: Path) -> None:
    """Egress, with a list of what is allowed: by host, path and method."""
    assert nginx
    options = 'mode = "enforce"\ndirection = "egress"\ninterfaces = ["wire"]\nports = [80]\n'
    options += f'allow.entries = ["GET {SERVER}{ALLOWED}"]\n'
    with hosted(client_side) as host:
        firewall = Firewall(host, tmp_path, options)
        try:
            assert [status(client_side, path) for path in (ALLOWED, DENIED)] == [200, 403]
        finally:
            firewall.end(signal.SIGTERM)
    (event,) = [json.loads(line) for line in firewall.events.read_text().splitlines()]
    assert (event["httpipe.firewall.reason"], event["httpipe.firewall.direction"]) == ("not_allowed", "egress")
    assert (event["server.address"], event["url.path"]) == (SERVER, DENIED)
