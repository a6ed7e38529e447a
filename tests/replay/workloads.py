"""What clients do in each capture of the corpus, and what they saw of it: the expected exchanges, in OpenTelemetry's names."""

import asyncio
import http.client
import json
import re
import socket
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import httpx

Expected = dict[str, Any]
HERE = Path(__file__).parent
NGINX, APACHE, AIO = "http://127.0.0.1:8001", "http://127.0.0.1:8002", "http://127.0.0.1:8005"


@dataclass(frozen=True)
class Case:
    """One capture: its name, what runs, how tcpdump captures, how the file is stored."""

    name: str
    run: Callable[[Path], list[Expected]]
    tcpdump: tuple[str, ...]
    suffix: str


CASES: dict[str, Case] = {}
Run = Callable[[Path], list[Expected]]


def case(*tcpdump: str, suffix: str = ".pcap") -> Callable[[Run], Run]:
    """Register a workload under its function's name."""

    def register(run: Run) -> Run:
        name = run.__name__.replace("_", "-")
        CASES[name] = Case(name, run, tcpdump or ("-i", "lo"), suffix)
        return run

    return register


def seen(
    method: str | None, target: str | None, status: int | None, *, request: int = 0, response: int | None = 0, **more: Any
) -> Expected:
    """An exchange as a client saw it; body sizes as transferred, after dechunking. A ``response`` of None is not stated."""
    fields = {
        "http.request.method": method,
        "httpipe.request.target": target,
        "http.response.status_code": status,
        "network.protocol.version": more.pop("version", "1.1"),
        "http.request.body.size": request,
        "http.response.body.size": response,
        "httpipe.marks": more.pop("marks", []),
    }
    if response is None:
        del fields["http.response.body.size"]
    return fields | more


def curl(*arguments: str, urls: tuple[str, ...]) -> list[tuple[int, int]]:
    """Fetch, one connection as far as curl keeps it. Status and size of each body, as they came over the wire."""
    outputs = [part for url in urls for part in ("-o", "/dev/null", url)]
    command = ["curl", "-s", "-w", "%{http_code} %{size_download}\n", *arguments, *outputs]
    text = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout
    return [(int(status), int(size)) for status, size in re.findall(r"^(\d{3}) (\d+)$", text, re.MULTILINE)]


def fetched(*targets: str, base: str = NGINX, arguments: tuple[str, ...] = (), method: str = "GET") -> list[Expected]:
    """GETs with curl and what it saw."""
    results = curl(*arguments, urls=tuple(base + target for target in targets))
    return [seen(method, target, status, response=size) for target, (status, size) in zip(targets, results, strict=True)]


@case()
def curl_nginx_keepalive(_root: Path) -> list[Expected]:
    """Three files over one connection, one of them missing."""
    return fetched("/a.txt?first=1", "/b.json", "/missing")


@case("-i", "lo", "-s", "450")
def curl_nginx_snaplen(_root: Path) -> list[Expected]:
    """The same with packets cut after 450 bytes: all heads are whole, sizes come from the lengths, and the cut body is a gap."""
    first, second, third = fetched("/a.txt", "/b.json", "/a.txt")
    return [first, second | {"httpipe.marks": ["gap"]}, third]


@case("-i", "lo", "-s", "250")
def curl_nginx_snaplen_heads(_root: Path) -> list[Expected]:
    """Cut after 250 bytes: the heads of the answers are cut, which is said."""
    found = fetched("/a.txt", "/b.json", "/a.txt")
    return [seen(one["http.request.method"], one["httpipe.request.target"], 200, response=None, marks=["gap"]) for one in found]


@case("-i", "any")
def curl_nginx_any(_root: Path) -> list[Expected]:
    """Captured on ``any``: Linux's cooked link."""
    return fetched("/a.txt", "/b.json", "/missing")


@case(suffix=".twice.pcapng")
def curl_nginx_twice(_root: Path) -> list[Expected]:
    """Every packet on two interfaces, as a bridge and its port would show it: each exchange once all the same."""
    return fetched("/a.txt", "/b.json", "/missing")


@case(suffix=".pcapng")
def curl_nginx_ipv6(_root: Path) -> list[Expected]:
    """Over IPv6, stored as pcapng."""
    return fetched("/a.txt", "/b.json", base="http://[::1]:8001", arguments=("-g",))


