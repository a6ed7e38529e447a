"""Ways to ask for ``/admin/x`` so that a list does not notice. Each is what is written, and pauses in seconds."""

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


def upgrade(protocols: bytes, more: bytes = b"", method: bytes = b"GET") -> bytes:
    """An allowed request that asks for another protocol, too."""
    return method + b" /ok HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\n" + protocols + b"\r\n" + more + b"\r\n"


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
    "fragment, then back": [get(b"/ok#/../admin/x")],
    "fragment behind the host, then back": [get(b"http://10.25.0.2#/../admin/x")],
    "fragment escaped, then back": [get(b"/ok%23/../admin/x")],
    "query escaped, then back": [get(b"/ok%3f/../admin/x")],
    "no slash in front": [get(b"admin/x")],
    "escaped slash in front": [get(b"%2fadmin/x")],
    "backslash in front": [get(b"\\admin/x")],
    "three slashes": [get(b"///admin/x")],
    "dot, two slashes": [get(b"/.//admin/x")],
    "empty segment, then back": [get(b"/admin//../x")],
    "parameter of a dot segment": [get(b"/ok/..;/admin/x")],
    "escaped backslash": [get(b"/ok%5c..%5cadmin%5cx")],
    "escaped tab": [get(b"/%09admin/x")],
    "tab": [get(b"/\tadmin/x")],
    "NUL": [get(b"/admin\0/x")],
    "line end, escaped": [get(b"/ok%0d%0aX:y")],
    "dots escaped twice": [get(b"/ok/%252e%252e/admin/x")],
    "overlong dots": [get(b"/ok/%c0%ae%c0%ae/admin/x")],
    "escape of IIS": [get(b"/ok/..%u002fadmin/x")],
    "half an escape": [get(b"/%61dmin%/x")],
    "no-break spaces": [b"GET\xa0/admin/x\xa0HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"],
    "no-break space behind the path": [b"GET /admin/x\xa0HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"],
    "scheme with one slash": [get(b"http:/admin/x")],
    "scheme with three slashes": [get(b"http:///admin/x")],
    "scheme without a name": [get(b"://10.25.0.2/admin/x")],
    "another scheme": [get(b"gopher://10.25.0.2/admin/x")],
    "absolute form, another host": [get(b"http://good.example/admin/x")],
    "absolute form, capitals, port, user": [get(b"HTTP://u@10.25.0.2:80/admin/x")],
    "long, of dot segments": [get(b"/." * 1500 + b"/admin/x")],
    "long, then back": [get(b"/" + b"a" * 700 + b"/../admin/x")],
    "deep, then back": [get(b"/a" * 100 + b"/.." * 100 + b"/admin/x")],
}

