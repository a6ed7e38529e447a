"""What the firewall costs: nanoseconds a packet by the kernel's own statistics, CPU and requests of a server behind it.

In two network namespaces joined by a veth pair; nginx answers, wrk asks. The kernel's statistics cost 20 ns a run.
"""

import ctypes
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from os import close
from pathlib import Path
from struct import Struct, unpack_from

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / folder) for folder in ("live", "gate")]

from gate_run import Running, started  # noqa: E402  what they import lies there
from gate_servers import SERVERS, served  # noqa: E402
from live_namespace import Namespace, join  # noqa: E402

from pipeline.sources.bpf.syscall import bpf, bpf_fd  # noqa: E402
from pipeline.sources.gate import abi  # noqa: E402

SECS = 3
PORT = SERVERS["nginx"]
_ENABLE_STATS, _INFO_BY_FD = 32, 15
_INFO = Struct("=IIQ")
_TIME_AT, _INFO_BYTES = 192, 232
"""``run_time_ns``, ``run_cnt`` of ``struct bpf_prog_info``."""
BROWSER = [
    header
    for text in (
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        "Accept-Language: en-GB,en;q=0.9,de;q=0.8", "Accept-Encoding: gzip, deflate, br, zstd", "Cache-Control: no-cache",
        f"Cookie: session={'0123456789abcdef' * 12}; theme=dark; consent=yes", "Sec-Fetch-Mode: navigate",
        "Upgrade-Insecure-Requests: 1",
    )
    for header in ("-H", text)
]  # fmt: skip


@contextmanager
def statistics() -> Generator[None, None, None]:
    """The kernel measures programs."""
    fd = bpf_fd(_ENABLE_STATS, bytes(8))
    try:
        yield
    finally:
        close(fd)


def spent(running: Running) -> tuple[int, int]:
    """Nanoseconds and runs of the gate's programs."""
    total, runs = 0, 0
    for fd in (running.gate.programs.judge["ingress"], running.gate.programs.answers):
        info = ctypes.create_string_buffer(_INFO_BYTES)
        bpf(_INFO_BY_FD, _INFO.pack(fd, _INFO_BYTES, ctypes.addressof(info)))
        time_ns, count = unpack_from("=QQ", info.raw, _TIME_AT)
        total, runs = total + time_ns, runs + count
    return total, runs


def ask(client: Namespace, path: str, *more: str) -> float:
    """Requests a second."""
    command = client.command("wrk", "-t1", "-c20", f"-d{SECS}", *more, f"http://10.25.0.2:{PORT}{path}")
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", told)
    return float(found[1]) if found else 0.0


def row(what: str, rate: float, before: tuple[int, int], after: tuple[int, int]) -> None:
    """One line of the table."""
    time_ns, runs = after[0] - before[0], after[1] - before[1]
    requests = rate * SECS
    print(f"{what:34} {rate:10,.0f} {time_ns / max(runs, 1):12,.0f} {time_ns / max(requests, 1) / 1000:12.2f}")


def many(count: int) -> tuple[str, ...]:
    """Entries that are not asked for, and the one that is."""
    return ("/admin/**", *(f"/list/{number}/entry" for number in range(count)))


def main() -> None:
    """Print the table."""
    server, client = Namespace(), Namespace()
    join(client, server, [("10.25.0.1/24", "10.25.0.2/24")])
    try:
        with served(server, Path(tempfile.mkdtemp()), ("nginx",)), statistics():
            print(f"{'':34} {'requests/s':>10} {'ns a packet':>12} {'µs a request':>12}   wanted: 4 µs, other ports 200 ns")
            nothing = (0, 0)
            row("without", ask(client, "/ok"), nothing, nothing)
            for what, settings in (
                ("only watching", {"mode": abi.Mode.MONITOR}),
                ("enforcing", {}),
                ("enforcing, 100,000 entries", {"deny": many(100_000)}),
                ("other ports", {"ports": (1,)}),
            ):
                with started(server, "wire", **settings) as running:  # type: ignore[arg-type]  by name
                    before = spent(running)
                    row(what, ask(client, "/ok"), before, spent(running))
                    if what == "enforcing":
                        before = spent(running)
                        row("enforcing, a browser's head", ask(client, "/ok", *BROWSER), before, spent(running))
                        before = spent(running)
                        row("refusing", ask(client, "/admin/x", "-H", "Connection: close"), before, spent(running))
                    time.sleep(0.1)
    finally:
        server.remove()
        client.remove()


if __name__ == "__main__":
    main()
