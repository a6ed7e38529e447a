"""Conversations in HTTP/2, with all that the lane takes on and much that it does not: streams overlap, on several connections.

Both ends have an encoder of their own, with a table, and Huffman codes where RFC 7541 has an example of one.
"""

from random import Random

from pipeline.decode.http2.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITISED,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)
from pipeline.decode.http2.static_table import STATIC
from pipeline.model.records import ACK, FIN, PSH, Segment
from pipeline.testing.packets import Talk, flow_key
from tests.http2_wire import frame, integer

Field = tuple[bytes, bytes]
CODED = {b"www.example.com": bytes.fromhex("f1e3c2e5f23a6ba0ab90f4ff"), b"no-cache": bytes.fromhex("a8eb10649cbf")}
AUTHORITIES = (b"www.example.com", b"a.example:8080", b"10.0.0.2", b"a.example:0", b"a.example")
ODD_AUTHORITIES = (b"[::1]:80", b"user@a.example", b"", b"a:99999", b"a.example:")
PATHS = (b"/", b"/p/%d", b"/p/%d?a=1", b"/p/%d?", b"*")
ODD_PATHS = (b"/p?sig=secret", b"/p\xc3\xa4", b"", b"/a b", b"/p?s%69g=x")
ASKED: tuple[Field, ...] = (
    (b"user-agent", b"test/1.0"), (b"user-agent", "t\u00e4st".encode()), (b"cookie", b"a=b"), (b"cookie", b"c=d"), (b"x-a", b"1"),
    (b"accept", b"*/*"), (b"cache-control", b"no-cache"), (b"host", b"b.example"), (b"te", b"trailers"), (b"x-a", b"2"),
)  # fmt: skip
ANSWERED: tuple[Field, ...] = (
    (b"server", b"n"), (b"x-a", b"3"), (b"set-cookie", b"a=b"), (b"content-type", b"text/plain"), (b"date", b"today"),
)  # fmt: skip
ODD_FIELDS: tuple[Field, ...] = (
    (b"X-Upper", b"1"), (b"connection", b"close"), (b":path", b"/again"), (b":late", b"1"), (b"", b""), (b"x y", b"1"),
    (b"x-a", b"\xff"), (b"user-agent", b"\xff"), (b"content-length", b"x"), (b"content-length", b"7"), (b":status", b"20"),
    (b"cookie", b"\xe4"), (b":protocol", b"websocket"), (b"grpc-status", b"x"), (b"x-long", b"l" * 5000),
)  # fmt: skip


def string(text: bytes) -> bytes:
    """RFC 7541, section 5.2."""
    coded = CODED.get(text)
    return integer(len(text), 7, 0) + text if coded is None else integer(len(coded), 7, 0x80) + coded


