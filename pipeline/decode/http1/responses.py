"""The direction from the server: responses. The requests say where they may begin, and which of them have a body."""

import re

from pipeline.decode.grpc_web import CallBody
from pipeline.decode.http1 import requests
from pipeline.decode.http1.expectations import early, expected, turn
from pipeline.decode.http1.fields import values
from pipeline.decode.http1.framing import CHUNKED, CHUNKED_TOO_EARLY, LENGTH, NONE, UNTIL_CLOSE
from pipeline.decode.http1.phase import HEAD, SWITCHED, UNREADABLE
from pipeline.decode.http1.recognition import (
    BLANKS,
    ENOUGH_OF_HEAD,
    STATUS,
    may_begin_response,
    resumes_response,
)
from pipeline.decode.http1.response_bodies import surplus
from pipeline.decode.http1.startline import parse_status_line
from pipeline.decode.http1.state import Partial, State
from pipeline.decode.marks import GAP, PROTOCOL_ERROR
from pipeline.decode.message import NO_FIELDS, Accepted, Request, Response
from pipeline.decode.position import MASK, UNKNOWN, At

_STATUS_BEHIND = re.compile(rb"(?<=\n)" + STATUS.pattern.replace(b"(?i)", b""), re.IGNORECASE).search


# -- heads -----------------------------------------------------------------------------------------------------------


def lead_in(reader: State, data: bytes, pos: int) -> int:
    """The place behind what may stand in front of a status line."""
    start = pos
    while pos < len(data) and data[pos] in BLANKS:
        pos += 1
    reader.led += pos - start
    return pos


def interrupted(reader: State, partial: Partial, data: bytes, pos: int) -> int | None:
    """Where to go on when ``data[pos:]`` shows that a head in parts does not go on there; None where it may."""
    if pos or not resumes_response(data) or not expected(reader, partial.seq + len(partial.data) & MASK):
        return None
    # The client took the head for whole, as it went on with a request: an empty line that was none, such as CR CR LF.
    break_off(reader, PROTOCOL_ERROR)
    return pos


def begins(reader: State, data: bytes, start: int, stop: int, first: At, end_ns: int, seq: int) -> int:  # noqa: PLR0913, PLR0917  hot
    """A whole head, ``data[start:stop]``, begins a response, if it is one. Returns where to go on.

    ``first`` is where the bytes stood in which it begins, ``end_ns`` when those came in which it ends.
    """
    end = data.find(b"\n", start)
    line = data[start : end - 1 if data[end - 1] == 13 else end]
    block = data[end:stop]
    context = reader.context
    status_line = context.status_lines.get(line) or context.status_line(line)
    if status_line is None:
        behind = _STATUS_BEHIND(data, start, stop)
        if behind is None:
            return start + garbage(reader, first, seq)
        _lines_in_front(reader, seq, behind.start() - start)
        return behind.start()
    fields = context.response_fields.seen.get(block) or context.response_fields.whole(block)
    marks = status_line.marks | fields.marks | (fields.chunked and CHUNKED_TOO_EARLY.get(status_line.version, 0))
    response = Response(
        fields, first.ts_ns, end_ns, seq, first.ack, stop - start, 0, marks, None,
        data[start:stop] if context.keep_heads else None, None, 0, None, NONE, status_line,
    )  # fmt: skip
    if reader.led:
        _lead(reader, response)
    return _respond(reader, response, data, stop)


def _lines_in_front(reader: State, seq: int, size: int) -> None:
    """Lines in front of a status line: what a script printed too early or, where more wait, the answer to another."""
    pairing = reader.pairing
    if len(pairing.waiting) > 1:
        reader.lost(seq, seq + size & MASK, 0, PROTOCOL_ERROR)
    elif pairing.pending:
        pairing.pending[0].marks |= PROTOCOL_ERROR


