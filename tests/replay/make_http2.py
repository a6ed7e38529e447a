"""Make the captures of ``tests/replay/captures/http2`` again: HTTP/2 in clear of other people's programs, on loopback.

    sudo python tests/replay/make_http2.py [NAME ...]

Needs tcpdump, nginx, curl, nghttp, nghttpd, h2load, node with @grpc/grpc-js (NODE_PATH says where), Go, and grpcio
in this environment. What is expected is what the servers wrote down,
or what was asked of both ends; nothing here knows httpipe.
"""

# ruff: noqa: E501  configurations and JavaScript

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from own_namespace import INSIDE, enter_namespace

CAPTURES = Path(__file__).parent / "captures/http2"
SERVERS = Path(__file__).parent / "servers"
PORT = 8002
URL = f"http://127.0.0.1:{PORT}"
Truth = list[dict[str, Any]]

NGINX = """
daemon off; worker_processes 1; pid FOLDER/pid; error_log FOLDER/error.log;
events {}
http {
  access_log FOLDER/log;
  log_format j escape=json '{"method":"$request_method","path":"$uri","status":$status,"response":$body_bytes_sent,"agent":"$http_user_agent"}';
  access_log FOLDER/j.log j; client_body_temp_path FOLDER/t; proxy_temp_path FOLDER/p; fastcgi_temp_path FOLDER/f;
  uwsgi_temp_path FOLDER/u; scgi_temp_path FOLDER/s;
  server { listen 127.0.0.1:8002 http2; root FOLDER; client_max_body_size 10m;
    add_header x-cache MISS; add_header x-request-id $request_id;
    location /empty { return 204; } location /gone { return 410 "gone\\n"; } location /up { proxy_pass http://127.0.0.1:8003; } }
  server { listen 127.0.0.1:8003; access_log off; location / { return 200 "thanks\\n"; } }
}
"""
NODE = """
const http2 = require('http2'), log = [];
const tell = (method, path, status, request, response) => log.push({method, path, status, request, response});
const server = http2.createServer();
server.on('stream', (s, h) => {
  const method = h[':method'], path = h[':path'];
  let size = 0;
  s.on('data', d => size += d.length);
  s.on('error', () => {});
  s.on('end', () => {
    if (path === '/trailers') {
      s.respond({':status': 200, 'content-type': 'text/plain'}, {waitForTrailers: true});
      s.on('wantTrailers', () => s.sendTrailers({'x-sum': '42'}));
      s.end('with trailers'); tell(method, path, 200, size, 13);
    } else if (path === '/early') {
      s.additionalHeaders({':status': 103, 'link': '</a.css>'});
      s.respond({':status': 200}); s.end('later'); tell(method, path, 200, size, 5);
    } else if (path === '/push') {
      s.pushStream({':path': '/pushed'}, (e, p) => { if (!e) { p.respond({':status': 200}); p.end('pushed!'); } });
      tell('GET', '/pushed', 200, 0, 7);
      s.respond({':status': 200}); s.end('pushes'); tell(method, path, 200, size, 6);
    } else if (path === '/reset') {
      s.close(http2.constants.NGHTTP2_INTERNAL_ERROR); log.push({method, path, request: size, error: 'INTERNAL_ERROR'});
    } else {
      const n = parseInt(path.slice(1)) || 10;
      s.respond({':status': n % 7 ? 200 : 404, 'x-n': String(n)}); s.end('y'.repeat(n)); tell(method, path, n % 7 ? 200 : 404, size, n);
    }
  });
});
server.listen(8002, '127.0.0.1', () => {
  const c = http2.connect('http://127.0.0.1:8002', {paddingStrategy: http2.constants.PADDING_STRATEGY_MAX});
  c.on('stream', p => { p.resume(); });
  const asks = [['/trailers', 0], ['/early', 0], ['/push', 0], ['/reset', 0], ['/up', 5000]];
  for (let i = 1; i < 40; i++) asks.push(['/' + i * 37, i % 5 ? 0 : i]);
  let at = 0, open = 0;
  const next = () => {
    while (at < asks.length && open < 6) {
      const [path, size] = asks[at++]; open++;
      const r = c.request({':path': path, ':method': size ? 'POST' : 'GET', 'user-agent': 'node', 'x-id': 'a' + at}, {endStream: !size});
      if (size) r.end('x'.repeat(size));
      r.resume(); r.on('error', () => {}); r.on('close', () => { open--; next(); });
    }
    if (at === asks.length && !open) c.close(() => { server.close(); console.log(JSON.stringify(log)); });
  };
  next();
});
"""