LINES: dict[str, Pieces] = {
    "method in small letters": [get(b"/admin/x", method=b"get")],
    "CONNECT with a path": [get(b"/admin/x", method=b"CONNECT")],
    "CONNECT with a host and a path": [get(b"10.25.0.2/admin/x", method=b"CONNECT")],
    "unknown method": [get(b"/admin/x", method=b"FOO")],
    "method of 40 letters": [get(b"/admin/x", method=b"A" * 40)],
    "several spaces": [b"GET   /admin/x   HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"],
    "tab for space": [b"GET\t/admin/x\tHTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"],
    "space within the target": [b"GET /ok /admin/x HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"],
    "empty lines in front": [b"\r\n\r\n\n" + PLAIN],
    "bare LF": [PLAIN.replace(b"\r\n", b"\n")],
    "LF among CRLF": [b"POST /ok HTTP/1.1\r\nHost: a\nContent-Length: %d\r\n\r\n" % len(PLAIN) + PLAIN],
    "two CR": [PLAIN.replace(b"\r\n", b"\r\r\n")],
    "bare CR": [PLAIN.replace(b"\r\n", b"\r")],
    "HTTP/0.9": [b"GET /admin/x\r\n"],
    "HTTP/1.0 without Host": [b"GET /admin/x HTTP/1.0\r\n\r\n"],
    "HTTP/1.2": [get(b"/admin/x", version=b"HTTP/1.2")],
    "two versions": [b"GET /ok HTTP/1.1 /admin/x HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"],
    "HTTP/2, as if known": [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5), PLAIN],
    "HTTP/2.0 in the line": [get(b"/admin/x", version=b"HTTP/2.0")],
    "7 KiB of headers before Host": [get(b"/admin/x", head=b"Cookie: " + b"c" * 7000 + b"\r\n" + HOST)],
    "20 KiB of headers": [get(b"/admin/x", head=b"".join(b"X-%d: " % n + b"c" * 1000 + b"\r\n" for n in range(20)) + HOST)],
    "NUL in a header's name": [get(b"/admin/x", head=b"X\0: y\r\n" + HOST)],
    "NUL in a header": [get(b"/admin/x", head=b"X: \0\r\n" + HOST)],
    "blank within a name, then a length": [post(b"X Y: z\r\nContent-Length: %d" % len(PLAIN), PLAIN)],
    "blank behind a name, then a length": [post(b"X-Some-Thing : z\r\nContent-Length: %d" % len(PLAIN), PLAIN)],
    "tab within a long name, then a length": [post(b"X-Forwarded-\tFor: z\r\nContent-Length: %d" % len(PLAIN), PLAIN)],
    "name beyond ASCII, then a length": [post(b"Caf\xe9: z\r\nContent-Length: %d" % len(PLAIN), PLAIN)],
    "DEL in a name, then a length": [post(b"Accept-\x7f: z\r\nContent-Length: %d" % len(PLAIN), PLAIN)],
    "line of a mailbox, then a length": [post(b"From me: z\r\nContent-Length: %d" % len(PLAIN), PLAIN)],
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
    "body that looks like a request": [post(b"Connection: close\r\nContent-Length: %d" % len(PLAIN), PLAIN)],
    "Expect: 100-continue, a body that looks like a request": [
        post(b"Connection: close\r\nExpect: 100-continue\r\nContent-Length: %d" % len(PLAIN), PLAIN)
    ],
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
    "tab in front of a coding": [post(b"Content-Length: 0\r\nTransfer-Encoding:\tchunked", SMUGGLED)],
    "tab behind a coding": [post(b"Transfer-Encoding: chunked\t", SMUGGLED)],
    "coding in quotes": [post(b'Transfer-Encoding: "chunked"', SMUGGLED)],
    "chunked twice": [post(CHUNKED + b", chunked", SMUGGLED)],
    "two codings": [post(CHUNKED + b"\r\nTransfer-Encoding: identity", SMUGGLED)],
    "lengths in a list": [post(b"Content-Length: 0, %d" % len(PLAIN), PLAIN)],
    "length in sixteens": [post(b"Content-Length: 0x0%x" % len(PLAIN), PLAIN)],
    "length of nothing": [post(b"Content-Length:", PLAIN)],
    "body of a GET": [FINE + b"Content-Length: %d\r\n\r\n" % len(PLAIN) + PLAIN],
    "chunked body of a GET": [FINE + CHUNKED + b"\r\n\r\n%x\r\n" % len(PLAIN) + PLAIN + b"\r\n0\r\n\r\n"],
    "body of a HEAD": [FINE.replace(b"GET", b"HEAD") + b"Content-Length: %d\r\n\r\n" % len(PLAIN) + PLAIN],
    "folded coding": [post(b"Content-Length: %d\r\nTransfer-Encoding:\r\n chunked" % len(SMUGGLED), SMUGGLED)],
    "size of a chunk with a sign": [post(CHUNKED, b"+0\r\n\r\n" + PLAIN)],
    "size of a chunk that is a request": [post(CHUNKED, b"FF; /admin/x HTTP/1.1\r\n" + HOST + b"\r\n")],
    "size of a chunk behind a blank": [post(CHUNKED, b" 0\r\n\r\n" + PLAIN)],
    "LF behind a chunk's size": [post(CHUNKED, b"0\n\r\n" + PLAIN)],
    "LF in a chunk's extension": [post(CHUNKED, b"5;\n%x\r\n0\r\n\r\n" % len(PLAIN) + PLAIN)],
    "CR in a chunk's extension": [post(CHUNKED, b"0;a\rb\r\n\r\n" + PLAIN)],
    "LF behind a chunk": [post(CHUNKED, b"5\r\nhello\n0\r\n\r\n" + PLAIN)],
    "nothing behind a chunk": [post(CHUNKED, b"5\r\nhello0\r\n\r\n" + PLAIN)],
    "another two behind a chunk": [post(CHUNKED, b"5\r\nhelloXX0\r\n\r\n" + PLAIN)],
    "trailer that is a request": [post(CHUNKED, b"0\r\n" + PLAIN)],
    "trailer behind LF": [post(CHUNKED, b"0\r\nA: b\n\n" + PLAIN)],
    "trailer behind CR": [post(CHUNKED, b"0\r\nA: b\r\rGET /admin/x HTTP/1.1\r\nHost: a\r\n\r\n")],
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
    "Upgrade: another, a request with it": [upgrade(b"Upgrade: another") + PLAIN],
    "Upgrade: another, a body, then a request as long": [
        upgrade(b"Upgrade: another", b"Content-Length: %d\r\n" % len(PLAIN), b"POST") + b"x" * len(PLAIN),
        0.2,
        PLAIN,
    ],
    "Upgrade: websocket, a request with it": [upgrade(b"Upgrade: websocket") + PLAIN],
    "Upgrade: websocket, h2c, a request with it": [upgrade(b"Upgrade: websocket\r\nUpgrade: h2c") + PLAIN],
    "Upgrade: websocket, a body, then a request as long": [
        upgrade(b"Upgrade: websocket", b"Content-Length: %d\r\n" % len(PLAIN), b"POST") + b"x" * len(PLAIN),
        0.2,
        PLAIN,
    ],
    "CONNECT, a request with it": [b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\n" + PLAIN],
    "CONNECT, then a request": [b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\n", 0.1, PLAIN],
}

BYPASSES = {**SPELLINGS, **LINES, **CUTS, **SMUGGLING}

HARMLESS = {
    "capitals",
    "headers that say another URL",
    "body that looks like a request",
    "Expect: 100-continue, a body that looks like a request",
}
"""What goes on, and is answered as another URL."""


def of(host: bytes, target: bytes = b"/ok") -> bytes:
    """A request of a host."""
    return get(target, head=b"Host: " + host + b"\r\n")


HOSTS: dict[str, bytes] = {
    "plain": of(b"evil.example"),
    "capitals": of(b"EVIL.Example"),
    "port": of(b"evil.example:80"),
    "last dot": of(b"evil.example."),
    "last dot, port": of(b"evil.example.:8080"),
    "blanks": of(b"  evil.example  "),
    "tab": of(b"\tevil.example"),
    "below it": of(b"a.b.evil.example"),
    "absolute form": of(b"evil.example", b"http://evil.example/ok"),
    "absolute form, another Host": of(b"good.example", b"http://evil.example/ok"),
    "absolute form, the other way round": of(b"evil.example", b"http://good.example/ok"),
    "absolute form, user": of(b"evil.example", b"http://good.example@evil.example/ok"),
    "absolute form, user and password": of(b"evil.example", b"http://good.example:80@evil.example:80/ok"),
    "absolute form, backslash": of(b"good.example", b"http://good.example\\@evil.example/ok"),
    "absolute form, capitals": of(b"evil.example", b"HTTP://EVIL.EXAMPLE:80/ok"),
    "user": of(b"good.example@evil.example"),
    "port and user": of(b"good.example:80@evil.example"),
    "path": of(b"good.example/@evil.example"),
    "query": of(b"evil.example?.good.example"),
    "fragment": of(b"evil.example#.good.example"),
    "escape": of(b"%65vil.example"),
    "escaped dot": of(b"evil%2eexample"),
    "ideographic full stop": of("evil\u3002example".encode()),
    "two, one behind the other": of(b"good.example evil.example"),
    "two in a list": of(b"good.example:80,evil.example"),
    "two lines": get(b"/ok", head=b"Host: good.example\r\nHost: evil.example\r\n"),
    "folded": get(b"/ok", head=b"Host:\r\n evil.example\r\n"),
    "blank in front of the colon": get(b"/ok", head=b"Host : evil.example\r\n"),
    "blank in front of the line": get(b"/ok", head=b" Host: evil.example\r\n"),
    "NUL": of(b"evil.example\0.good.example"),
    "vertical tab": of(b"evil.example\x0b"),
    "address": of(b"[2001:db8::1]"),
    "address, port": of(b"[2001:DB8::1]:80"),
    "address, zone": of(b"[2001:db8::1%25eth0]"),
    "address, not closed": of(b"[2001:db8::1"),
    "name in brackets": of(b"[evil.example]"),
    "brackets within": of(b"good[.evil.example]"),
}
"""Of ``*.evil.example`` and an address, both denied; or so that some server may think so."""
HOSTS_DENIED = ("evil.example", "*.evil.example", "[2001:db8::1]")
