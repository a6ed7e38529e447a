"""What is captured, and what of it: versions of TLS and HTTP, bodies, ends, executables, and what happens under load."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_clients import run
from tls_recording import Taken, recording
from tls_servers import Server
from tls_truth import side

from pipeline.api import Exchange
from pipeline.sources.bpf.syscall import run_here
from pipeline.sources.tls.config import TlsConfig
from pipeline.sources.tls.ring import TlsLibbpfRing

CURL = "/usr/bin/curl"
BODY = 5_000_000
TURN = 32 * 1024
SMALL_RING = 256 << 10


def curl(server: Server, *paths: str, options: tuple[str, ...] = ("--http1.1",)) -> list[str]:
    """One connection, a request each."""
    return [CURL, "-sSk", *options, *(f"https://127.0.0.1:{server.port}{path}" for path in paths)]


async def both_ends(server: Server, command: list[str], count: int) -> tuple[list[Exchange], list[Exchange], Taken]:
    """What the client saw, and what the server did."""
    async with recording(TlsConfig(executables=(CURL, server.executable))) as taken:
        pid = await run(command)
        await taken.until(lambda taken: len(side(taken, {pid, *server.pids}).exchanges) >= 2 * count)
    return side(taken, {pid}).exchanges, side(taken, server.pids).exchanges, taken


@pytest.mark.anyio
@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_keep_alive(version: str, nginx: Server) -> None:
    """23 requests over one connection are 23 exchanges of it at each end, in order, with the version of TLS."""
    paths = [f"/{number}" for number in range(23)]
    command = curl(nginx, *paths, options=("--http1.1", "--tls-max", version))
    for exchanges in (await both_ends(nginx, command, 23))[:2]:
        assert [exchange.url_path for exchange in exchanges] == paths
        assert [exchange.httpipe_sequence for exchange in exchanges] == list(range(23))
        assert len({exchange.httpipe_connection for exchange in exchanges}) == 1
        assert {exchange.tls_protocol_version for exchange in exchanges} == {version}
        assert {exchange.network_local_port for exchange in exchanges} == {nginx.port}
        assert {exchange.httpipe_marks for exchange in exchanges} == {()}


@pytest.mark.anyio
async def test_ipv6(nginx: Server) -> None:
    """The addresses of both ends are those of the socket."""
    command = [CURL, "-sSk", "--http1.1", f"https://[::1]:{nginx.port}/1", f"https://[::1]:{nginx.port}/2"]
    for exchanges in (await both_ends(nginx, command, 2))[:2]:
        assert [exchange.url_path for exchange in exchanges] == ["/1", "/2"]
        assert {exchange.network_type for exchange in exchanges} == {"ipv6"}
        assert {(each.client_address, each.network_local_address, each.network_local_port) for each in exchanges} == {
            ("::1", "::1", nginx.port)
        }


@pytest.mark.anyio
async def test_large_bodies(nginx: Server) -> None:
    """Of a body only the beginning is copied, and its size is exact, at both ends."""
    (nginx.folder / "www" / "file").mkdir()
    (nginx.folder / "www" / "file" / "large").write_bytes(bytes(range(256)) * (BODY // 256 + 1))
    os.truncate(nginx.folder / "www" / "file" / "large", BODY)
    command = [*curl(nginx, "/file/large", "/behind"), "-o", "/dev/null"]
    *ends, taken = await both_ends(nginx, command, 2)
    for exchanges in ends:
        large, behind = exchanges
        assert (large.http_response_body_size, large.httpipe_marks) == (BODY, ())
        assert (behind.url_path, behind.httpipe_marks) == ("/behind", ())
    assert max(len(stream) for stream in taken.streams.values()) < TURN + 1000
    assert taken.counts["left_out_bytes"] > 2 * (BODY - TURN)


@pytest.mark.anyio
async def test_an_upload(nginx: Server, tmp_path: Path) -> None:
    """So is what a client sends."""
    (tmp_path / "body").write_bytes(bytes(BODY))
    command = [*curl(nginx, "/upload"), "-H", "Expect:", "--data-binary", f"@{tmp_path}/body"]
    for exchanges in (await both_ends(nginx, command, 1))[:2]:
        [exchange] = exchanges
        assert (exchange.http_request_method, exchange.http_request_body_size) == ("POST", BODY)


@pytest.mark.anyio
async def test_http2(nginx_http2: Server) -> None:
    """Streams of HTTP/2 with large bodies among them are whole at both ends; of their bodies only the beginnings are copied."""
    (nginx_http2.folder / "www" / "file").mkdir()
    (nginx_http2.folder / "www" / "file" / "large").write_bytes(bytes(BODY))
    paths = ["/file/large", "/1", "/file/large?2", "/2", "/3"]
    command = [*curl(nginx_http2, *paths, options=("--http2", "-Z")), *["-o", "/dev/null"] * len(paths)]
    *ends, taken = await both_ends(nginx_http2, command, len(paths))
    for exchanges in ends:
        sizes = {f"{each.url_path}{'?2' if each.url_query else ''}": each.http_response_body_size for each in exchanges}
        assert sizes.keys() == set(paths)
        assert (sizes["/file/large"], sizes["/file/large?2"]) == (BODY, BODY)
        assert {(each.network_protocol_version, each.httpipe_marks) for each in exchanges} == {("2", ())}
    assert taken.counts["left_out_bytes"] > 2 * BODY


@pytest.mark.anyio
async def test_read_by_libbpf(nginx: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where libbpf reads the ring, as on arm64, it gives the same."""
    monkeypatch.setattr("pipeline.sources.tls.capture.TlsRing", TlsLibbpfRing)
    paths = [f"/{number}" for number in range(23)]
    for exchanges in (await both_ends(nginx, curl(nginx, *paths), 23))[:2]:
        assert [(exchange.url_path, exchange.httpipe_marks) for exchange in exchanges] == [(path, ()) for path in paths]


