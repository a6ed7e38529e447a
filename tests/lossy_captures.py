"""Connections over a simulated network, captured at any place of it with segments lost; and what decode makes of them.

The network is reliable, as TCP is; only the capture loses. So what every request was answered with is known. Time is in
nanoseconds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from random import Random

from pipeline.decode import DecodeOptions, Decoder
from pipeline.model.events.exchange import Exchange
from pipeline.model.records import ACK, FIN, PSH, RST, SYN, FlowKey, Segment, reverse
from pipeline.testing.packets import START_NS, flow_key, request, response

MASK = 0xFFFFFFFF
OPTIONS = DecodeOptions(response_headers=("X-N",))
CLIENTS = ("waits", "batches", "window")
"""How a client sends: a request at a time; so many, and the next ones when all are answered; always so many under way."""
LOSS_MARKS = {"gap", "unmatched_request", "unmatched_response", "size_estimated"}


@dataclass
class Side:
    """One end: what it has sent and received, and where its messages begin."""

    isn: int
    sent: int = 0
    received: int = 0
    starts: list[tuple[int, int]] = field(default_factory=list)
    """Offset of its first byte, number: of each message."""


@dataclass
class Capture:
    """Segments in the order of the capture, the exchanges that each has bytes of, sizes of bodies, and who got no answer."""

    segments: list[Segment]
    owners: list[set[int]]
    sizes: dict[int, tuple[int, int]]
    unanswered: set[int]


def disordered(capture: Capture, rng: Random) -> Capture:
    """The same with every third segment behind those of the next millisecond, and with some segments twice."""
    order = list(range(len(capture.segments)))
    for place in range(len(order) - 1):
        late, early = (capture.segments[order[each]].ts_ns for each in (place, place + 1))
        if early - late < 1_000_000 and rng.random() < 0.3:
            order[place], order[place + 1] = order[place + 1], order[place]
    order = [place for place in order for _ in range(1 + (rng.random() < 0.1))]
    segments, owners = [capture.segments[place] for place in order], [capture.owners[place] for place in order]
    return Capture(segments, owners, capture.sizes, capture.unanswered)


class Network:
    """One connection between a client of some kind and a server that answers in order."""

    def __init__(self, rng: Random, kind: str, exchanges: int, key: FlowKey | None = None) -> None:
        self.rng = rng
        self.kind = kind
        self.exchanges = exchanges
        self.key = key or flow_key(client_port=rng.randrange(1024, 65536))
        self.depth = 1 if kind == "waits" else rng.choice((2, 3, 4, 8, 16))
        self.latency = rng.choice((20_000, 500_000, 20_000_000))
        self.place = rng.choice((0.0, 0.5, 1.0))  # of the capture: at the client, in between, at the server
        self.think = rng.choice((1_000, 100_000, 5_000_000))
        self.mss = rng.choice((300, 1460, 16_000))
        self.joined = rng.random() < 0.5  # writes that happen at once share segments
        self.ends = rng.choice(("client", "server", "reset", "capture")) if rng.random() < 0.3 else "client"
        self.now = 0
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._ties = count()
        self._last = {True: 0, False: 0}
        self.seen: list[tuple[int, int, Segment, set[int]]] = []
        self.sides = {True: Side(rng.randrange(1 << 32)), False: Side(rng.randrange(1 << 32))}
        self.sizes: dict[int, tuple[int, int]] = {}
        self.asked: list[tuple[int, int, bytes]] = []  # number, offset behind its request, response
        self.next_request = self.answered = self.read = 0
        self.ends_of_responses: list[int] = []
        self.busy = False

    def run(self) -> Capture:
        """Play it to its end."""
        self._send(b"", SYN, client=True)
        self._send(b"", SYN | ACK, client=False)
        self._send(b"", ACK, client=True)
        self._at(3 * self.latency, self._ask)
        while self._events:
            self.now, _, action = heappop(self._events)
            action()
        self.seen.sort(key=lambda each: each[:2])
        unanswered = {number for number, _, _ in self.asked[self.answered :]}
        return Capture([each[2] for each in self.seen], [each[3] for each in self.seen], self.sizes, unanswered)

    # -- the two ends ----------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        outstanding = self.next_request - self.read
        room = self.depth - outstanding if self.kind == "window" or not outstanding else 0
        data = b""
        while room > 0 and self.next_request < self.exchanges:
            number, message = self.next_request, self._request(self.next_request)
            self.next_request += 1
            room -= 1
            side = self.sides[True]
            side.starts.append((side.sent + len(data), number))
            reply = self._response(number, message)
            early = message.startswith(b"POST") and self.rng.random() < 0.2  # answered before the body is there
            needed = message.index(b"\r\n\r\n") + 4 if early else len(message)
            self.asked.append((number, side.sent + len(data) + needed, reply))
            data += message
            if not self.joined:
                self._write(data, client=True)
                data = b""
        if data:
            self._write(data, client=True)
        if self.read == self.exchanges and self.ends == "client":
            self._send(b"", FIN | ACK, client=True)
            self._at(self.latency, lambda: self._send(b"", FIN | ACK, client=False))
            self._at(2 * self.latency, lambda: self._send(b"", ACK, client=True))

    def _request(self, number: int) -> bytes:
        rng = self.rng
        method = rng.choice(("GET", "GET", "GET", "HEAD", "POST"))
        body = b"b" * rng.choice((10, 1000, 5000)) if method == "POST" else b""
        fields = ["X-Pad: " + "p" * rng.randrange(200)]
        if number == self.exchanges - 1 and self.ends == "server":
            fields.append("Connection: close")
        self.sizes[number] = (len(body), 0)
        if body and rng.random() < 0.3:
            lines = "\r\n".join([f"POST /{number} HTTP/1.1", "Host: example.com", *fields, "Transfer-Encoding: chunked"])
            return b"%b\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (lines.encode(), len(body), body)
        return request(f"/{number}", method=method, body=body, fields=fields)

    def _response(self, number: int, message: bytes) -> bytes:
        rng = self.rng
        asked = self.sizes[number][0]
        size = rng.choice((0, 50, 50, 2000, 6000))
        if message.startswith(b"HEAD"):
            return b"HTTP/1.1 200 OK\r\nX-N: %d\r\nContent-Length: %d\r\n\r\n" % (number, size)
        if rng.random() < 0.1:
            return b"HTTP/1.1 304 Not Modified\r\nX-N: %d\r\nContent-Length: %d\r\n\r\n" % (number, size)
        self.sizes[number] = (asked, size)
        if message.startswith(b"POST") and rng.random() < 0.3:
            return b"HTTP/1.1 100 Continue\r\n\r\n" + response(b"x" * size, fields=[f"X-N: {number}"])
        if rng.random() < 0.2 and size:
            half = b"%x\r\n%b\r\n" % (size // 2, b"y" * (size // 2))
            return b"HTTP/1.1 200 OK\r\nX-N: %d\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % (number, 2 * half)
        return response(b"x" * size, fields=[f"X-N: {number}"])

    def _serve(self) -> None:
        """Answer the oldest request that is here, if there is one."""
        if self.busy or self.answered == len(self.asked) or self.asked[self.answered][1] > self.sides[False].received:
            return
        self.busy = True
        self._at(int(self.rng.expovariate(1 / self.think)), self._answer)

    def _answer(self) -> None:
        number, _, reply = self.asked[self.answered]
        self.answered += 1
        self.busy = False
        side = self.sides[False]
        side.starts.append((side.sent, number))
        self.ends_of_responses.append(side.sent + len(reply))
        self._write(reply, client=False)
        if self.answered == self.exchanges and self.ends == "server":
            self._send(b"", FIN | ACK, client=False)
            self._at(2 * self.latency, lambda: self._send(b"", FIN | ACK, client=True))
            self._at(3 * self.latency, lambda: self._send(b"", ACK, client=False))
        if self.ends == "reset" and self.answered > self.exchanges // 2:
            self._send(b"", RST | ACK, client=False)
            self._events.clear()
            return
        self._serve()

    def _received(self, upto: int, *, client: bool) -> None:
        """Bytes arrive at the client, or at the server."""
        side = self.sides[client]
        side.received = max(side.received, upto)
        if self.rng.random() < 0.7:
            self._send(b"", ACK, client=client)
        if client:
            while self.read < len(self.ends_of_responses) and self.ends_of_responses[self.read] <= upto:
                self.read += 1
                self._at(self.rng.randrange(1, 20_000), self._ask)
        else:
            self._serve()

    # -- the wire --------------------------------------------------------------------------------------------------------

    def _write(self, data: bytes, *, client: bool) -> None:
        for start in range(0, len(data), self.mss):
            self._send(data[start : start + self.mss], ACK | PSH, client=client)

    def _send(self, payload: bytes, flags: int, *, client: bool) -> None:
        side = self.sides[client]
        first = 0 if flags & SYN else 1
        begin, end = side.sent, side.sent + len(payload)
        side.sent = end
        stops = [offset for offset, _ in side.starts[1:]] + [end + 1]
        owners = {number for (start, number), stop in zip(side.starts, stops, strict=False) if start < end and stop > begin}
        gone = self.now + int(self.latency * (self.place if client else 1 - self.place))
        # Nothing overtakes anything.
        gone = self._last[client] = max(gone, self._last[client] + 1)
        acked = self.sides[not client].isn + side.received + 1 if flags & ACK else 0
        seg = Segment(
            self.key if client else reverse(self.key), START_NS + gone, side.isn + begin + first & MASK, acked & MASK, flags,
            payload, len(payload),
        )  # fmt: skip
        self.seen.append((gone, next(self._ties), seg, owners if payload else set()))
        if payload:
            self._at(max(0, gone - self.now) + int(self.latency), lambda: self._received(end, client=not client))

    def _at(self, delay: int, action: Callable[[], None]) -> None:
        heappush(self._events, (self.now + delay, next(self._ties), action))


@dataclass
class Verdict:
    """What decode made of captures with known truth: numbers of exchanges."""

    exchanges: int = 0
    whole: int = 0
    wrong: int = 0
    unmarked: int = 0
    """Not whole and not marked."""
    blamed: int = 0
    """Marked, although nothing of them was lost."""

    def add(self, other: "Verdict") -> None:
        """Sum up."""
        self.exchanges += other.exchanges
        self.whole += other.whole
        self.wrong += other.wrong
        self.unmarked += other.unmarked
        self.blamed += other.blamed


def decode(segments: Sequence[Segment], batch: int = 1000) -> list[Exchange]:
    """All exchanges; decode must not have failed inside, nor hold anything behind the end."""
    failures: list[str] = []
    decoder = Decoder(OPTIONS, source="test", count=lambda name, _by: failures.append(name))
    events = [event for start in range(0, len(segments), batch) for event in decoder.feed(segments[start : start + batch])]
    events += decoder.finish()
    assert "decoder_internal_errors" not in failures
    assert decoder.held_exchanges == decoder.held_bytes == decoder.connections == 0
    return [event for event in events if isinstance(event, Exchange)]


def number_of(exchange: Exchange) -> tuple[int | None, int | None]:
    """The number in the request's target, and the one in the response's header."""
    asked = int(exchange.url_path[1:]) if exchange.url_path and exchange.url_path[1:].isdigit() else None
    answer = exchange.http_response_headers.get("x-n")
    return asked, int(answer[0]) if answer else None


def judge(capture: Capture, dropped: set[int]) -> Verdict:
    """Decode what is left of a capture without some segments, and compare with the truth."""
    left = [segment for place, segment in enumerate(capture.segments) if place not in dropped]
    hit = {number for place in dropped for number in capture.owners[place]}
    verdict = Verdict(exchanges=len(capture.sizes) - len(capture.unanswered))
    for exchange in decode(left):
        asked, answered = number_of(exchange)
        marked = bool(LOSS_MARKS & set(exchange.httpipe_marks))
        sizes = (exchange.http_request_body_size, exchange.http_response_body_size)
        if asked != answered and None not in {asked, answered}:
            verdict.wrong += 1
        elif asked is not None and asked == answered and sizes == capture.sizes[asked]:
            verdict.whole += 1
            verdict.blamed += marked and asked not in hit
        elif not marked:
            verdict.unmarked += 1
        elif not {asked, answered} & (hit | capture.unanswered):
            verdict.blamed += 1
    return verdict