def _lead(reader: State, response: Response) -> None:
    """Blanks in front belong to it from where its request acknowledges what came before."""
    led, reader.led = reader.led, 0
    begin = response.seq - led & MASK
    place = min(reader.pairing.boundaries(begin, 0, led, early(reader)), default=led)
    response.seq = begin + place & MASK
    response.size += led - place


def break_off(reader: State, mark: int, error: str | None = None) -> None:
    """The rest of a head will not be understood: report what its lines so far say, then look for the next response.

    ``error`` says what cut it off.
    """
    partial = reader.take_head()
    if partial is None:
        return
    reader.go(UNREADABLE)
    line, newline, rest = partial.data.partition(b"\n")
    if not newline:
        if mark == PROTOCOL_ERROR:
            reader.context.shared.count("decoder_skipped_bytes", len(partial.data))
            reader.pairing.uncalled_for(UNKNOWN, apart=True)
        reader.lost(partial.seq, partial.seq + len(partial.data) & MASK, 1, GAP if mark == GAP else PROTOCOL_ERROR)
        return
    at = partial.at
    status_line = parse_status_line(line.removesuffix(b"\r"))
    if status_line is None or (status_line.status or 0) < 200:
        return
    fields = reader.context.response_fields.parse(rest.rpartition(b"\n")[0] + b"\n")
    head = partial.data if reader.context.keep_heads else None
    response = Response(
        fields, at.ts_ns, at.ts_ns, partial.seq, at.ack, len(partial.data), None, status_line.marks | mark, None, head
    )
    response.line, response.error = status_line, error or None
    if reader.led:
        _lead(reader, response)
    _match(reader, response)
    reader.finish(reader.pairing.answered(response, UNKNOWN))


# -- which request, and how the body is framed: the first table of ``framing`` -----------------------------------------


def _match(reader: State, response: Response) -> Request | None:
    """The request that a final response answers; None where there is none or no certainty."""
    pairing = reader.pairing
    request = pairing.match(response)
    if request is None and not pairing.pending:
        _take_request_as_it_is(reader)
        if pairing.pending:
            request = pairing.match(response)
        else:
            reader.finish(pairing.defer(response))
            return response.request
    response.request = request
    return request


def _take_request_as_it_is(reader: State) -> None:
    """Where nothing waits, this answers a request whose head seems not to be complete."""
    peer, pairing = reader.peer, reader.pairing
    if peer.phase is HEAD and not pairing.waiting and not pairing.requests.incomplete:
        requests.take_as_it_is(peer)


def _respond(reader: State, response: Response, data: bytes, stop: int) -> int:
    """A response whose head ends at ``data[stop]``. Returns where to go on: behind its body when that is here already."""
    pairing = reader.pairing
    status = response.line.status or 0
    if 100 <= status < 200 and status != 101:
        pairing.informational(response.seq, response.seq + response.size & MASK)
        return stop
    request = _match(reader, response)
    length = response.fields.length
    method = None
    if request is not None:
        method = request.line.method
        if type(request.content) is CallBody:
            response.content = CallBody(data[max(0, stop - response.size) : stop], reader.context.collector(response))
    if status == 101 or (method == "CONNECT" and 200 <= status < 300):
        sequence = pairing.connection.exchanges
        reader.finish(pairing.answered(response, UNKNOWN))
        head = data[max(0, stop - response.size) : stop] if status == 101 else b""
        _switched(reader, Accepted(request, response, sequence if request is not None else None, _extensions(head)), status)
        return stop
    if method == "HEAD" or status in {204, 304}:
        length, stop = 0, _uncalled_for(reader, response, data, stop)
    elif length is None:
        reader.begin_body(response, CHUNKED if response.fields.chunked else UNTIL_CLOSE)
        return stop
    keeps = reader.context.bodies is not None or response.content is not None
    if length and (request is None or len(data) - stop < length or keeps):
        reader.begin_body(response, LENGTH)
        return stop
    if length < len(data) - stop:
        response.marks |= surplus(reader, data, stop + length)
    response.size += length
    response.body_size = length
    over = pairing.answered(response, response.seq + response.size & MASK)
    if over is not None:
        reader.finish(over)
    return stop + length