@pytest.mark.anyio
async def test_one_end(nginx: Server) -> None:
    """Where only servers are asked for, clients are left alone, and counted."""
    config = TlsConfig(executables=(CURL, nginx.executable), ends="server")
    async with recording(config) as taken:
        pid = await run(curl(nginx, "/1", "/2"))
        await taken.until(lambda taken: len(side(taken, nginx.pids).exchanges) >= 2)
    assert len(side(taken, nginx.pids).exchanges) == 2
    assert not side(taken, {pid}).exchanges
    assert taken.counts["other_end"] >= 1


@pytest.mark.anyio
async def test_who_is_not_wanted(nginx: Server) -> None:
    """A program that no glob names, or that is excluded, gives nothing, though its library has probes."""
    config = TlsConfig(executables=("/usr/*bin/*",), exclude=("curl",))
    async with recording(config) as taken:
        pid = await run(curl(nginx, "/1"))
        await taken.until(lambda taken: bool(side(taken, nginx.pids).exchanges))
    assert side(taken, nginx.pids).exchanges
    assert not side(taken, {pid}).exchanges


BECOMES = """
import os, ssl, sys, urllib.request
context = ssl._create_unverified_context()
urllib.request.urlopen(sys.argv[1] + "/python", context=context).read()
os.execv("/usr/bin/curl", ["curl", "-sSk", "--http1.1", sys.argv[1] + "/curl"])
"""


@pytest.mark.anyio
@pytest.mark.parametrize(("wanted", "path"), [("python3*", "/python"), ("curl", "/curl")])
async def test_a_process_that_becomes_another_program(wanted: str, path: str, nginx: Server) -> None:
    """It is decided again: what it was does not count, neither way."""
    async with recording(TlsConfig(executables=(wanted, nginx.executable))) as taken:
        pid = await run([sys.executable, "-c", BECOMES, f"https://127.0.0.1:{nginx.port}"])
        await taken.until(lambda taken: len(side(taken, nginx.pids).exchanges) >= 2 and bool(side(taken, {pid}).exchanges))
    assert [exchange.url_path for exchange in side(taken, {pid}).exchanges] == [path]


