"""Single connections that make decode work or hold as much as they can, each of any size: for tests and ``make bench``."""

from collections.abc import Callable

from pipeline.model.records import Segment
from pipeline.testing.packets import Talk, request, response

ONE_BYTE = b"1\r\nx\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def unanswered(size: int) -> list[Segment]:
    """A client pipelines requests that nobody answers."""
    return Talk(step_ns=1000).client(*(request(f"/{number}") for number in range(size))).segments


def unanswered_together(size: int) -> list[Segment]:
    """The same, thirty in a segment."""
    talk = Talk(step_ns=1000)
    for start in range(0, size, 30):
        talk.client(b"".join(request(f"/{number}") for number in range(start, min(size, start + 30))))
    return talk.segments


def one_byte_chunks(size: int) -> list[Segment]:
    """An answer in chunks of a byte, each in a segment of its own."""
    return Talk(step_ns=1000).client(request()).server(CHUNKED, *[ONE_BYTE] * size, b"0\r\n\r\n").close().segments


def one_byte_segments(size: int) -> list[Segment]:
    """Heads and bodies that come byte by byte."""
    talk = Talk(step_ns=1000, mss=1)
    for number in range(size // 80):
        talk.exchange(request(f"/{number}"), response(b"x"))
    return talk.close().segments


def bursts(size: int, *, depth: int = 200, lost: int = 100, client: bool = False) -> list[Segment]:
    """Bursts of requests and of their answers, with one of each second burst lost."""
    talk = Talk(step_ns=20_000)
    for burst in range(size // depth):
        for side in (True, False):
            for number in range(burst * depth, (burst + 1) * depth):
                message = request(f"/{number}") if side else response(b"x" * 50, fields=[f"X-N: {number}"])
                if number == burst * depth + lost and side == client and burst % 2:
                    talk.skip(len(message), client=side)
                else:
                    (talk.client if side else talk.server)(message)
    return talk.close().segments


def window(size: int, *, depth: int = 100) -> list[Segment]:
    """A client that always has requests under way; a response is lost early on."""
    talk = Talk(step_ns=20_000).client(*(request(f"/{number}") for number in range(depth)))
    for number in range(size):
        answer = response(b"x" * 50, fields=[f"X-N: {number}"])
        if number == depth:
            talk.skip(len(answer), client=False)
        else:
            talk.server(answer)
        talk.client(request(f"/{number + depth}"))
    return talk.close().segments


def unreadable(size: int) -> list[Segment]:
    """Two hundred requests wait while the server says what is no response."""
    talk = Talk(step_ns=1000).client(*(request(f"/{number}") for number in range(200)))
    return talk.server(response(b"x"), *[b"garbage"] * size).close().segments


def seeming_heads(size: int) -> list[Segment]:
    """Behind each request the server says what could be the beginning of a response."""
    talk = Talk(step_ns=1000).exchange(request("/"), response(b"x"))
    for number in range(size):
        talk.client(request(f"/{number}")).server(b"HTTP/1.1 ")
    return talk.close().segments


GREEDY: dict[str, Callable[[int], list[Segment]]] = {
    "pipelined requests without an answer": unanswered,
    "the same, thirty in a segment": unanswered_together,
    "chunks of a byte": one_byte_chunks,
    "segments of a byte": one_byte_segments,
    "bursts of 200, a response lost": bursts,
    "bursts of 200, the first response lost": lambda size: bursts(size, lost=0),
    "bursts of 200, a request lost": lambda size: bursts(size, client=True),
    "a window of 100, a response lost": window,
    "garbage while 200 requests wait": unreadable,
    "what could be a head, again and again": seeming_heads,
}
