"""Where the body of a response is over though its framing does not say so, and what stands behind one."""

from pipeline.decode.http1.expectations import asked_head, expected, turn
from pipeline.decode.http1.framing import DESYNCHRONISED, UNTIL_CLOSE, Body
from pipeline.decode.http1.recognition import BLANKS, ENOUGH_OF_HEAD, may_begin_response, resumes_response
from pipeline.decode.http1.state import State
from pipeline.decode.marks import AMBIGUOUS_FRAMING, GAP, PROTOCOL_ERROR
from pipeline.decode.message import Message, Response
from pipeline.decode.position import MASK, At


def next_begins(reader: State, body: Body, data: bytes, seq: int) -> bool:
    """Whether another response begins in a segment where this one's body should go on: then this one ends.

    A response's body is shorter than its head said when the client, having received everything up to here, has already
    sent its next request. A response whose request was not seen may answer a HEAD: then what its head announces does not
    come. Where framing was lost, any message that begins a segment is the next one.
    """
    message = body.message
    asked = False
    if not may_begin_response(data):
        if not _outlived(reader, message, seq):
            return False
    else:
        unasked = isinstance(message, Response) and message.request is None and message.size == (seq - message.seq & MASK)
        asked = expected(reader, seq)
        resumes = resumes_response(data)
        if not (resumes and (asked or unasked or message.framing is DESYNCHRONISED)) and not turn(reader, seq):
            if reader.pairing.waiting and resumes:
                # By its framing this is of the body; by what it says it is the next answer of a server that announced too
                # much.
                message.marks |= AMBIGUOUS_FRAMING
                reader.lost(seq, seq, 0, AMBIGUOUS_FRAMING)
            return False
    asked = asked or expected(reader, seq)
    reader.replace_body(body, seq, PROTOCOL_ERROR if message.framing is not DESYNCHRONISED and asked else 0)
    return True


def _outlived(reader: State, message: Message, seq: int) -> bool:
    """Whether a body that says nothing of its end is over at ``seq``, as its client has gone on with the next request."""
    endless = message.framing is UNTIL_CLOSE and isinstance(message, Response) and message.line.status is None
    return (endless or message.framing is DESYNCHRONISED) and turn(reader, seq)


def surplus(reader: State, data: bytes, end: int) -> int:
    """The mark of a response whose body ends at ``data[end]`` when bytes stand behind it that nobody asked for."""
    if end == len(data) or reader.pairing.waiting:
        return 0
    rest = data[end : end + ENOUGH_OF_HEAD].lstrip(BLANKS)
    return PROTOCOL_ERROR if rest and not may_begin_response(rest) else 0


def desynchronised(reader: State, message: Message) -> None:
    """Chunked framing makes no sense any more: what follows may be the answers to others."""
    if reader.pairing.waiting:
        end = message.seq + message.size & MASK
        reader.lost(end, end, 0, PROTOCOL_ERROR)


def ends_at_gap(reader: State, body: Body, count: int, at: At) -> int | None:
    """Whether the body is over where ``count`` bytes are missing: how many of them lie behind it; None where it goes on."""
    message = body.message
    if isinstance(message, Response):
        if message.request is None and asked_head(reader, message):
            if not message.body_size:  # what its head announces does not come
                reader.end_body(message, 0, None)
        elif _outlived(reader, message, at.seq):
            reader.end_body(message, PROTOCOL_ERROR, None)
        if reader.body is not body:
            return count
        if message.request is None and not message.body_size:
            # It may answer a HEAD, and what is missing be the next response.
            reader.lost(at.seq, at.seq + count & MASK, 0, GAP)
            if reader.body is not body:
                return 0
    return None
