"""nginx under a fixed load: bare, watched by ``tcpdump -w``, by httpipe, and by httpipe scheduled as its unit has it.

All in turn in one run. Prints per rate and watcher: requests answered, p50 and p99 of the client's response time, CPU of the
whole machine and of the watcher per exchange; exchanges reported, left out by whole connections, and lost otherwise; marked
ones. Then the server's full speed, and 20,000 a second while another process does nothing but compute on one of the processors.
Needs root, nginx, h2load (nghttp2-client) and tcpdump. Traffic goes to 127.0.0.1 only, for a few seconds a turn.
"""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PORT = 18099
SECONDS = 5
CLIENTS = 64
WATCHERS = ("none", "tcpdump", "httpipe", "unit")
TICK = os.sysconf("SC_CLK_TCK")
BY_PACKETS = f'type = "bpf"\ninterfaces = ["lo"]\nports = [{PORT}]'
BY_PROBES = 'type = "tls"\nexecutables = ["nginx"]'
HTTPIPE = str(Path(sys.executable).with_name("httpipe"))


@dataclass(frozen=True)
class Turn:
    """What one turn under load gave."""

    answered: int
    p50_us: float
    p99_us: float
    machine_us: float
    own_us: float
    reported: int | None
    marked: int
    shed: int


def cpu_of(pid: int) -> float:
    """CPU seconds that a process has used, user and system (proc(5): fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def cpu_of_machine() -> float:
    """CPU seconds that all processors have been busy."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq) / TICK


def certificate(folder: Path) -> Path:
    """A file of a key and a certificate of its own."""
    both = folder / "both.pem"
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", str(both)]
    made = subprocess.run(["openssl", "req", *options], check=True, capture_output=True, text=True)
    both.write_text(both.read_text() + made.stdout)
    return both