@case()
def curl_nginx_gzip(_root: Path) -> list[Expected]:
    """Compressed while it is sent, so chunked; then the same without."""
    compressed = fetched("/gzip/page.txt", "/gzip/b.json", arguments=("-H", "Accept-Encoding: gzip"))
    return compressed + fetched("/gzip/page.txt")


@case()
def curl_apache_brotli_deflate(_root: Path) -> list[Expected]:
    """Both of Apache's codings, over HTTP/1.1 and until close over HTTP/1.0."""
    brotli = fetched("/page.txt", base=APACHE, arguments=("-H", "Accept-Encoding: br"))
    deflate = fetched("/page.txt", base=APACHE, arguments=("-H", "Accept-Encoding: gzip"))
    old = fetched("/page.txt", base=APACHE, arguments=("-0", "-H", "Accept-Encoding: br"))
    return brotli + deflate + [one | {"network.protocol.version": "1.0"} for one in old]


@case()
def curl_nginx_conditional(_root: Path) -> list[Expected]:
    """HEAD, then 304, 206, 416 and 412, none of which has the body that its length speaks of."""
    head = fetched("/b.json", arguments=("-I",), method="HEAD")
    fresh = fetched("/b.json", arguments=("-H", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"))
    part = fetched("/b.json", "/a.txt", arguments=("-r", "10-29"))
    beyond = fetched("/a.txt", arguments=("-r", "5000-"))
    stale = fetched("/a.txt", arguments=("-H", "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT"))
    return [head[0] | {"http.response.body.size": 0}, *fresh, *part, *beyond, *stale]


@case()
def curl_nginx_expect_continue(root: Path) -> list[Expected]:
    """An upload that waits for 100, then one that does not, then DELETE."""
    upload = root / "upload.bin"
    upload.write_bytes(b"0123456789" * 3000)
    expecting = ("-H", "Expect: 100-continue", "-T", str(upload))
    first = curl(*expecting, urls=(NGINX + "/dav/one.bin",))
    second = curl("-T", str(upload), "-H", "Expect:", urls=(NGINX + "/dav/one.bin",))
    third = curl("-X", "DELETE", urls=(NGINX + "/dav/one.bin",))
    return [
        seen("PUT", "/dav/one.bin", first[0][0], request=30_000, response=first[0][1]),
        seen("PUT", "/dav/one.bin", second[0][0], request=30_000, response=second[0][1]),
        seen("DELETE", "/dav/one.bin", third[0][0], response=third[0][1]),
    ]


@case()
def curl_nginx_expect_refused(root: Path) -> list[Expected]:
    """The answer to an upload comes before the upload: 413, and the body is never sent."""
    upload = root / "refused.bin"
    upload.write_bytes(b"0123456789" * 3000)
    result = curl("-H", "Expect: 100-continue", "-T", str(upload), urls=(NGINX + "/small/x.bin",))
    return [seen("PUT", "/small/x.bin", result[0][0], response=result[0][1]) | {"httpipe.marks": None}]


@case()
def curl_nginx_methods(_root: Path) -> list[Expected]:
    """Methods with and without a meaning to the server."""
    names = ("OPTIONS", "PATCH", "PROPFIND", "QUERY", "TRACE", "BREW")
    found = []
    for name in names:
        ((status, size),) = curl("-X", name, urls=(NGINX + "/a.txt",))
        one = seen(name, "/a.txt", status, response=size)
        found.append(one if name != "BREW" else one | {"http.request.method": "_OTHER", "http.request.method_original": name})
    return found


@case(suffix=".pcap.zst")
def curl_nginx_large(_root: Path) -> list[Expected]:
    """A megabyte, then a small file on the same connection."""
    return fetched("/large.bin", "/a.txt")


@case()
def curl_apache_proxy(_root: Path) -> list[Expected]:
    """Absolute form to a proxy and origin form behind it, then CONNECT; HTTP in the tunnel is seen on both sides."""
    ((status, size),) = curl("-x", APACHE, urls=(NGINX + "/a.txt",))
    ((inner, inner_size),) = curl("-p", "-x", APACHE, urls=(NGINX + "/b.json",))
    return [
        seen("GET", NGINX + "/a.txt", status, response=size),
        seen("GET", "/a.txt", status, response=size),
        seen("CONNECT", "127.0.0.1:8001", 200, version="1.1"),
        seen("GET", "/b.json", inner, response=inner_size),
        seen("GET", "/b.json", inner, response=inner_size),
    ]


@case()
def wget_apache_site(_root: Path) -> list[Expected]:
    """A site with links, an image and a page that is gone; wget reads robots.txt first."""
    command = ["wget", "-r", "-l", "2", "-nv", "-P", str(_root / "wget"), APACHE + "/site/"]
    subprocess.run(command, capture_output=True, timeout=30, check=False)
    www = _root / "www/site"
    missing = {"http.response.status_code": 404}
    size = {name: (www / name).stat().st_size for name in ("index.html", "one.html", "sub/two.html", "dot.png")}
    return [
        seen("GET", "/robots.txt", 404, response=None) | missing,
        seen("GET", "/site/", 200, response=size["index.html"]),
        seen("GET", "/site/one.html", 200, response=size["one.html"]),
        seen("GET", "/site/sub/two.html", 200, response=size["sub/two.html"]),
        seen("GET", "/site/gone.html", 404, response=None) | missing,
        seen("GET", "/site/dot.png", 200, response=size["dot.png"]),
    ]


@case()
def httpclient_python_server(_root: Path) -> list[Expected]:
    """Python to Python: HTTP/1.0 answers that end with the connection, a method that the server lacks, a redirect."""
    found = []
    for method, target, body in (
        ("GET", "/a.txt", None),
        ("HEAD", "/a.txt", None),
        ("GET", "/site", None),
        ("POST", "/a.txt", b"key=value"),
        ("GET", "/none%20such?%C3%A9=1", None),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", 8004, timeout=10)
        connection.request(method, target, body)
        answer = connection.getresponse()
        size = len(answer.read())
        found.append(seen(method, target, answer.status, request=len(body or b""), response=size))
        connection.close()
    return found


def raw(port: int, data: bytes, *, wait: float = 0.5) -> bytes:
    """Send bytes as they are and read until the server is silent or done."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(data)
        connection.settimeout(wait)
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except TimeoutError:
            pass
    return received


@case()
def socket_nginx_pipelined(root: Path) -> list[Expected]:
    """Six requests in one write, HEAD and a missing page among them."""
    requests = [
        ("GET", "/a.txt"),
        ("HEAD", "/b.json"),
        ("GET", "/b.json"),
        ("GET", "/no"),
        ("GET", "/page.txt"),
        ("GET", "/a.txt?last"),
    ]
    answer = raw(8001, b"".join(f"{method} {target} HTTP/1.1\r\nHost: x.example\r\n\r\n".encode() for method, target in requests))
    statuses = [int(code) for code in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]
    missing = int(re.findall(rb"404 Not Found\r\n(?:.*\r\n)*?Content-Length: (\d+)", answer)[0])
    sizes = [(root / "www/a.txt").stat().st_size, 0, (root / "www/b.json").stat().st_size, missing]
    sizes += [(root / "www/page.txt").stat().st_size, sizes[0]]
    return [
        seen(method, target, status, response=size)
        for (method, target), status, size in zip(requests, statuses, sizes, strict=True)
    ]


@case()
def socket_nginx_odd_heads(_root: Path) -> list[Expected]:
    """Bare LF, no space after the colon, an empty field; then two Hosts, which nginx refuses."""
    raw(8001, b"GET /a.txt HTTP/1.1\nHost:x.example\nX-Empty:\n\n")
    broken = raw(8001, b"GET /a.txt HTTP/1.1\r\nHost: x.example\r\nHost: y.example\r\n\r\n")
    size = len(broken.partition(b"\r\n\r\n")[2])
    return [
        seen("GET", "/a.txt", 200, response=130) | {"httpipe.marks": None},
        seen("GET", "/a.txt", 400, response=size) | {"httpipe.marks": None},
    ]


@case()
def socket_nginx_blank_lines(_root: Path) -> list[Expected]:
    """Blank lines before a request, which a server should ignore (RFC 9112, section 2.2)."""
    raw(8001, b"\r\nGET /a.txt HTTP/1.1\r\nHost: x.example\r\n\r\n\r\n\r\nGET /a.txt?2 HTTP/1.1\r\nHost: x.example\r\n\r\n")
    return [
        seen("GET", "/a.txt", 200, response=130) | {"httpipe.marks": None},
        seen("GET", "/a.txt?2", 200, response=130) | {"httpipe.marks": None},
    ]


@case()
def socket_nginx_http09(_root: Path) -> list[Expected]:
    """A request without a version: the answer is a body and nothing else."""
    answer = raw(8001, b"GET /a.txt\r\n")
    return [seen("GET", "/a.txt", None, response=len(answer), version="0.9") | {"httpipe.marks": None}]


@case()
def socket_nginx_client_resets(_root: Path) -> list[Expected]:
    """The client has enough after the first bytes of a large answer and resets."""
    with socket.create_connection(("127.0.0.1", 8001), 5) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /large.bin HTTP/1.1\r\nHost: x.example\r\n\r\n")
        connection.recv(1024)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one = seen("GET", "/large.bin", 200, response=None)
    return [one | {"httpipe.marks": None, "error.type": "reset"}]


@case()
def aiohttp_concurrent(_root: Path) -> list[Expected]:
    """Sixteen connections at once: chunks of different number, posts that come back compressed, an exception."""

    async def run() -> list[Expected]:
        async with aiohttp.ClientSession(auto_decompress=False) as session:

            async def get(target: str) -> Expected:
                async with session.get(AIO + target) as answer:
                    return seen("GET", target, answer.status, response=len(await answer.read()))

            async def post(number: int) -> Expected:
                body = b"%d " % number * 500
                async with session.post(f"{AIO}/echo?n={number}", data=body) as answer:
                    size = len(await answer.read())
                return seen("POST", f"/echo?n={number}", answer.status, request=len(body), response=size)

            gets = [get(f"/chunks?n={number}") for number in range(1, 8)]
            return list(await asyncio.gather(*gets, *map(post, range(8)), get("/fail")))

    return asyncio.run(run())


@case()
def aiohttp_websocket(_root: Path) -> list[Expected]:
    """An upgrade and three messages: one exchange, and then it is WebSocket."""

    async def run() -> int:
        async with aiohttp.ClientSession() as session, session.ws_connect(AIO + "/ws?room=1") as talk:
            for word in ("one", "two", "three" * 100):
                await talk.send_str(word)
                assert (await talk.receive_str()) == word.upper()
        return 101

    return [seen("GET", "/ws?room=1", asyncio.run(run()), **{"network.protocol.name": "websocket"})]


@case()
def aiohttp_no_answer(_root: Path) -> list[Expected]:
    """A server that hangs up instead of answering, and one that breaks off in the middle."""
    raw(8005, b"GET /hang-up HTTP/1.1\r\nHost: x.example\r\n\r\n")
    raw(8005, b"GET /half HTTP/1.1\r\nHost: x.example\r\n\r\n")
    none = seen("GET", "/hang-up", None, response=None) | {"httpipe.marks": ["unmatched_request"]}
    return [none, seen("GET", "/half", 200, response=None) | {"httpipe.marks": None}]


@case()
def httpx_streamed_upload(_root: Path) -> list[Expected]:
    """A chunked upload over a connection that is kept, then a form."""
    with httpx.Client(base_url=AIO, headers={"Accept-Encoding": "identity"}) as client:
        chunked = client.post("/echo", content=(b"piece %d " % number for number in range(100)))
        form = client.post("/echo?form", data={"name": "J. Doe", "text": "ä" * 100})
    size = sum(len(b"piece %d " % number) for number in range(100))
    return [
        seen("POST", "/echo", chunked.status_code, request=size, response=len(chunked.content)),
        seen("POST", "/echo?form", form.status_code, request=len(form.request.content), response=len(form.content)),
    ]


def printed(*command: str, cwd: Path | None = None) -> list[Expected]:
    """What a client in another language printed."""
    text = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, cwd=cwd).stdout
    lines = [json.loads(line) for line in text.splitlines()]
    return [seen(one["method"], one["target"], one["status"], request=one["request"], response=one["response"]) for one in lines]


@case()
def node_node(_root: Path) -> list[Expected]:
    """Node to Node: early hints, trailers, chunked uploads, the asterisk form, one connection."""
    return printed("node", str(HERE / "servers/client.mjs"))


@case(suffix=".pcap.gz")
def go_go(_root: Path) -> list[Expected]:
    """Go to Go: 103 and 102 before 200, a streamed answer, a redirected upload, an error, HEAD."""
    return printed("go", "run", ".", cwd=HERE / "servers/go")


@case()
def h2load_nginx(_root: Path) -> list[Expected]:
    """Sixty requests over four connections, as fast as they go."""
    subprocess.run(["h2load", "--h1", "-n", "60", "-c", "4", NGINX + "/a.txt"], capture_output=True, timeout=60, check=True)
    return [seen("GET", "/a.txt", 200, response=130) for _ in range(60)]
