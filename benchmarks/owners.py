"""Owners: what telling them costs each request and each connection in the kernel, and whether they are right.

Prints nanoseconds of each program of ``who.bpf.c`` (the kernel's own count, ``kernel.bpf_stats_enabled``) over kept-alive
requests and over connections of one request; then 1,000 curls, four at once, each a process of its own: how many exchanges have
the right two processes, wrong ones, none.
Needs root, nginx, h2load (nghttp2-client) and curl. Traffic goes to 127.0.0.1 only.
"""

import os
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.live import PORT, nginx
from pipeline.decode import DecodeOptions, Decoder
from pipeline.model.events.exchange import Exchange
from pipeline.sources.bpf.capture import Capture
from pipeline.sources.bpf.config import BpfConfig

KEPT_ALIVE, CLOSING = 20_000, 2_000
CURLS, AT_ONCE = 1_000, 4
URL = f"http://127.0.0.1:{PORT}/"
STATS = Path("/proc/sys/kernel/bpf_stats_enabled")
QUIET_SECS = 0.2


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as name, nginx(Path(name)), counting():
        for what, per, load in (
            (f"{KEPT_ALIVE:,} kept-alive requests, 16 connections", KEPT_ALIVE, kept_alive),
            (f"{CLOSING:,} connections of one request", CLOSING, closing),
        ):
            costs(what, per, load)
        correctness(int((Path(name) / "nginx.pid").read_text()))


@contextmanager
def counting() -> Iterator[None]:
    """The kernel counts the time of every program, which costs each run some 20 ns."""
    before = STATS.read_text()
    STATS.write_text("1")
    try:
        yield
    finally:
        STATS.write_text(before)


@contextmanager
def capturing() -> Iterator[Capture]:
    """The packet program and the other one."""
    capture = Capture(BpfConfig(loader="libbpf", interfaces=("lo",), ports=(PORT,), processes=True))
    capture.load()
    try:
        capture.attach()
        yield capture
    finally:
        capture.close()


def kept_alive() -> subprocess.Popen[bytes]:
    """Many requests over few connections."""
    return subprocess.Popen(["h2load", "--h1", "-n", str(KEPT_ALIVE), "-c", "16", URL], stdout=subprocess.DEVNULL)


def closing() -> subprocess.Popen[bytes]:
    """Each request over a connection of its own."""
    command = ["curl", "-sS", "-Z", "--parallel-max", "4", "-H", "Connection: close", f"{URL}?[1-{CLOSING}]"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def costs(what: str, per: int, load: Callable[[], subprocess.Popen[bytes]]) -> None:
    """What each program took."""
    with capturing() as capture:
        running = load()
        while running.poll() is None:
            capture.read()
        capture.rest()
        owners = dict(capture.counters.news()).get("owners", 0)
        print(f"\n{what}: {owners} owners told\n{'program':<16} {'runs':>9} {'ns_a_run':>9} {'ns_a_request':>13}")
        total = 0
        for name, fd in capture.owner_programs().items():
            took, runs = spent(fd)
            total += took
            print(f"{name:<16} {runs:>9,} {took / max(runs, 1):>9.0f} {took / per:>13.0f}")
        print(f"{'together':<16} {'':>9} {'':>9} {total / per:>13.0f}")


def spent(fd: int) -> tuple[int, int]:
    """Nanoseconds, and how many times the program ran; of the whole host's sockets."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines())
    return int(fields["run_time_ns"]), int(fields["run_cnt"])


def correctness(server: int) -> None:
    """Processes that are gone when anybody looks."""
    decoder = Decoder(DecodeOptions(), source="owners")
    asked: dict[str, int] = {}
    running: list[subprocess.Popen[bytes]] = []
    exchanges: list[Exchange] = []

    def take(capture: Capture) -> None:
        exchanges.extend(event for event in decoder.feed(capture.read()) if isinstance(event, Exchange))

    with capturing() as capture:
        for number in range(CURLS):
            while len(running) == AT_ONCE:
                running = [each for each in running if each.poll() is None]
                take(capture)
            running.append(subprocess.Popen(["curl", "-sS", "-o", os.devnull, f"{URL}?{number}"]))
            asked[str(number)] = running[-1].pid
        for each in running:
            each.wait()
        quiet = time.monotonic() + QUIET_SECS
        while time.monotonic() < quiet and len(exchanges) < CURLS:
            take(capture)
    found = Counter(judged("server", each.process_pid, workers(server)) for each in exchanges)
    found.update(judged("client", each.httpipe_client_process_pid, {asked[each.url_query or ""]}) for each in exchanges)
    judgement = ", ".join(f"{what}: {count}" for what, count in sorted(found.items()))
    print(f"\n{CURLS:,} curls, {AT_ONCE} at once: {len(exchanges)} exchanges; {judgement}")


def judged(end: str, pid: int | None, right: set[int]) -> str:
    """Whether a process is the right one."""
    return f"{end} {'unknown' if pid is None else 'right' if pid in right else 'WRONG'}"


def workers(server: int) -> set[int]:
    """Of nginx: its children."""
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return {int(pid) for pid in children} or {server}


if __name__ == "__main__":
    main()