@contextmanager
def nginx(folder: Path) -> Iterator[None]:
    """A server of files."""
    (folder / "small").write_bytes(b"s" * 20)
    (folder / "large").write_bytes(b"l" * 60_000)
    (folder / "nginx.conf").write_text(NGINX.replace("FOLDER", str(folder)))
    folder.chmod(0o777)
    process = subprocess.Popen(["/usr/sbin/nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
    until_open()
    try:
        yield
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(10)


def until_open() -> None:
    """Wait for the server."""
    for _ in range(200):
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", PORT)):
                return
        time.sleep(0.05)
    raise TimeoutError("nobody listens")


def of_nginx(*commands: list[str]) -> Callable[[Path], Truth]:
    """What nginx says of what these clients asked."""

    def case(folder: Path) -> Truth:
        with nginx(folder):
            for command in commands:
                subprocess.run(command, cwd=folder, check=False, capture_output=True, timeout=20)
        return [json.loads(line) for line in (folder / "j.log").read_text().splitlines()]

    return case


def of_node(folder: Path) -> Truth:
    """Both ends in one process."""
    (folder / "main.js").write_text(NODE)
    done = subprocess.run(["node", "main.js"], cwd=folder, check=True, capture_output=True, timeout=30)
    truth: Truth = json.loads(done.stdout)
    return truth


def of_grpc(folder: Path) -> Truth:  # noqa: ARG001, C901  as the others; a handler of each kind
    """gRPC's C core at both ends: every kind of call, and failures of two kinds."""
    import grpc  # noqa: PLC0415  only here

    def raw(data: bytes) -> bytes:
        return data

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, call: Any) -> Any:
            def unary(request: bytes, context: Any) -> bytes:
                if request == b"fail":
                    context.abort(grpc.StatusCode.NOT_FOUND, "nothing here")
                return request * 2

            def server_stream(request: bytes, context: Any) -> Iterator[bytes]:
                for number in range(5):
                    yield bytes([number]) * len(request)
                if request == b"fail":
                    context.abort(grpc.StatusCode.DATA_LOSS, "in the middle")

            def client_stream(requests: Any, context: Any) -> bytes:  # noqa: ARG001
                return b"".join(requests)

            def bidi(requests: Any, context: Any) -> Iterator[bytes]:  # noqa: ARG001
                yield from requests

            kind = call.method.rpartition("/")[2]
            handlers = {
                "Unary": grpc.unary_unary_rpc_method_handler(unary, raw, raw),
                "Server": grpc.unary_stream_rpc_method_handler(server_stream, raw, raw),
                "Client": grpc.stream_unary_rpc_method_handler(client_stream, raw, raw),
                "Bidi": grpc.stream_stream_rpc_method_handler(bidi, raw, raw),
            }
            return handlers.get(kind)

    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Handler()])
    server.add_insecure_port(f"127.0.0.1:{PORT}")
    server.start()
    truth: Truth = []

    def say(method: str, code: int, asked: list[int], answered: list[int]) -> None:
        truth.append({"method": "POST", "path": f"/test.Echo/{method}", "code": code, "asked": asked, "answered": answered})

    with grpc.insecure_channel(f"127.0.0.1:{PORT}") as channel:
        for number in range(4):
            size = number * 30 + 1
            channel.unary_unary("/test.Echo/Unary", raw, raw)(b"a" * size)
            say("Unary", 0, [size], [2 * size])
            list(channel.unary_stream("/test.Echo/Server", raw, raw)(b"b" * size))
            say("Server", 0, [size], [size] * 5)
            channel.stream_unary("/test.Echo/Client", raw, raw)(iter([b"c" * size] * 3))
            say("Client", 0, [size] * 3, [3 * size])
            list(channel.stream_stream("/test.Echo/Bidi", raw, raw)(iter([b"d" * 20_000, b"e" * size])))
            say("Bidi", 0, [20_000, size], [20_000, size])
            for method, call, code, answered in (
                ("Unary", channel.unary_unary, 5, []),
                ("None", channel.unary_unary, 12, []),
                ("Server", channel.unary_stream, 15, [4] * 5),
            ):
                try:
                    list(call(f"/test.Echo/{method}", raw, raw)(b"fail"))
                except grpc.RpcError:
                    say(method, code, [4], answered)
    server.stop(1).wait()
    return truth