def _switched(reader: State, accepted: Accepted, status: int) -> None:
    """The connection is no longer HTTP (101), or a tunnel in which anything may follow, HTTP included (CONNECT)."""
    if status == 101:
        peer = reader.peer
        peer.skipped = accepted.request is None or peer.phase is not HEAD or peer.partial is not None
        asked = accepted.request.fields.upgrade if accepted.request is not None else None
        for each in (reader, peer):
            if each.body is not None:
                each.end_body(each.body.message, 0, None)
            each.go(SWITCHED)
            each.upgrade, each.accepted = accepted.response.fields.upgrade or asked or "unknown", accepted
    reader.pairing.switched(tunnel=status != 101)


def _extensions(head: bytes) -> bytes:
    """What a head says under Sec-WebSocket-Extensions (RFC 6455, section 9.1: the field may come in parts)."""
    low = head.lower()
    return b",".join(values(head, low, b"sec-websocket-extensions")) if b"\nsec-websocket-extensions" in low else b""


def _uncalled_for(reader: State, response: Response, data: bytes, stop: int) -> int:
    """The place behind a body that comes with a response which has none (RFC 9110, sections 9.3.2, 15.3.5 and 15.4.5).

    Only what stands in the same segment can be told from the next response, and is a part of the response's size.
    """
    rest = data[stop : stop + ENOUGH_OF_HEAD].lstrip(BLANKS)
    if not rest or may_begin_response(rest):
        return stop
    announced = stop + (response.fields.length or 0)
    if stop < announced <= len(data) and not data[announced:].strip(BLANKS):
        end = announced
    else:
        seq = response.seq + response.size - stop & MASK
        end = min(reader.pairing.boundaries(seq, stop, len(data), early(reader)), default=len(data))
        following = STATUS.search(data, stop, end)
        end = end if following is None else following.start()
        if reader.pairing.waiting:
            # Some of it may be the answers to others.
            begin = response.seq + response.size & MASK
            reader.lost(begin, begin + end - stop & MASK, 0, PROTOCOL_ERROR)
    response.size += end - stop
    response.marks |= PROTOCOL_ERROR
    return end


# -- what is not a response ---------------------------------------------------------------------------------------------


def garbage(reader: State, first: At, seq: int) -> int:
    """A server's first bytes may be the answer of an HTTP/0.9 server: nothing but a body."""
    pairing = reader.pairing
    reader.go(UNREADABLE)
    _take_request_as_it_is(reader)
    if pairing.answers_simply():
        response = Response(NO_FIELDS, first.ts_ns, first.ts_ns, seq, first.ack, 0, 0)
        if reader.led:
            _lead(reader, response)
        request = _match(reader, response)
        response.marks = 0 if request is not None and request.line.version == "0.9" else PROTOCOL_ERROR
        reader.begin_body(response, UNTIL_CLOSE)
        return 0
    pairing.uncalled_for(first.ack, apart=seq == first.seq)
    reader.lost(seq, seq + 1 & MASK, 0, PROTOCOL_ERROR)
    reader.led = 0
    reader.context.shared.count("decoder_skipped_bytes", 1)
    return 1


def resumes(reader: State, data: bytes, pos: int, seq: int) -> int:
    """Where in ``data[pos:]`` the next response begins; its end for nowhere. ``data`` begins at ``seq``.

    By the acknowledgement numbers of requests.
    Of a client that waits, whatever stands there: it may not be a response, and then it is all that the request got.
    """
    if not pos and resumes_response(data):
        return pos
    for place in reader.pairing.boundaries(seq, pos, len(data), early(reader)):
        if turn(reader, seq + place & MASK) or resumes_response(data[place:]):
            return place
    return len(data)