@contextmanager
def nginx(folder: Path, *, http2: bool = False, tls: bool = False, port: int = PORT) -> Iterator[None]:
    """One nginx worker with a small JSON answer."""
    config = folder / "nginx.conf"
    both = certificate(folder) if tls else None
    listen = f"{'http2' if http2 else ''} {f'ssl; ssl_certificate {both}; ssl_certificate_key {both}' if tls else ''}"
    config.write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; keepalive_requests 100000000;\n"
        f"  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;"
        f"  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        f"  server {{ listen 127.0.0.1:{port} {listen}; location / {{ default_type application/json;"
        """ return 200 '{"id":42,"name":"thing","tags":["a","b","c"],"price":12.5}'; } } }\n"""
    )
    server = subprocess.Popen(["nginx", "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        yield
    finally:
        server.terminate()
        server.wait(10)


def wait_for_port(port: int = PORT) -> None:
    """Until the server answers."""
    probe = f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)"
    deadline = time.monotonic() + 10
    while subprocess.run([sys.executable, "-c", probe], stderr=subprocess.DEVNULL, check=False).returncode:
        if time.monotonic() > deadline:
            raise SystemExit("nginx did not start")


@contextmanager
def watcher(name: str, folder: Path, *, tls: bool = False) -> Iterator[subprocess.Popen[bytes] | None]:
    """The tool that watches, started and ready."""
    if name == "none":
        yield None
        return
    ready = folder / "ready"
    ready.unlink(missing_ok=True)
    if name == "tcpdump":
        command = [
            "tcpdump",
            "-i",
            "lo",
            "-B",
            "16384",
            "-s",
            "0",
            "-U",
            "-w",
            str(folder / "out.pcap"),
            f"tcp port {PORT}",
        ]
    else:
        (folder / "out.jsonl").unlink(missing_ok=True)
        pipeline = folder / "pipeline.toml"
        pipeline.write_text(
            f"[sources.http]\n{BY_PROBES if tls else BY_PACKETS}\n"
            f'[sinks.out]\ntype = "file"\ninputs = ["http"]\npath = "{folder}/out.jsonl"\n'
        )
        scheduled = ["nice", "-n", "5", "chrt", "--batch", "0"] if name == "unit" else []
        command = [*scheduled, HTTPIPE, "run", str(pipeline), "--ready-file", str(ready)]
    tool = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert tool.stderr is not None
    try:
        if name == "tcpdump":
            tool.stderr.readline()
        else:
            deadline = time.monotonic() + 20
            while not ready.exists():
                if time.monotonic() > deadline or tool.poll() is not None:
                    raise SystemExit(f"httpipe did not start: {tool.stderr.read().decode()}")
                time.sleep(0.02)
        yield tool
    finally:
        if tool.poll() is None:
            tool.send_signal(signal.SIGINT)
        tool.wait(60)
        (folder / "watcher.log").write_bytes(tool.stderr.read())


def load(folder: Path, rate: int | None, *, http2: bool = False, tls: bool = False) -> tuple[int, float, float]:
    """Requests answered, p50 and p99 in µs, of a load at ``rate`` requests a second, or as fast as it goes."""
    log = folder / "load.log"
    log.unlink(missing_ok=True)
    command = [
        "h2load",
        *(["-m", "8"] if http2 else ["--h1"]),
        "-c",
        str(CLIENTS),
        "-t",
        "1",
        "-D",
        str(SECONDS),
        f"--log-file={log}",
    ]
    if rate:
        command.append(f"--rps={rate / CLIENTS}")
    command.append(f"http{'s' if tls else ''}://127.0.0.1:{PORT}/api/items/42?page=3")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    times = [int(line.split()[2]) for line in log.read_text().splitlines() if line.split()[1] == "200"]
    cuts = statistics.quantiles(times, n=100)
    return len(times), cuts[49], cuts[98]


def turn(name: str, rate: int | None, folder: Path, *, http2: bool = False, tls: bool = False) -> Turn:
    """One load under one watcher."""
    own = 0.0
    with watcher(name, folder, tls=tls) as tool:
        machine, before = cpu_of_machine(), cpu_of(tool.pid) if tool else 0.0
        answered, p50, p99 = load(folder, rate, http2=http2, tls=tls)
        if tool:
            time.sleep(0.5)
            own = cpu_of(tool.pid) - before
        machine = cpu_of_machine() - machine
    reported, marked, shed = None, 0, 0
    if name in {"httpipe", "unit"}:
        reported, marked = count(folder / "out.jsonl")
        said = re.search(r"shed_requests ([\d,]+)", (folder / "watcher.log").read_text())
        shed = int(said[1].replace(",", "")) if said else 0
    return Turn(answered, p50, p99, machine / answered * 1e6, own / answered * 1e6, reported, marked, shed)


def count(path: Path) -> tuple[int, int]:
    """Exchanges in the file, and how many of them carry a mark."""
    exchanges = marked = 0
    with path.open("rb") as lines:
        for line in lines:
            exchanges += 1
            marked += bool(json.loads(line).get("httpipe.marks")) if b'"httpipe.marks"' in line else 0
    return exchanges, marked


def show(rate: int | None, name: str, got: Turn) -> None:
    """One row of the table."""
    lost = ""
    if got.reported is not None:
        lost = f"{got.reported:>9} {got.shed:>7} {got.answered - got.reported - got.shed:>7} {got.marked:>6}"
    print(
        f"{rate or 'full':>6} {name:<8} {got.answered:>9} {got.p50_us:>8.0f} {got.p99_us:>8.0f}"
        f" {got.machine_us:>9.1f} {got.own_us:>7.1f} {lost}",
        flush=True,
    )


@contextmanager
def computing() -> Iterator[None]:
    """A process that keeps the first processor to itself, as far as it is given it."""
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    os.sched_setaffinity(busy.pid, {0})
    try:
        yield
    finally:
        busy.kill()
        busy.wait(10)


def main() -> None:
    """Print the tables."""
    if os.geteuid() != 0:
        raise SystemExit("needs root: it captures")
    print("  rate watcher   answered   p50_us   p99_us mach_us/x own_us/x  reported    shed    lost marked")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with nginx(folder):
            for rate in (10_000, 20_000, 29_000, None):
                for tool in WATCHERS:
                    show(rate, tool, turn(tool, rate, folder))
            print("one processor taken:")
            with computing():
                for tool in WATCHERS:
                    show(20_000, tool, turn(tool, 20_000, folder))


if __name__ == "__main__":
    main()
