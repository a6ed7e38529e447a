"""What can be said of messages on one of several subflows of MPTCP (RFC 8684): what is missing went another way.

In which order the bytes of subflows belong together is told in an option that records do not carry. So a body that stops short,
or bytes where a message should begin, are nobody's fault on such a connection, as they would be on any other.
"""

from pipeline.decode.marks import GAP, PROTOCOL_ERROR
from pipeline.decode.message import Request, Response


def subflow_marks(request: Request | None, response: Response | None, marks: int) -> int:
    """The marks of an exchange: ``gap`` where a part is not here, ``protocol_error`` only where a head has the fault."""
    heads = 0
    for message in (request, response):
        if message is None:
            marks |= GAP
            continue
        marks |= message.marks
        heads |= message.line.marks | message.fields.marks
        if message.body_size != message.fields.length is not None and not _bodiless(request, message):
            marks |= GAP
    if request is not None and request.line.version == "1.1" and not request.fields.hosted:
        heads |= PROTOCOL_ERROR
    return marks if heads & PROTOCOL_ERROR or not marks & PROTOCOL_ERROR else marks & ~PROTOCOL_ERROR | GAP


def _bodiless(request: Request | None, message: Request | Response) -> bool:
    """Whether a message has no body, whatever its head announces (RFC 9112, section 6.3)."""
    if isinstance(message, Request):
        return False
    return message.line.status in {204, 304} or (request is not None and request.line.method == "HEAD")
