"""HTTP/2 as a protocol that connections may speak: what its first bytes look like, and what is made for both directions."""

from typing import Protocol

from pipeline.config.options import DecodeOptions
from pipeline.decode.http2 import handover
from pipeline.decode.http2.context import Context
from pipeline.decode.http2.frames import (
    HEADER,
    HEADERS,
    LEAST_OF_PREFACE,
    PREFACE,
    SETTINGS,
    block_of,
    header_at,
    is_chain,
    is_plausible,
)
from pipeline.decode.http2.header_blocks import HeaderBlocks
from pipeline.decode.http2.hpack import Hpack, HpackError
from pipeline.decode.http2.reader import Reader
from pipeline.decode.http2.streams import Streams
from pipeline.decode.marks import MID_STREAM
from pipeline.decode.message import Request
from pipeline.decode.position import Progress
from pipeline.decode.protocol import Protocol as Direction
from pipeline.decode.shared import Shared
from pipeline.model.connection import Connection

_FIRST_RESPONSE, _FIRST_REGULAR = 8, 15
"""Where the static table has the pseudo fields of responses, and those of none (RFC 7541, appendix A)."""


class Way(Progress, Protocol):
    """What is given a protocol here: one direction of a connection."""

    connection: Connection
    protocol: Direction


class Http2:
    """The connections of one decoder that speak it."""

    def __init__(self, options: DecodeOptions, shared: Shared) -> None:
        self._shared = shared
        self._context = Context(options, shared)

    @staticmethod
    def first(data: bytes) -> bool | None:
        """Whether the first bytes of a direction are a client's (True), a server's (False), or of another protocol."""
        if data.startswith(PREFACE[:LEAST_OF_PREFACE]):
            return True if data.startswith(PREFACE) or PREFACE.startswith(data) else None
        if data[:1] == b"\0" and is_chain(data) and data[3] == SETTINGS and is_plausible(data, 0):
            return Http2.midway(data) is True  # a client's, too, where its preface is missing
        return None

    @staticmethod
    def midway(data: bytes) -> bool | None:
        """The same of bytes in the middle of an unknown stream: only what can hardly be anything else."""
        if data.startswith(PREFACE):
            return True
        if data[:1] != b"\0" or not is_chain(data):
            return None
        at, size = 0, len(data)
        while at + HEADER <= size:
            header = header_at(data, at)
            if header[1] == HEADERS and (client := _asks(data, at + HEADER, header)) is not None:
                return client
            at += HEADER + header[0]
        return None

    def start(self, requests: Way, responses: Way, *, joined: bool, asked: Request | None = None) -> None:
        """Both directions speak it; ``asked`` is the request that an upgrade was the first answer to (RFC 7540, section 3.2)."""
        self._shared.count("decoder_http2", 1)
        if joined:
            requests.connection.marks = MID_STREAM
        asks, _ = self._readers(requests, responses, joined=joined)
        if asked is not None:
            asks.streams.upgraded(asked)

    def resume(self, requests: Way, responses: Way, known: handover.Values) -> None:
        """Both directions go on with it where the compiled lane stood."""
        handover.restore(known, *self._readers(requests, responses, joined=False), (requests.ended, responses.ended))

    def _readers(self, requests: Way, responses: Way, *, joined: bool) -> tuple[Reader, Reader]:
        streams = Streams(requests.connection, self._shared, self._context, requests, responses, joined)
        asks, answers = (self._reader(streams, client=client) for client in (True, False))
        asks.peer, answers.peer = answers, asks
        requests.protocol, responses.protocol = asks, answers
        return asks, answers

    def _reader(self, streams: Streams, *, client: bool) -> Reader:
        context = self._context
        blocks = HeaderBlocks(client, context, streams, Hpack(whole=not streams.joined))
        return Reader(client, context, streams, blocks)


def _asks(data: bytes, at: int, header: tuple[int, int, int, int]) -> bool | None:
    """Whether a header block is a request's (True) or a response's, by the pseudo fields that stand in front of it."""
    bounds = block_of(data, at, header)
    if bounds is None:
        return None
    block = data[bounds[0] : bounds[1]]
    try:
        names = {name for name, _ in Hpack(whole=False).decode(block)}
    except HpackError:
        return _begins_request(block)  # the segment ends in it
    if b":status" in names:
        return False
    return True if names & {b":method", b":path", b":scheme", b":authority"} else None


def _begins_request(block: bytes) -> bool | None:
    """The same by its first field, where that is of the static table."""
    at = 0
    while block[at : at + 1] and block[at] & 0xE0 == 0x20 and block[at] != 0x3F:
        at += 1  # sizes of the table
    byte = block[at] if at < len(block) else 0
    if byte & 0xE0 == 0x20:
        return None
    index = byte & (0x7F if byte & 0x80 else 0x3F if byte & 0x40 else 0x0F)
    return index < _FIRST_RESPONSE if 0 < index < _FIRST_REGULAR else None
