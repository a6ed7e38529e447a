"""The sink `syslog` and rsyslog, which says what it received and parsed."""

import json
import re
import shutil
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from socket import AF_UNIX, socket
from typing import Any

import pytest

from pipeline.api import Context, Event, NotConnected
from pipeline.sinks.syslog.sink import SyslogSink, SyslogSinkConfig
from pipeline.testing.contract import ordinary_events
from pipeline.testing.sink_contract import sink_contract
from tests.sending import COUNT, all_sent, sending, written
from tests.syslog_server import SyslogServer
from tests.unit.sinks.test_http_sink import certificate
from tests.web_receiver import Receivers

EVENTS = ordinary_events(0, 20)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SyslogServer]:
    """One of this test's own."""
    with SyslogServer(tmp_path) as running:
        yield running


def make(address: str, **options: Any) -> SyslogSink:
    """The sink, as the engine makes it; events as JSON, so that they can be told apart."""
    return SyslogSink(SyslogSinkConfig.model_validate({"address": address, "message": "json", **options}), Context("log"))


async def sent(sink: SyslogSink, events: Sequence[Event] = EVENTS) -> None:
    """Open, write, close."""
    await written(sink, events)


def numbers(server: SyslogServer) -> list[int]:
    """Which exchanges the server has written, in order."""
    return [json.loads(each["msg"])["httpipe.sequence"] for each in server.messages() if "httpipe.sequence" in each["msg"]]


SERVERS = Receivers(SyslogServer)


@pytest.fixture(scope="module", autouse=True)
def _ended() -> Iterator[None]:
    yield
    SERVERS.end()


def received(folder: Path) -> list[int]:
    """What the server has in its file when it has ended in order, which writes out what it holds."""
    SERVERS.at(folder).kill(signal.SIGTERM)
    return numbers(SERVERS.at(folder))


TestContract = sink_contract(
    lambda folder: make(f"tcp://127.0.0.1:{SERVERS.at(folder).tcp}"), received=received, down=SERVERS.away
)


def options_of(server: SyslogServer) -> dict[str, dict[str, Any]]:
    """Every way to this server."""
    tcp, unix = f"tcp://127.0.0.1:{server.tcp}", f"unix://{server.socket}"
    return {
        "tcp": {"address": tcp},
        "lines": {"address": tcp, "framing": "lines"},
        "udp": {"address": f"udp://127.0.0.1:{server.udp}"},
        "unix": {"address": unix},
        "structured": {"address": tcp, "structured_data": True, "message": "line"},
        "old": {"address": tcp, "format": "rfc3164"},
        "old at the socket": {"address": unix, "format": "rfc3164"},
    }


@pytest.mark.anyio
async def test_rsyslog_reads_every_way_of_sending(server: SyslogServer) -> None:
    """Each message is one message there, with its parts in their places, whatever it travelled on."""
    for count, (name, options) in enumerate(options_of(server).items(), 1):
        await sent(make(**options, app_name="httpipe-test", facility="local3"))
        messages = server.wait_for(count * len(EVENTS))[-len(EVENTS) :]
        assert len(server.messages()) == count * len(EVENTS), name
        severities = Counter(int(each["pri"]) - 19 * 8 for each in messages)
        statuses = [event.http_response_status_code or 0 for event in EVENTS]
        assert severities[3] == sum(status >= 500 for status in statuses), name
        assert {each["app-name"] for each in messages} == {"httpipe-test"}, name
        if "old" not in name:
            assert {(each["msgid"], each["protocol-version"]) for each in messages} == {("http.exchange", "1")}, name
        if name == "structured":
            assert all('http.request.method="GET"' in each["structured-data"] for each in messages)
            assert all(re.match(r"\d{3} GET example\.com/items/\d+ ", each["msg"]) for each in messages)
        else:
            assert [json.loads(each["msg"])["httpipe.sequence"] for each in messages] == list(range(20)), name


