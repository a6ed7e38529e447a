"""Bodies go through the firewall as they are: large, chunked, many at once, on a wire that loses packets."""

import functools
import os
import subprocess
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gate_run import Running
from gate_servers import served
from gate_wire import other_program
from live_namespace import Namespace

from pipeline.sources.bpf import tcx
from pipeline.sources.gate import abi

MEBIBYTES = int(os.environ.get("HTTPIPE_GATE_UPLOAD", "100"))
LARGE = 1024
"""From so many on time is measured, too: `make test-gate`, on a machine that does nothing else."""
REMEMBERED = 6 << 20
"""Bytes of a receiver's buffer, the kernel's default: what may be on the way then is known when it is sent again
(docs/firewall.md)."""
AT_MOST = 1.3
"""Of the time that it takes without a firewall."""


@pytest.fixture(scope="module")
def url(server_side: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Generator[str, None, None]:
    """Go's server, which says how many bytes came and their CRC-64."""
    with served(server_side, tmp_path_factory.mktemp("uploads"), ("go",)) as ports:
        yield f"http://10.25.0.2:{ports['go']}/sum"


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many MiB of anything, among them what looks like a request."""
    path = tmp_path_factory.mktemp("body") / "body"
    line = os.urandom(1 << 20)[:-60] + b"\r\n\r\nGET /admin/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n12"
    with path.open("wb") as file:
        for _ in range(MEBIBYTES):
            file.write(line)
    return path


def upload(namespace: Namespace, url: str, body: Path, *more: str) -> tuple[str, float]:
    """What the server says, seconds."""
    start = time.monotonic()
    command = namespace.command("curl", "-sS", "-m", "200", "-H", "Expect:", *more, "-T", str(body), url)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout or done.stderr, time.monotonic() - start


@pytest.mark.parametrize("mode", [abi.Mode.ENFORCE, abi.Mode.MONITOR], ids=["enforce", "monitor"])
@pytest.mark.parametrize("more", [(), ("-H", "Transfer-Encoding: chunked")], ids=["length", "chunked"])
def test_one(  # noqa: PLR0913, PLR0917  a way, and who is there
    mode: abi.Mode, more: tuple[str, ...], url: str, body: Path, client_side: Namespace, start: functools.partial[Running]
) -> None:
    """Every byte arrives; of a gigabyte in hardly more time than without."""
    said, secs = min((upload(client_side, url, body, *more) for _ in range(2)), key=lambda found: found[1])
    gate = start("wire", mode=mode)
    found = [upload(client_side, url, body, *more) for _ in range(3)]
    assert {each for each, _ in found} == {said}
    if MEBIBYTES >= LARGE:
        assert min(each for _, each in found) <= AT_MOST * secs
    assert gate.balances()
    assert gate.count("heads") == gate.count("allowed") == 3


@pytest.mark.parametrize("mode", [abi.Mode.ENFORCE, abi.Mode.MONITOR], ids=["enforce", "monitor"])
def test_ten_at_once_with_loss(  # noqa: PLR0913, PLR0917  a way, and who is there
    mode: abi.Mode,
    url: str,
    body: Path,
    client_side: Namespace,
    server_side: Namespace,
    start: functools.partial[Running],
) -> None:
    """Half of them chunked, 2 % lost in front and 1 % behind: all arrive whole. The gate remembers the chunks of such windows."""
    window = ["sh", "-c", f"echo 4096 131072 {REMEMBERED} > /proc/sys/net/ipv4/tcp_rmem"]
    subprocess.run(server_side.command(*window), check=True)
    some = body.with_name("some")
    with body.open("rb") as whole:
        some.write_bytes(whole.read(100 << 20))
    said, _ = upload(client_side, url, some)
    gate = start("wire", mode=mode)

    def one(number: int) -> str:
        return upload(client_side, url, some, *(("-H", "Transfer-Encoding: chunked") if number % 2 else ()))[0]

    with (
        other_program(client_side, "lossy", tcx.EGRESS, first=True, per_mille=20),
        other_program(server_side, "lossy", tcx.INGRESS, first=False, per_mille=10),
        ThreadPoolExecutor(10) as pool,
    ):
        assert set(pool.map(one, range(10))) == {said}, gate.look().counts
    assert gate.look().count("allowed") == 10
