"""What may be missing between messages, and what that leaves certain: client behaviour, gaps, and a tally of both sides."""

from enum import IntEnum

import msgspec

from pipeline.decode.message import Request, Response
from pipeline.decode.position import HALF, MASK, UNKNOWN


class Behaviour(IntEnum):
    """How a client sends requests. It is taken to wait until it is seen to do otherwise."""

    WAITS = 0  # for each response: all clients in common use
    MAY_BATCH = 1  # several at once; what then is not known yet
    BATCHES = 2  # several at once, then waits for all responses
    WINDOW = 3  # on and on, with some always under way


class MessageGap(msgspec.Struct, gc=False):
    """A part of a stream, from sequence number ``seq`` to ``end``, in which messages begin, ``least`` of them or more.

    ``sure``: the gap began where a message must begin, so that the least is a good guess, too.
    """

    seq: int
    end: int
    least: int
    sure: bool
    ack: int = UNKNOWN


Pair = tuple[Request | None, Response | None]


class Tally(msgspec.Struct, gc=False):
    """Requests and responses in front of a place: how many are here, how many there were, and whether gaps are among them.

    It goes on from where it came to, so that each message is counted once, however often somebody looks. ``behaviour`` is the
    client's when it began.
    """

    behaviour: Behaviour
    requests: int = 0
    asked: int = 0
    asked_in_gap: bool = False
    sure: bool = True
    responses: int = 0
    answered_in_gap: bool = False

    def ask(self, request: Request | MessageGap) -> None:
        """One more request."""
        self.requests += 1
        if isinstance(request, MessageGap):
            self.asked += request.least
            self.asked_in_gap = True
            self.sure = self.sure and request.sure
        else:
            self.asked += 1

    def answer(self, response: Response | MessageGap) -> None:
        """One more response."""
        self.responses += 1
        self.answered_in_gap = self.answered_in_gap or isinstance(response, MessageGap)

    def paired(self) -> None:
        """The first request and the first response, both no gaps, are gone."""
        if self.requests:
            self.requests -= 1
            self.asked -= 1
        if self.responses:
            self.responses -= 1


def possible(request: Request, response: Response) -> bool:
    """Whether by causality the response may answer the request."""
    if request.ack == UNKNOWN:
        return True
    if (response.seq - request.ack & MASK) >= HALF:
        return False
    return response.ack == UNKNOWN or (response.ack - request.seq - 1 & MASK) < HALF


def ended_by_close(response: Response | MessageGap) -> bool:
    """Whether a response has a body that only the end of the connection ended, by its framing or because it broke off."""
    if isinstance(response, MessageGap):
        return False
    return response.error is not None or bool(
        response.body_size and response.fields.length is None and not response.fields.chunked
    )


def least(messages: list[Request | MessageGap] | list[Response | MessageGap]) -> int:
    """How many messages there are at the least."""
    return sum(each.least if isinstance(each, MessageGap) else 1 for each in messages)


def pair_one_to_one(requests: list[Request], responses: list[Response | MessageGap], out: list[Pair]) -> None:
    """Each gap took the place of as many responses as it held at the least."""
    place = 0
    for response in responses:
        if isinstance(response, MessageGap):
            out.extend((request, None) for request in requests[place : place + response.least])
            place += response.least
        else:
            out.append((requests[place], response))
            place += 1


def pair_back(requests: list[Request | MessageGap], responses: list[Response | MessageGap], out: list[Pair]) -> None:
    """Take from both ends what belongs together where as many requests as responses have been."""
    pairs: list[Pair] = []
    while requests and responses:
        request, response = requests[-1], responses[-1]
        if isinstance(request, MessageGap) or isinstance(response, MessageGap) or not possible(request, response):
            break
        del requests[-1], responses[-1]
        pairs.append((request, response))
    out.extend(reversed(pairs))


def leave(requests: list[Request | MessageGap], responses: list[Response | MessageGap], out: list[Pair]) -> None:
    """What is left belongs to something that is missing."""
    out.extend((request, None) for request in requests if not isinstance(request, MessageGap))
    out.extend((None, response) for response in responses if not isinstance(response, MessageGap))