@pytest.mark.anyio
async def test_tls_is_checked(tmp_path: Path) -> None:
    """An unknown certificate is refused, a named one is not, and what is sent is read."""
    pem = certificate(tmp_path)
    with SyslogServer(tmp_path, certificate=pem, authority=tmp_path / "crt") as server:
        address = f"tls://127.0.0.1:{server.tls}"
        with pytest.raises(NotConnected, match=r"127\.0\.0\.1.*CERTIFICATE_VERIFY_FAILED"):
            await sent(make(address))
        await sent(make(address, tls={"ca_file": str(tmp_path / "crt")}))
        server.wait_for(len(EVENTS))
        assert numbers(server) == list(range(20))
        with pytest.raises(NotConnected, match=r"cannot read .*none"):
            await sent(make(address, tls={"ca_file": str(tmp_path / "none")}))


@pytest.mark.anyio
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_server_that_has_gone_is_noticed_before_anything_is_written(server: SyslogServer, number: int) -> None:
    """So a server that is restarted between two batches costs nothing."""
    sink = make(f"tcp://127.0.0.1:{server.tcp}")
    await sink.open()
    await sink.write(EVENTS)
    server.wait_for(len(EVENTS))
    server.kill(number)
    server.start()
    with pytest.raises(NotConnected, match=r"closed by the server|reset"):
        await sink.write(EVENTS)
    await sink.aclose()
    await sent(sink)
    server.wait_for(2 * len(EVENTS))
    assert numbers(server) == [*range(20), *range(20)]


@pytest.mark.anyio
async def test_a_stream_socket_of_this_host_is_one_too(tmp_path: Path) -> None:
    """With either framing; no server of Debian's listens on such a one, so a socket is read."""
    with socket(AF_UNIX) as listening:
        listening.bind(str(tmp_path / "log"))
        listening.listen()
        for framing, form in (("lines", rb"<131>1 [^\n]*\n"), ("octets", rb"\d{3} <131>1 [^\n]*")):
            sink = make(f"unix://{tmp_path}/log", socket="stream", framing=framing)
            await sink.open()
            served, _ = listening.accept()
            with served:
                await sink.write(EVENTS[:1])
                data = served.recv(1 << 16)
            assert re.fullmatch(form, data)
            with pytest.raises(NotConnected, match="closed by the server"):
                await sink.write(EVENTS)
            await sink.aclose()


@pytest.mark.anyio
async def test_nobody_there_is_told(server: SyslogServer) -> None:
    """A closed port over TCP and UDP, a socket that nobody reads, one that is not there."""
    server.kill()
    for name, reason in (("tcp", "refused"), ("udp", "refused"), ("unix", "refused")):
        sink = make(**options_of(server)[name])
        with pytest.raises(NotConnected, match=reason):
            await sent(sink)
    with pytest.raises(NotConnected, match="No such file"):
        await sent(make(f"unix://{server.folder}/none"))
    with pytest.raises(NotConnected, match=r"no-such-host\.invalid"):
        await sent(make("udp://no-such-host.invalid"))


@pytest.mark.timeout(120)
def test_twenty_thousand_exchanges_pass_a_server_that_is_killed(server: SyslogServer, tmp_path: Path) -> None:
    """Killed three times: missing is what it had not read, or not written, then, and nothing else; twice comes a batch at most.

    Syslog acknowledges nothing, so nobody can do better. Each kill leaves one gap: what was sent before and after it is there.
    """
    kills = 3
    address = f"tcp://127.0.0.1:{server.tcp}"
    with sending(tmp_path, f'type = "syslog"\naddress = "{address}"\nmessage = "json"\nbatch.max_events = 50') as run:
        for times in range(1, kills + 1):
            server.until(lambda times=times: server.count() >= times * 3000)  # type: ignore[misc]
            server.kill()
            server.start()
        all_sent(run)
    server.kill(signal.SIGTERM)
    found = Counter(numbers(server))
    gaps = sum(after - before > 1 for before, after in pairwise([-1, *sorted(found), COUNT]))
    assert gaps <= kills
    assert sum(found.values()) - len(found) <= kills * 50
    assert len(found) > COUNT // 2
    print(f"{COUNT - len(found)} missing in {gaps} gaps, {sum(found.values()) - len(found)} twice")  # noqa: T201  for -s


def test_rsyslog_is_there() -> None:
    """Its absence must not pass for success; `tools/setup.sh test` installs it."""
    assert shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin")