class Encoder:
    """One end's, which keeps to its table now and then."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._table: list[Field] = []

    def block(self, fields: list[Field]) -> bytes:
        """A header block."""
        rng = self._rng
        return (b"\x3f\xe1\x1f" if rng.random() < 0.02 else b"") + b"".join(map(self._field, fields))

    def _field(self, field: Field) -> bytes:
        rng, table = self._rng, self._table
        if field in STATIC[1:]:
            return integer(STATIC.index(field), 7, 0x80)
        if field in table and rng.random() < 0.9:
            return integer(61 + len(table) - table.index(field), 7, 0x80)
        names = [name for name, _ in STATIC]
        insert = rng.random() < 0.5 and len(field[1]) < 1000
        index = names.index(field[0]) if field[0] in names and rng.random() < 0.8 else 0
        first = integer(index, 6, 0x40) if insert else integer(index, 4, rng.choice((0, 0x10)))
        if insert:
            table.append(field)
            del table[: max(0, len(table) - 40)]
            if sum(len(name) + len(value) + 32 for name, value in table) > 4000:
                table.clear()
                first = b"\x20\x3f\xe1\x1f" + first  # emptied, and as large as it was
                table.append(field)
        return first + (b"" if index else string(field[0])) + string(field[1])


class Conversation:
    """One connection: what both ends say next."""

    def __init__(self, rng: Random, *, odd: float) -> None:
        self._rng = rng
        self._odd = odd
        self._encoders = {True: Encoder(rng), False: Encoder(rng)}
        self._next = 1
        self._asking: list[int] = []
        self._waiting: list[tuple[int, bool]] = []
        self._answering: list[tuple[int, bool]] = []

    def says(self) -> tuple[bool, bytes]:
        """Who says what next."""
        rng, kind = self._rng, self._rng.random()
        if rng.random() < self._odd:
            return self._unusual()
        if kind < 0.12:
            return self._aside()
        if kind < 0.35 or not (self._asking or self._waiting or self._answering):
            return True, self._ask()
        if self._asking and kind < 0.5:
            return True, self._upload()
        if self._answering and kind < 0.8:
            return False, self._answer_more()
        return (False, self._answer()) if self._waiting else self._aside()

    def _number(self) -> int:
        return self._rng.choice([1, 3, 7, self._next, *(number for number, _ in self._waiting), *self._asking])

    def _head(self, fields: list[Field], stream: int, *, client: bool, end: bool) -> bytes:
        rng = self._rng
        block, flags, front = self._encoders[client].block(fields), END_STREAM if end else 0, b""
        if client and rng.random() < 0.2:
            flags, front = flags | PRIORITISED, b"\0\0\0\0\x10"
        if rng.random() < self._odd and len(block) > 1:
            cut = rng.randrange(1, len(block))
            first = frame(HEADERS, front + block[:cut], flags, stream)
            return first + frame(CONTINUATION, block[cut:], END_HEADERS, stream)
        if rng.random() < self._odd:
            flags, front, block = flags | PADDED, b"\x03" + front, block + bytes(3)
        return frame(HEADERS, front + block, flags | END_HEADERS, stream)

    def _more(self, fields: tuple[Field, ...]) -> list[Field]:
        rng = self._rng
        found = rng.sample(fields, rng.choice((0, 1, 2, 4)))
        return [*found, rng.choice(ODD_FIELDS)] if rng.random() < self._odd else found

    def _ask(self) -> bytes:
        rng, number = self._rng, self._next
        self._next += 2 * rng.choice((1, 1, 1, 2))
        grpc = rng.random() < 0.3
        path, authority = rng.choice(PATHS), rng.choice(AUTHORITIES)
        if rng.random() < self._odd:
            path, authority = rng.choice(ODD_PATHS), rng.choice(ODD_AUTHORITIES)
        method = b"POST" if grpc else rng.choice((b"GET", b"GET", b"POST", b"HEAD", b"PUT"))
        if rng.random() < self._odd:
            method = rng.choice((b"BREW", b"CONNECT", b""))
        fields = [(b":method", method), (b":scheme", rng.choice((b"http", b"https"))), (b":authority", authority)]
        fields.append((b":path", b"/a.B/C" if grpc else path % number if b"%d" in path else path))
        if grpc:
            fields.append(
                (b"content-type", rng.choice((b"application/grpc", b"application/grpc+proto", b"application/grpc-web")))
            )
        if rng.random() < self._odd:
            del fields[rng.randrange(4)]
        body = grpc or method in {b"POST", b"PUT"}
        if not body or rng.random() < 0.2:
            self._waiting.append((number, grpc))
        if body:
            self._asking.append(number)
        return self._head(fields + self._more(ASKED), number, client=True, end=not body)

    def _body(self) -> bytes:
        rng = self._rng
        message = rng.choice((0, 5, 300, 4000))
        return b"\0" + message.to_bytes(4, "big") + b"m" * rng.choice((message, message, message, 3))

    def _upload(self) -> bytes:
        rng, number = self._rng, self._rng.choice(self._asking)
        ended = rng.random() < 0.6
        if ended:
            self._asking.remove(number)
            if all(number != waiting for waiting, _ in self._waiting):
                self._waiting.append((number, rng.random() < 0.5))
        if ended and rng.random() < 0.1:
            return self._head([(b"x-a", b"trailer"), *self._more(ASKED)], number, client=True, end=True)
        return self._data(number, end=ended)

    def _data(self, number: int, *, end: bool) -> bytes:
        rng = self._rng
        data = b"" if rng.random() < 0.1 else self._body()
        if rng.random() < self._odd:
            return frame(DATA, b"\x05" + data + bytes(5), PADDED | end, number)
        return frame(DATA, data, int(end), number)

    def _answer(self) -> bytes:
        rng = self._rng
        number, grpc = self._waiting.pop(rng.randrange(len(self._waiting)))
        out = b""
        while rng.random() < 0.1:
            out += self._head([(b":status", rng.choice((b"100", b"103")))], number, client=False, end=False)
        fields = [(b":status", rng.choice((b"200", b"200", b"200", b"404", b"503", b"304", b"204")))]
        if grpc:
            fields.append((b"content-type", b"application/grpc"))
        elif rng.random() < 0.3:
            fields.append((b"content-length", rng.choice((b"0", b"5", b"305"))))
        if rng.random() < self._odd:
            fields = rng.choice(([], [(b":status", b"101")], [(b":status", b"2000")]))
        end = rng.random() < 0.4
        if end and grpc:
            fields.append((b"grpc-status", b"5"))
        if not end:
            self._answering.append((number, grpc))
        return out + self._head(fields + self._more(ANSWERED), number, client=False, end=end)

    def _answer_more(self) -> bytes:
        rng = self._rng
        number, grpc = rng.choice(self._answering)
        ended = rng.random() < 0.6
        if ended:
            self._answering.remove((number, grpc))
        if ended and (grpc or rng.random() < 0.1):
            return self._head(
                [(b"grpc-status", rng.choice((b"0", b"13"))), *self._more(ANSWERED)], number, client=False, end=True
            )
        return self._data(number, end=ended)

    def _aside(self) -> tuple[bool, bytes]:
        rng, client = self._rng, self._rng.random() < 0.5
        code = rng.choice((0, 8, 7, 99)).to_bytes(4, "big")
        say = rng.choice(
            (
                frame(SETTINGS, b"\0\x03\0\0\0\x64"), frame(SETTINGS, b"", 1), frame(PING, bytes(8), rng.choice((0, 1))),
                frame(WINDOW_UPDATE, b"\0\0\xff\xff"), frame(WINDOW_UPDATE, b"\0\0\xff\xff", 0, self._number()),
                frame(PRIORITY, bytes(5), 0, self._number()), frame(0x77, b"what" * 5, 9, 3),
                frame(RST_STREAM, code, 0, self._number()), frame(GOAWAY, b"\x7f\xff\xff\xff" + code),
                frame(DATA, b"late", END_STREAM, rng.choice((1, 99))),
            )
        )  # fmt: skip
        return client, say

    def _unusual(self) -> tuple[bool, bytes]:
        rng, number = self._rng, self._number()
        pushed = self._encoders[False].block([(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/pushed")])
        say = rng.choice(
            (
                frame(GOAWAY, b"\0\0\0\x03" + bytes(4)), frame(GOAWAY, b"\0"), frame(PING, b"short"), frame(DATA, b"", 0, 0),
                frame(PUSH_PROMISE, b"\0\0\0\2" + pushed, 4, number), frame(CONTINUATION, b"\x88", 4, number),
                frame(HEADERS, b"", 4, number), frame(HEADERS, b"\x82\x86\xff\xff\xff\xff\xff\xff", 5, number),
                frame(HEADERS, b"\xfe\x88", 5, number), frame(HEADERS, b"\x88", 5, self._next + 40), b"nonsense" * 3,
                frame(HEADERS, b"\x82\x86\x84", 5, 2), frame(0x77, b"x" * 20_000),
            )
        )  # fmt: skip
        return rng.random() < 0.5, say


def begun(rng: Random, number: int) -> Talk:
    """A connection that has begun, by either side."""
    talk = Talk(
        flow_key(client_port=2000 + number) if rng.random() < 0.8 else flow_key("fd00::1", 3000 + number, "fd00::2"),
        handshake=rng.random() < 0.9,
        client_isn=rng.choice((1000, 0xFFFFFF00)),
        acks=rng.random() < 0.5,
        step_ns=rng.choice((1000, 100_000, 50_000_000)),
    )
    settings = frame(SETTINGS, b"\0\x03\0\0\0\x64") + rng.choice((b"", frame(WINDOW_UPDATE, b"\0\x0f\0\1")))
    if rng.random() < 0.3:
        return talk.server(settings).client(PREFACE + settings)
    return talk.client(PREFACE + rng.choice((settings, b""))).server(settings)


def speak(rng: Random, talk: Talk, conversation: Conversation) -> None:
    """Some frames, in many small segments or in few large ones; of a body the kernel may have copied the beginning."""
    talk.mss = rng.choice((1460, 1460, 60, 7, 16_000, 65_000))
    if rng.random() < 0.1:
        client, say = conversation.says()
        left_out = say[3] == DATA and len(say) > 300
        talk.send(say[: rng.choice((9, 14, 265))] if left_out else say, client=client, length=len(say))
    waiting: dict[bool, bytes] = {True: b"", False: b""}
    for _ in range(rng.choice((1, 1, 1, 3, 8))):
        client, say = conversation.says()
        waiting[client] += say
    talk.client(waiting[True]).server(waiting[False])
    if rng.random() < 0.01:
        talk.wait(rng.choice((5, 400, 1000)))


def finish(rng: Random, talk: Talk, conversation: Conversation) -> None:
    """Both ends close, one resets or closes behind its last frame, or nothing more is seen."""
    match rng.randrange(5):
        case 0 | 1:
            talk.close()
        case 2:
            talk.reset(client=rng.random() < 0.5)
        case 3:
            client, say = conversation.says()
            talk.send(say, client=client, flags=FIN | ACK | PSH)
            talk.send(client=not client, flags=FIN | ACK)
        case _:
            pass


def http2_conversations(rng: Random, *, frames: int = 60) -> list[Segment]:
    """Several connections; some were there before the capture."""
    odd = rng.choice((0.0, 0.0, 0.01, 0.1))
    segments: list[Segment] = []
    talks = [(begun(rng, number), Conversation(rng, odd=odd)) for number in range(rng.randint(1, 3))]
    for _ in range(rng.randint(1, frames)):
        talk, conversation = rng.choice(talks)
        talk.now_ns = max(talk.now_ns, segments[-1].ts_ns if segments else 0)
        speak(rng, talk, conversation)
        segments += talk.segments
        talk.segments.clear()
    for talk, conversation in talks:
        finish(rng, talk, conversation)
        segments += talk.segments
    joined = rng.random() < 0.2
    return segments[rng.randrange(len(segments)) :] if joined else segments
