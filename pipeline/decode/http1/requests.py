"""The direction from the client: where requests begin, and what is reported of them."""

import msgspec

from pipeline.decode.grpc_web import MARK as GRPC_WEB
from pipeline.decode.grpc_web import CallBody
from pipeline.decode.http1.framing import CHUNKED, CHUNKED_TOO_EARLY, DESYNCHRONISED, LENGTH, NONE, Body
from pipeline.decode.http1.phase import UNREADABLE
from pipeline.decode.http1.recognition import BLANKS, begins_request, interrupts, may_begin_request, preamble, request_inside
from pipeline.decode.http1.startline import parse_request_line
from pipeline.decode.http1.state import Partial, State
from pipeline.decode.marks import GAP, PROTOCOL_ERROR, TRUNCATED
from pipeline.decode.message import Request
from pipeline.decode.position import MASK, At


def lead_in(reader: State, data: bytes, pos: int) -> int:
    """The place behind what may stand in front of a request line."""
    pairing = reader.pairing
    if data[pos] in b"P\r" and not pairing.connection.exchanges and not pairing.pending:
        pos = min(pos + preamble(data, pos), len(data))
    while pos < len(data) and data[pos] in BLANKS:
        pos += 1
    return pos


def interrupted(reader: State, partial: Partial, data: bytes, pos: int) -> int | None:
    """Where to go on when ``data[pos:]`` shows that a head in parts does not go on there; None where it may."""
    if not pos and interrupts(data, partial.data):
        reader.take_head()
        reader.pairing.garbage()
        return pos
    if partial.data.startswith(b"PROXY ") and (skip := preamble(partial.data + data[pos:])):
        reader.take_head()
        return pos + skip - len(partial.data)
    return None


def begins(reader: State, data: bytes, start: int, stop: int, first: At, end_ns: int, seq: int) -> int:  # noqa: PLR0913, PLR0917  hot
    """A whole head, ``data[start:stop]``, begins a request, if it is one. Returns where to go on.

    ``first`` is where the bytes stood in which it begins, ``end_ns`` when those came in which it ends.
    """
    end = data.find(b"\n", start)
    line = data[start : end - 1 if data[end - 1] == 13 else end]
    block = data[end:stop]
    context = reader.context
    request_line = context.request_lines.get(line) or context.request_line(line, block)
    if request_line is None:
        return start + garbage(reader)
    fields = context.request_fields.seen.get(block) or context.request_fields.whole(block)
    marks = request_line.marks | fields.marks | (fields.chunked and CHUNKED_TOO_EARLY.get(request_line.version, 0))
    if not fields.hosted and request_line.version == "1.1":
        marks |= PROTOCOL_ERROR  # RFC 9112, section 3.2
    request = Request(
        fields, first.ts_ns, end_ns, seq, first.ack, stop - start, 0, marks, None,
        data[start:stop] if context.keep_heads else None, None, 0, None, NONE, request_line, fields.bare,
    )  # fmt: skip
    if fields.coded:
        # RFC 9112, section 6.3: "the server MUST respond with the 400 status code and then close the connection".
        reader.go(UNREADABLE)
        request.complete = True
    elif not fields.bare:
        if GRPC_WEB in block:
            request.content = CallBody(block, context.collector(request))
        reader.begin_body(request, CHUNKED if fields.chunked else LENGTH)
    over = reader.pairing.requested(request)
    if over is not None:
        reader.finish(over)
    return stop


def garbage(reader: State) -> int:
    """What is not a request belongs to the one before, if to any. Returns how many bytes are done with."""
    reader.go(UNREADABLE)
    reader.pairing.garbage()
    reader.context.shared.count("decoder_skipped_bytes", 1)
    return 1


def break_off(reader: State, mark: int, added: int = 0) -> None:
    """The rest of a head will not be understood: report what its lines so far say, then look for the next request.

    ``added`` bytes of it are ours.
    """
    partial = reader.take_head()
    if partial is None:
        return
    reader.go(UNREADABLE)
    line, newline, rest = partial.data.partition(b"\n")
    endless = not newline and mark == TRUNCATED  # a target that is longer than any head may be
    if endless:
        line += b" HTTP/1.1"
    elif not newline:
        if mark == PROTOCOL_ERROR:
            reader.context.shared.count("decoder_skipped_bytes", len(partial.data))
        reader.lost(partial.seq, partial.seq + len(partial.data) & MASK, 1, GAP if mark == GAP else PROTOCOL_ERROR)
        return
    context, at = reader.context, partial.at
    request_line = context.request_line(line.removesuffix(b"\r"), rest)
    if request_line is None:
        return
    if endless:
        request_line = msgspec.structs.replace(request_line, version=None)
    fields = context.request_fields.parse(rest.rpartition(b"\n")[0] + b"\n")
    body = 0 if request_line.version == "0.9" else None
    head = partial.data if context.keep_heads else None
    request = Request(
        fields, at.ts_ns, at.ts_ns, partial.seq, at.ack, len(partial.data) - added, body, request_line.marks | mark, None, head
    )
    request.line, request.complete = request_line, True
    reader.finish(reader.pairing.requested(request))


def take_as_it_is(reader: State, mark: int = PROTOCOL_ERROR) -> None:
    """The server answers a head that is not complete, or it ends: take it for what it is (HTTP/0.9 is but a line)."""
    partial = reader.partial
    if partial is not None:
        added = b"\n" not in partial.data
        if added:
            partial.data += b"\n"
            reader.context.shared.memory += 1
        line = parse_request_line(partial.data.partition(b"\n")[0].removesuffix(b"\r"))
        simple = line is not None and line.version == "0.9" and mark == PROTOCOL_ERROR
        break_off(reader, 0 if simple else mark, added)


def next_begins(reader: State, body: Body, data: bytes, seq: int) -> bool:
    """Where framing was lost, any request that begins a segment is the next one.

    And a client that was refused before it sent any of its body need not send it (RFC 9110, section 10.1.1).
    """
    message = body.message
    answered = isinstance(message, Request) and message.response is not None
    whole = not message.body_size or reader.pairing.connection.multipath
    if not ((message.framing is DESYNCHRONISED or (answered and whole)) and begins_request(data)):
        return False
    reader.replace_body(body, seq, 0)
    return True


def resumes(reader: State, data: bytes, pos: int, seq: int) -> int:
    """Where in ``data[pos:]`` the next request begins; its end for nowhere. ``data`` begins at ``seq``."""
    if not pos and (begins_request(data) or (reader.pairing.asks(seq) and may_begin_request(data))):
        return pos
    place = request_inside(data, pos)
    return place if place >= 0 else len(data)
