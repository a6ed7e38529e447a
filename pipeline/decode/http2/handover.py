"""A connection that speaks HTTP/2 as plain values, for the compiled lane and back (``lane/src/http2/handover.rs``).

All that both readers and their streams know passes this border, so that whoever goes on says what the other one would have said.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.decode.grpc import Messages
from pipeline.decode.grpc_web import WEB
from pipeline.decode.http2.heads import VERSION, status_line
from pipeline.decode.http2.hpack import Hpack
from pipeline.decode.http2.reader import ENDED, FRAME, PAYLOAD, START, Reader
from pipeline.decode.http2.stream import Stream
from pipeline.decode.http2.streams import STREAM_BYTES
from pipeline.decode.marks import GAP
from pipeline.decode.message import Fields, Framing, Message, Request, RequestLine, Response
from pipeline.decode.position import UNKNOWN
from pipeline.model.events.event import NO_HEADERS

_CALLS = (None, "grpc", "grpc_web")
"""By the number that stands for each."""

Values = tuple[Any, ...]
"""As the types in ``handover.rs`` have them, in the same order."""


def restore(values: Values, asks: Reader, answers: Reader, ended: tuple[bool, bool]) -> None:
    """Go on where the lane stood. Both readers are new; ``ended``: no more bytes of the client, or of the server, come."""
    known, open_, *sides = values
    streams = asks.streams
    streams.joined, streams.gapped, streams.lowest, streams.looked_ns, dropped = known
    streams.dropped = dict.fromkeys(dropped)
    for each in open_:
        streams.restore(_stream(each))
    for reader, side, over in zip((asks, answers), sides, ended, strict=True):
        _read_on(reader, side)
        if over:
            reader.phase = ENDED


def _read_on(reader: Reader, side: Values) -> None:
    started, held, held_ns, left, body, flags, limit, log = side
    reader.go_on(Hpack.restored(limit, log), held, held_ns)
    reader.phase = PAYLOAD if left else FRAME if started else START
    reader.left, reader.flags = left, flags
    stream = reader.streams.open.get(body)
    if stream is not None:
        reader.stream, reader.message = stream, stream.message(client=reader.client)
        reader.messages = stream.asked if reader.client else stream.answered


def _stream(values: Values) -> Stream:
    number, status, call, grpc_status, asked, answered, partial_host, line, request, response = values
    return Stream(
        number,
        _request(number, line, request),
        None if response is None else _response(number, status, response),
        _CALLS[call],
        grpc_status,
        _messages(asked),
        _messages(answered),
        partial_host=partial_host,
        held=STREAM_BYTES + line[7] + request[7] + (0 if response is None else response[7]),
    )


def _request(number: int, line: Values, values: Values) -> Request:
    start_ns, end_ns, size, body, marks, *_, over = values
    return Request(
        _fields(values, line[6]), start_ns, end_ns, UNKNOWN, UNKNOWN, size, body, marks, None, None, None, 0, number,
        Framing.NONE, _line(line), over,
    )  # fmt: skip


def _response(number: int, status: int, values: Values) -> Response:
    start_ns, end_ns, size, body, marks, *_, over = values
    return Response(
        _fields(values, None), start_ns, end_ns, UNKNOWN, UNKNOWN, size, body, marks, None, None, None, 0, number,
        Framing.NONE, status_line(status), None, over,
    )  # fmt: skip


def _line(values: Values) -> RequestLine:
    method, https, target, mark, address, port, _, size = values
    path, query = (target, None) if mark is None else (target[:mark], target[mark + 1 :])
    scheme = None if https is None else "https" if https else "http"
    return RequestLine(method, None, target, scheme, path, query, address, port, VERSION, 0, size)


def _fields(values: Values, agent: str | None) -> Fields:
    reported = {name: tuple(texts) for name, texts in values[6]} or NO_HEADERS
    return Fields(values[5], user_agent=agent, reported=reported, size=values[7])


def _messages(values: tuple[bytes, int, bool, int, int, bool] | None) -> Messages | None:
    return None if values is None else Messages.restored(values)


# -- the other way round ---------------------------------------------------------------------------------------------------


def values_of(asks: Reader, answers: Reader, methods: Sequence[str]) -> Values | None:
    """What the lane needs to go on; None while anything is there that it does not know. It knows requests with ``methods``."""
    streams = asks.streams
    if streams.tunnels or not (_goes_on(asks) and _goes_on(answers)):
        return None
    numbers = list(streams.open)
    if numbers != sorted(numbers) or not all(_is_plain(stream, methods) for stream in streams.open.values()):
        return None
    known = streams.joined, streams.gapped, streams.lowest, streams.looked_ns, list(streams.dropped)
    return known, [_stream_values(stream) for stream in streams.open.values()], _side(asks), _side(answers)


def _goes_on(reader: Reader) -> bool:
    """Whether a frame must begin next."""
    return reader.phase is FRAME and not reader.held and reader.blocks.partial is None


def _is_plain(stream: Stream, methods: Sequence[str]) -> bool:
    request, response = stream.request, stream.response
    return (
        request is not None
        and _is_plain_message(request)
        and (response is None or (_is_plain_message(response) and response.line.status is not None))
        and request.line.version == VERSION  # not what HTTP/1 asked before an upgrade
        and request.line.scheme in {None, "http", "https"}
        and (request.line.method is None or request.line.method in methods)
        and _is_plain_target(request.line)
        and stream.protocol is None
        and stream.call != WEB
        and stream.error_code is None
        and not stream.doubtful_ns
        and all(messages is None or not messages.trailers for messages in (stream.asked, stream.answered))
    )


def _is_plain_target(line: RequestLine) -> bool:
    """Whether it is the path and the query, so that a place in it tells all three."""
    whole = line.path if line.query is None else f"{line.path}?{line.query}"
    return line.target == whole and (line.path or "").isascii()


def _is_plain_message(message: Message) -> bool:
    lost = message.marks & GAP or message.body_size is None or message.error is not None
    return not lost and message.content is None and message.head is None


def _side(reader: Reader) -> Values:
    limit, log = reader.blocks.hpack.values
    return True, b"", 0, 0, 0, 0, limit, log


def _stream_values(stream: Stream) -> Values:
    request, response = stream.request, stream.response
    assert request is not None  # noqa: S101  for the type checker: ``_is_plain`` was asked
    line = request.line
    query = None if line.query is None else len(line.path or "")
    return (
        stream.id,
        0 if response is None else response.line.status,
        _CALLS.index(stream.call),
        stream.grpc_status,
        None if stream.asked is None else stream.asked.values,
        None if stream.answered is None else stream.answered.values,
        stream.partial_host,
        (
            line.method, None if line.scheme is None else line.scheme == "https", line.target, query, line.address, line.port,
            request.fields.user_agent, line.size,
        ),
        _message_values(request, over=request.complete),
        None if response is None else _message_values(response, over=response.done),
    )  # fmt: skip


def _message_values(message: Message, *, over: bool) -> Values:
    fields = message.fields
    reported: Mapping[str, tuple[str, ...]] = fields.reported
    return (
        message.start_ns, message.end_ns, message.size, message.body_size, message.marks, fields.length,
        [(name, list(texts)) for name, texts in reported.items()], fields.size, over,
    )  # fmt: skip