@pytest.mark.anyio
async def test_its_own_children(nginx: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """httpipe never looks at itself, nor at what it starts."""
    monkeypatch.setattr("pipeline.sources.tls.program.own_process", run_here)
    async with recording(TlsConfig(executables=("any",))) as taken:
        pid = await run(curl(nginx, "/1"))
    assert not side(taken, {pid, *nginx.pids}).exchanges


@pytest.mark.anyio
async def test_bodies_that_are_asked_for(nginx: Server) -> None:
    """A pipeline that wants bodies gets them whole."""
    config = TlsConfig(executables=(nginx.executable,))
    async with recording(config, body_bytes=1 << 20) as taken:
        await run(curl(nginx, "/1"))
        await taken.until(lambda taken: bool(side(taken, nginx.pids).exchanges))
    assert any(b" uri=/1 end" in stream for stream in taken.streams.values())


@pytest.mark.anyio
async def test_a_reader_that_is_too_slow(nginx: Server) -> None:
    """Whole connections are left out and counted; what is reported is whole, and nothing is lost at random."""
    config = TlsConfig(executables=(CURL, nginx.executable), ring_bytes=SMALL_RING)
    paths = [f"/{number}" for number in range(1500)]
    async with recording(config) as taken:
        stand_still(curl(nginx, *paths, options=("--http1.1", "-Z", "--parallel-max", "20")))
        await taken.until(lambda taken: len(taken.exchanges) + taken.counts["shed_requests"] >= 2 * len(paths))
    assert {exchange.httpipe_marks for exchange in taken.exchanges} == {()}
    assert len(taken.exchanges) + taken.counts["shed_requests"] >= 2 * len(paths)
    assert len(side(taken, nginx.pids).exchanges) < len(paths)
    assert taken.counts["shed_connections"] > 0
    assert taken.counts["ring_full"] == 0


def stand_still(command: list[str]) -> None:
    """Twenty connections at once, while nobody reads the ring."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


RUN = """
import anyio, sys
from pipeline.api import Context
from pipeline.sources.tls import program
from pipeline.sources.tls.config import TlsConfig
from pipeline.sources.tls.ring import TlsLibbpfRing
from pipeline.sources.tls.source import TlsSource

async def main():
    source = TlsSource(TlsConfig(executables=(sys.argv[1],)), Context(id="tls"))
    await source.open()
    print("open", flush=True)
    async for batch in source.batches():
        pass

anyio.run(main)
"""


def load(server: Server) -> subprocess.Popen[bytes]:
    """Requests for some seconds; it fails where one does."""
    urls = [f"https://127.0.0.1:{server.port}/{number}" for number in range(3000)]
    return subprocess.Popen([CURL, "-sSfk", "--http1.1", *urls], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def test_killed_under_load(nginx: Server) -> None:
    """No request fails and no server restarts when httpipe is killed in the middle of it; a second one begins as the first."""
    before = nginx.pids
    for _ in range(2):
        with subprocess.Popen([sys.executable, "-c", RUN, nginx.executable], stdout=subprocess.PIPE) as capture:
            assert capture.stdout
            assert capture.stdout.readline() == b"open\n"
            client = load(nginx)
            capture.send_signal(signal.SIGKILL)
            capture.wait()
        _, words = client.communicate(timeout=50)
        assert client.returncode == 0, words
    assert nginx.pids == before


@pytest.mark.anyio
async def test_stops_at_once(nginx: Server) -> None:
    """Probes are taken away within a second, under load."""
    config = TlsConfig(executables=(CURL, nginx.executable))
    async with recording(config) as taken:
        client = load(nginx)
        await taken.until(lambda taken: bool(taken.exchanges))
        began = time.monotonic()
    assert time.monotonic() - began < 1
    client.communicate(timeout=50)
    assert client.returncode == 0