def go(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """A program of Go's gRPC and of its servers."""
    subprocess.run(["go", "build", "-o", str(folder / "calls"), "."], cwd=SERVERS / "grpc-go", check=True, timeout=300)
    return subprocess.Popen([str(folder / "calls"), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def of_go_grpc(folder: Path) -> Truth:
    """Both ends are Go's."""
    out, _ = go(folder, "grpc", f"127.0.0.1:{PORT}").communicate(timeout=60)
    return [json.loads(line) for line in out.splitlines()]


def of_grpc_node(folder: Path) -> Truth:
    """Both ends are node's."""
    (folder / "calls.js").write_text((SERVERS / "grpc-node.js").read_text())
    done = subprocess.run(["node", "calls.js", f"127.0.0.1:{PORT}"], cwd=folder, check=True, capture_output=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


UPGRADED = ["curl", "-s", "-o", "out", "--http2"]


def of_go_h2c(folder: Path) -> Truth:
    """Go's server, to which clients upgrade (RFC 7540, section 3.2) or not."""
    server = go(folder, "h2c", f"127.0.0.1:{PORT}")
    until_open()
    for command in (
        [*UPGRADED, f"{URL}/one", f"{URL}/two?times=xxx", f"{URL}/trailers"],
        [*UPGRADED, "-d", "x" * 500, f"{URL}/up"],
        [*UPGRADED, "-I", f"{URL}/missing"],
        ["nghttp", "-n", "-u", f"{URL}/one", f"{URL}/two"],
        ["nghttp", "-n", "-H", "user-agent: z", f"{URL}/trailers", f"{URL}/missing"],
        ["curl", "-s", "-o", "out", f"{URL}/plain"],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=20)
    out, _ = server.communicate(timeout=10)
    truth = [json.loads(line) for line in out.splitlines()]
    for each in truth:
        if each["method"] == "HEAD":
            each["response"] = 0
    upgrades: Truth = []
    for path, method, agent in (
        ("/one", "GET", "curl"),
        ("/up", "POST", "curl"),
        ("/missing", "HEAD", "curl"),
        ("/one", "GET", "nghttp2"),
    ):
        full = next(each["agent"] for each in truth if each["agent"].startswith(agent))
        size = 500 if method == "POST" else 0
        upgrades.append(
            {"method": method, "path": path, "status": 101, "request": size, "response": 0, "agent": full, "version": "1.1"}
        )
    return truth + upgrades


def of_nghttpd(folder: Path) -> Truth:
    """nghttpd: pushes, trailers of both ends, padding, uploads, a small table, and each header block without compression."""
    (folder / "small").write_bytes(b"s" * 20)
    (folder / "style.css").write_bytes(b"c" * 300)
    (folder / "data").write_bytes(b"d" * 3000)
    server = subprocess.Popen(
        ["nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", str(folder), "-p", "/small=/style.css", "--trailer", "x-sum: 9", "-b", "50",
         "--encoder-header-table-size", "200", str(PORT)],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    until_open()
    truth: Truth = []

    def ask(
        *options: str, paths: tuple[str, ...], method: str = "GET", size: int = 0, pushed: bool = True, times: int = 1
    ) -> None:
        subprocess.run(
            ["nghttp", "-n", *options, *(URL + path for path in paths)], cwd=folder, check=True, capture_output=True, timeout=20
        )
        for path in paths * times:
            truth.append(
                {"method": method, "path": path, "status": 200, "request": size, "response": {"/small": 20}.get(path, 300)}
            )
            if path == "/small" and pushed:
                truth.append({"method": "GET", "path": "/style.css", "status": 200, "request": 0, "response": 300})

    ask(paths=("/small", "/style.css"))
    ask("-c", "0", "--encoder-header-table-size", "0", paths=("/small",))
    ask("-d", "data", "--trailer", "x-last: 1", paths=("/style.css",), method="POST", size=3000)
    ask("--no-push", "-m", "4", "-b", "30", paths=("/small", "/style.css"), pushed=False, times=4)
    server.send_signal(signal.SIGTERM)
    server.wait(10)
    return truth


CURL = ["curl", "-s", "-o", "out", "--http2-prior-knowledge"]
CASES: dict[str, Callable[[Path], Truth]] = {
    "curl-nginx": of_nginx(
        *([*CURL, f"{URL}/{path}"] for path in ("small", "empty", "missing?x=1", "large")),
        [*CURL, "-I", f"{URL}/small"],
        [*CURL, "-d", "x" * 3000, f"{URL}/up"],
    ),
    "nghttp-nginx": of_nginx(
        ["nghttp", "-n", "-m", "3", "-H", "x-a: b", "-b", "100", f"{URL}/small", f"{URL}/gone", f"{URL}/empty", f"{URL}/small?2"]
    ),
    "h2load-nginx": of_nginx(["h2load", "-n", "40", "-c", "2", "-m", "7", f"{URL}/small", f"{URL}/gone", f"{URL}/missing"]),
    "node": of_node,
    "grpcio": of_grpc,
    "grpc-go": of_go_grpc,
    "grpc-node": of_grpc_node,
    "go-upgrade": of_go_h2c,
    "nghttpd": of_nghttpd,
}


def capture(name: str, case: Callable[[Path], Truth]) -> None:
    """One capture, and what is expected of it."""
    with tempfile.TemporaryDirectory() as folder:
        pcap = CAPTURES / f"{name}.pcap"
        command = [
            "tcpdump",
            "-i",
            "lo",
            "--immediate-mode",
            "-U",
            "-B",
            "16384",
            "-s",
            "0",
            "-w",
            str(pcap),
            "tcp",
            "port",
            str(PORT),
        ]
        tcpdump = subprocess.Popen(command, stderr=subprocess.PIPE)
        assert tcpdump.stderr is not None
        while b"listening on" not in tcpdump.stderr.readline():
            pass
        truth = case(Path(folder))
        time.sleep(0.5)
        tcpdump.send_signal(signal.SIGINT)
        tcpdump.wait(10)
    (CAPTURES / f"{name}.json").write_text("".join(json.dumps(each) + "\n" for each in truth))
    print(name, len(truth), "exchanges,", pcap.stat().st_size, "bytes")  # noqa: T201  a script


def main() -> None:
    """Those that are named, or all."""
    if not os.environ.get(INSIDE):
        enter_namespace(__file__)
    subprocess.run(["ip", "link", "set", "lo", "mtu", "1500", "up"], check=True)
    CAPTURES.mkdir(exist_ok=True)
    for name in sys.argv[1:] or CASES:
        capture(name, CASES[name])


if __name__ == "__main__":
    main()
