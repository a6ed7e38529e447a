"""What a client shows of the responses it expects: with every request it acknowledges what it has received.

Beside the requests that wait those count that came early in the capture, and cannot be read yet.
"""

from collections.abc import Iterator

from pipeline.decode.http1.phase import SEEK
from pipeline.decode.http1.recognition import begins_request
from pipeline.decode.http1.state import State
from pipeline.decode.message import Response


def early(reader: State) -> Iterator[int]:
    """Up to where the client had received the answers when it sent requests that cannot be read yet."""
    return (ack for ack, data in reader.pairing.requests.early() if begins_request(data))


def expected(reader: State, seq: int) -> bool:
    """Whether the client, having received everything before ``seq``, has sent another request."""
    return reader.pairing.expects(seq, early(reader))


def turn(reader: State, seq: int) -> bool:
    """Whether the response to a request that waits must begin at ``seq``, as its client has the one before."""
    return reader.pairing.turn(seq, early(reader), seeking=reader.phase is SEEK)


def asked_head(reader: State, response: Response) -> bool:
    """Whether the request of a response that is not known yet must be a HEAD: its client waited for all before."""
    early = {data.startswith(b"HEAD ") for ack, data in reader.pairing.requests.early() if ack == response.seq}
    return reader.pairing.asks_head(response, early)
