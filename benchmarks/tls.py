"""nginx with TLS under a fixed load: bare, with return probes, and with probes on return instructions, in turn in one run.

Prints the CPU that the server's worker takes for a request, what each way adds to it, httpipe's own CPU for an exchange, and
exchanges reported, left out and lost. Only ratios of one run mean anything on a machine that does other things as well.
Needs root, nginx, h2load (nghttp2-client) and openssl. Traffic goes to 127.0.0.1 only, for a few seconds a turn.
"""

import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.live import HTTPIPE, certificate, cpu_of

PORT = 18098
RATE = 2000
"""Requests a second: the issue's own number, far below what the server can do."""
SECONDS = 5
CONNECTIONS = 16
ROUNDS = 3
WANTED_US = 12
"""What probes may add to a request at most."""

ENTRIES = """\
For comparison: uprobes and uretprobes where SSL_read and SSL_write begin, as eCapture attaches them, added 31 to 36 µs to a
request of the same server. eCapture's own documentation (docs/performance-benchmarks.md, 2026) states 1 to 2 µs for each event of
a probe, and 0.1 to 0.5 µs for its program, and gives no figure for a request. A probe costs 0.5 µs where its instruction is
emulated, and 10 µs where it is single-stepped."""


@contextmanager
def server(folder: Path) -> Iterator[int]:
    """One worker; its pid."""
    both = certificate(folder)
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; keepalive_requests 100000000;\n"
        f"  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;"
        f"  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        f"  server {{ listen 127.0.0.1:{PORT} ssl; ssl_protocols TLSv1.3;"
        f"  ssl_certificate {both}; ssl_certificate_key {both}; location / {{ return 200 '{'x' * 100}'; }} }} }}\n"
    )
    process = subprocess.Popen(["nginx", "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not (folder / "nginx.pid").exists():
            if time.monotonic() > deadline:
                raise SystemExit("nginx did not start")
            time.sleep(0.02)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def httpipe(folder: Path, returns: str | None) -> Iterator[subprocess.Popen[bytes] | None]:
    """It captures the server; None: nothing does."""
    if returns is None:
        yield None
        return
    ready, pipeline = folder / "ready", folder / "pipeline.toml"
    ready.unlink(missing_ok=True)
    pipeline.write_text(
        f'[sources.https]\ntype = "tls"\nexecutables = ["nginx"]\nreturns = "{returns}"\n'
        '[sinks.out]\ntype = "null"\ninputs = ["https"]\n'
    )
    with (folder / "log").open("w") as log:
        tool = subprocess.Popen([HTTPIPE, "run", str(pipeline), "--ready-file", str(ready)], stderr=log)
    deadline = time.monotonic() + 20
    while not ready.exists():
        if time.monotonic() > deadline or tool.poll() is not None:
            raise SystemExit(f"httpipe did not start: {(folder / 'log').read_text()}")
        time.sleep(0.02)
    try:
        yield tool
    finally:
        tool.send_signal(signal.SIGINT)
        tool.wait(60)


def nanoseconds(pid: int) -> int:
    """CPU time of a process with one thread, finer than ticks (proc(5): schedstat)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def load() -> int:
    """Requests that were answered."""
    rate = RATE // CONNECTIONS
    command = ["h2load", "--h1", "-t", "1", "-c", str(CONNECTIONS), "-D", str(SECONDS), "--rps", str(rate)]
    done = subprocess.run([*command, f"https://127.0.0.1:{PORT}/"], capture_output=True, text=True, check=True)
    found = re.search(r"(\d+) succeeded", done.stdout)
    assert found, done.stdout
    return int(found[1])


def turn(folder: Path, worker: int, returns: str | None) -> tuple[float, float, int, int, str]:
    """µs a request of the server and of httpipe; requests, exchanges, and the counters of loss."""
    with httpipe(folder, returns) as tool:
        own = cpu_of(tool.pid) if tool else 0.0
        before = nanoseconds(worker)
        answered = load()
        spent = (nanoseconds(worker) - before) / 1000 / answered
        own = (cpu_of(tool.pid) - own) * 1e6 / answered if tool else 0.0
    words = (folder / "log").read_text() if tool else ""
    seen = re.search(r"([\d,]+) exchanges? seen", words)
    losses = " ".join(re.findall(r"(?:ring_full|shed_requests|copy_failed|table_full) [\d,]+", words))
    return spent, own, answered, int(seen[1].replace(",", "")) if seen else 0, losses or "none"


def main() -> int:
    """All ways in turn; the exit code says whether return probes cost more than they may, or anything was lost."""
    ways: dict[str, str | None] = {"bare": None, "return probes": "probes", "return instructions": "instructions"}
    results: dict[str, list[tuple[float, float, int, int, str]]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as worker:
        load()
        for _ in range(ROUNDS):
            for way, returns in ways.items():
                results[way].append(turn(Path(name), worker, returns))
    bare = statistics.median(result[0] for result in results["bare"])
    print(f"nginx, TLS 1.3, {RATE} requests/s over {CONNECTIONS} connections, medians of {ROUNDS} turns of {SECONDS} s")
    print(f"{'':22} server µs  added µs    ratio  httpipe µs  requests  exchanges  lost")
    worst = 0
    for way, turns in results.items():
        server_us, own_us = (statistics.median(each[place] for each in turns) for place in (0, 1))
        requests, exchanges = (sum(each[place] for each in turns) for place in (2, 3))
        losses = " ".join(sorted({each[4] for each in turns}))
        print(
            f"{way:22} {server_us:9.1f} {server_us - bare:9.1f} {server_us / bare:8.2f} {own_us:11.1f}"
            f" {requests:9} {exchanges:10}  {losses}"
        )
        if way == "return probes":
            worst = int(server_us - bare > WANTED_US or losses != "none" or exchanges < requests)
    print(f"wanted: at most {WANTED_US} µs added by return probes, nothing lost\n{ENTRIES}")
    return worst


if __name__ == "__main__":
    sys.exit(main())
