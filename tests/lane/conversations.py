"""Conversations as they are common, with all that the lane takes on and much that it does not: several at once."""

from random import Random

from pipeline.model.records import ACK, FIN, PSH, Segment
from pipeline.testing.packets import Talk, flow_key, request, response

METHODS = ("GET", "GET", "GET", "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "FOO")
TARGETS = ("", "", "?a=1", "?sig=secret", "?s%69g=x", "?", "#f", "/ä")
FIELDS = (
    "User-Agent: test/1.0", "User-Agent: t\u00e4st", "Cookie: a=b", "X-A: 1", "X-A:   2  ", "X-Empty:", "Accept: */*",
    "Upgrade: h2c", "Expect: 100-continue", "Content-Type: text/plain", "Content-Type: application/grpc-web",
)  # fmt: skip
ODD_FIELDS = (
    "X Y: 1",
    "X-Tab:\t1",
    "Host: other",
    "Content-Length: 3",
    "Transfer-Encoding: gzip",
    " folded",
    "nonsense",
    "X-A : 1",
)


def chunked(rng: Random, first_line: str, fields: list[str]) -> bytes:
    """A message whose body comes in chunks."""
    out = "\r\n".join([first_line, *fields, "Transfer-Encoding: chunked"]).encode() + b"\r\n\r\n"
    for _ in range(rng.randint(0, 4)):
        size = rng.choice((1, 10, 300, 4000))
        out += b"%x%b\r\n" % (size, rng.choice((b"", b"", b";name=value"))) + b"c" * size + b"\r\n"
    return out + rng.choice((b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nX-T: 1\r\n\r\n", b"00\r\n\r\n", b"0;x\r\n\r\n", b"0\n\n"))


def fields_of(rng: Random) -> list[str]:
    """Some fields; now and then an odd one."""
    fields = rng.sample(FIELDS, rng.choice((0, 1, 2, 4)))
    return [*fields, rng.choice(ODD_FIELDS)] if rng.random() < 0.03 else fields


def asked(rng: Random, number: int) -> tuple[bytes, str]:
    """A request, and its method."""
    method, fields = rng.choice(METHODS), fields_of(rng)
    target = f"/p/{number}{rng.choice(TARGETS)}"
    body = b"b" * rng.choice((0, 0, 10, 3000)) if method in {"POST", "PUT"} else b""
    if body and rng.random() < 0.3:
        return chunked(rng, f"{method} {target} HTTP/1.1", ["Host: a:8080", *fields]), method
    if rng.random() < 0.05:
        return f"{method} {target} HTTP/1.0\r\n\r\n".encode(), method
    host = rng.choice(("example.com", "example.com:8080", "10.0.0.2", "[::1]:80", "EXAMPLE.com:0"))
    return request(target, method=method, host=host, body=body, fields=fields), method


def answered(rng: Random, method: str) -> bytes:
    """A response to a request with this method."""
    fields = ["Server: n", *fields_of(rng)]
    if method == "HEAD":
        return b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    kind = rng.random()
    if kind < 0.2:
        return chunked(rng, "HTTP/1.1 200 OK", fields)
    if kind < 0.3:
        return b"HTTP/1.1 %b\r\nContent-Length: 7\r\n\r\n" % rng.choice((b"304 Not Modified", b"204 No Content"))
    informational = b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * rng.choice((1, 2)) if kind < 0.4 else b""
    status = rng.choice((200, 200, 200, 404, 500, 503, 600))
    return informational + response(b"x" * rng.choice((0, 5, 200, 5000, 40_000)), status=status, fields=fields)


def exchange(rng: Random, talk: Talk, number: int) -> None:
    """One exchange, whose two messages may come in many small segments or in few large ones."""
    (asks, method), talk.mss = asked(rng, number), rng.choice((1460, 1460, 60, 7, 16_000, 65_000))
    if b"100-continue" in asks and rng.random() < 0.5:
        head, _, body = asks.partition(b"\r\n\r\n")
        talk.client(head + b"\r\n\r\n").server(b"HTTP/1.1 100 Continue\r\n\r\n").client(body)
    else:
        talk.client(asks)
    talk.mss = rng.choice((1460, 1460, 60, 16_000, 65_000))
    reply = answered(rng, method)
    if rng.random() < 0.03:  # until the connection closes
        talk.server(b"HTTP/1.1 200 OK\r\n\r\nbody")
        talk.send(client=False, flags=FIN | ACK)
    elif rng.random() < 0.05 and len(reply) < 1460:
        talk.send(reply, client=False, flags=FIN | ACK | PSH)
        talk.send(client=True, flags=FIN | ACK)
    else:
        talk.server(reply)


def conversations(rng: Random, *, exchanges: int = 30) -> list[Segment]:
    """Several connections, whose exchanges follow each other in any order; some were there before the capture."""
    talks = [
        Talk(
            flow_key(client_port=2000 + number) if rng.random() < 0.8 else flow_key("fd00::1", 3000 + number, "fd00::2"),
            handshake=rng.random() < 0.8,
            client_isn=rng.choice((1000, 0xFFFFFF00)),
            acks=rng.random() < 0.5,
            step_ns=rng.choice((1000, 100_000, 50_000_000)),
        )
        for number in range(rng.randint(1, 5))
    ]
    segments: list[Segment] = []
    for number in range(rng.randint(1, exchanges)):
        talk = rng.choice(talks)
        talk.now_ns = max(talk.now_ns, segments[-1].ts_ns if segments else 0)
        if rng.random() < 0.05:
            talk.client(*(asked(rng, number + each)[0] for each in range(2)))  # pipelined
            talk.server(*(answered(rng, "GET") for _ in range(2)))
        else:
            exchange(rng, talk, number)
        if rng.random() < 0.02:
            talk.wait(rng.choice((5, 400, 1000)))
        segments += talk.segments
        talk.segments.clear()
    for talk in talks:
        match rng.randrange(4):
            case 0 | 1:
                talk.close()
            case 2:
                talk.reset(client=rng.random() < 0.5)
            case _:
                pass
        segments += talk.segments
    return segments
