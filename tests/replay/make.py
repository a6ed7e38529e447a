"""Make the captures of ``tests/replay/captures`` again: real clients and servers on loopback in a network namespace of its own.

    sudo python tests/replay/make.py [NAME ...]

Needs tcpdump, nginx, apache2-bin, curl, wget, node, go, h2load, and an interpreter with aiohttp and httpx. What is expected of
each capture is what its client saw, written beside it as JSON lines; nothing here knows httpipe.
"""

import contextlib
import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import workloads
from own_namespace import INSIDE, enter_namespace

HERE = Path(__file__).parent
CAPTURES = HERE / "captures"
PORTS = (8001, 8002, 8004, 8005, 8006, 8007)


def make_site(root: Path) -> None:
    """The files that nginx and Apache serve."""
    www = root / "www"
    for folder in ("www/dav", "www/small", "www/site/sub", "tmp"):
        (root / folder).mkdir(parents=True)
    (www / "a.txt").write_text("hello, world\n" * 10)
    (www / "b.json").write_text(json.dumps({"items": list(range(200))}))
    (www / "page.txt").write_text("".join(f"line {number} of a page that compresses well\n" for number in range(400)))
    (www / "large.bin").write_bytes(bytes(range(256)) * 4096)
    links = '<a href="one.html">1</a> <a href="sub/two.html">2</a> <a href="gone.html">3</a> <img src="dot.png">'
    (www / "site/index.html").write_text(f"<html>{links}</html>\n")
    (www / "site/one.html").write_text("<p>one</p>\n")
    (www / "site/sub/two.html").write_text('<p>two <a href="../one.html">one</a></p>\n')
    (www / "site/dot.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(700))
    subprocess.run(["chmod", "-R", "a+rwX", str(root)], check=True)


@contextlib.contextmanager
def servers(root: Path) -> Iterator[None]:
    """All of them, ready."""
    go = root / "go-server"
    subprocess.run(["go", "build", "-o", str(go), "."], cwd=HERE / "servers/go", check=True)
    commands = [
        ["nginx", "-p", str(root), "-c", str(HERE / "servers/nginx.conf")],
        ["apache2", "-X", "-C", f"Define ROOT {root}", "-f", str(HERE / "servers/apache.conf")],
        [sys.executable, "-m", "http.server", "8004", "--bind", "127.0.0.1", "--directory", str(root / "www")],
        [sys.executable, str(HERE / "servers/aio.py")],
        ["node", str(HERE / "servers/server.mjs")],
        [str(go), "serve"],
    ]
    with (root / "servers.log").open("wb") as log:
        running = [subprocess.Popen(command, stdout=log, stderr=log, cwd=root) for command in commands]
        try:
            for port in PORTS:
                wait_for(port)
            yield
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(10)


def wait_for(port: int) -> None:
    """Until the port answers."""
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


@contextlib.contextmanager
def tcpdump(path: Path, options: tuple[str, ...]) -> Iterator[None]:
    """Capture what happens inside the block."""
    command = ["tcpdump", *options, "-B", "32768", "-U", "-Z", "root", "-w", str(path), "tcp"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        if not any(b"listening" in line for line in iter(process.stderr.readline, b"")):
            raise SystemExit("tcpdump does not capture")
        try:
            yield
            time.sleep(1.5)  # the last FINs, and the kernel's last block
        finally:
            process.send_signal(signal.SIGINT)
        if not any(line.startswith(b"0 packets dropped by kernel") for line in process.stderr):
            raise SystemExit(f"tcpdump lost packets of {path.name}: run it again")


def make(case: workloads.Case, root: Path) -> None:
    """One capture and what its client saw."""
    raw = root / f"{case.name}.pcap"
    with tcpdump(raw, case.tcpdump):
        expected = case.run(root)
    target = CAPTURES / (case.name + case.suffix.removeprefix(".twice"))
    if case.suffix.endswith(".gz"):
        target.write_bytes(gzip.compress(raw.read_bytes(), mtime=0))
    elif case.suffix.endswith(".zst"):
        subprocess.run(["zstd", "-q", "-f", "-19", str(raw), "-o", str(target)], check=True)
    elif case.suffix == ".twice.pcapng":
        subprocess.run(["mergecap", "-I", "none", "-F", "pcapng", "-w", str(target), str(raw), str(raw)], check=True)
    elif case.suffix == ".pcapng":
        subprocess.run(["editcap", "-F", "pcapng", str(raw), str(target)], check=True)
    else:
        shutil.copyfile(raw, target)
    lines = "".join(json.dumps(one) + "\n" for one in expected)
    (CAPTURES / f"{case.name}.jsonl").write_text(lines)
    print(f"{target.name}: {len(expected)} exchanges, {target.stat().st_size} bytes", flush=True)  # noqa: T201


def main() -> None:
    """Make those that are named, or all."""
    if INSIDE not in os.environ:
        enter_namespace(__file__)
    subprocess.run(["ip", "link", "set", "lo", "up", "mtu", "1500"], check=True)
    wanted = sys.argv[1:] or list(workloads.CASES)
    CAPTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        make_site(root)
        with servers(root):
            for name in wanted:
                make(workloads.CASES[name], root)


if __name__ == "__main__":
    main()
