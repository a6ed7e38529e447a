"""What may be missing between messages, and what that leaves certain: habits of clients, holes, and a tally of both sides."""

from enum import IntEnum

import msgspec

from pipeline.decode.message import UNKNOWN, Request, Response
from pipeline.decode.transport.tcp import HALF, MASK


class Habit(IntEnum):
    """How a client sends requests. It is taken to wait until it is seen to do otherwise."""

    WAITS = 0  # for each response: all clients in common use
    MAY_BATCH = 1  # several at once; what then is not known yet
    BATCHES = 2  # several at once, then waits for all responses
    WINDOW = 3  # on and on, with some always under way


class Hole(msgspec.Struct, gc=False):
    """A part of a stream, from sequence number ``seq`` to ``end``, in which messages begin, ``least`` of them or more.

    ``sure``: the hole began where a message must begin, so that the least is a good guess, too.
    """

    seq: int
    end: int
    least: int
    sure: bool
    ack: int = UNKNOWN


Pair = tuple[Request | None, Response | None]


class Tally(msgspec.Struct, gc=False):
    """Requests and responses in front of a place: how many are here, how many there were, and whether holes are among them.

    It goes on from where it came to, so that each message is counted once, however often somebody looks. ``habit`` is the
    client's when it began.
    """

    habit: Habit
    requests: int = 0
    asked: int = 0
    asked_in_hole: bool = False
    sure: bool = True
    responses: int = 0
    answered_in_hole: bool = False

    def ask(self, request: Request | Hole) -> None:
        """One more request."""
        self.requests += 1
        if isinstance(request, Hole):
            self.asked += request.least
            self.asked_in_hole = True
            self.sure = self.sure and request.sure
        else:
            self.asked += 1

    def answer(self, response: Response | Hole) -> None:
        """One more response."""
        self.responses += 1
        self.answered_in_hole = self.answered_in_hole or isinstance(response, Hole)

    def paired(self) -> None:
        """The first request and the first response, both no holes, are gone."""
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


def ended_by_close(response: Response | Hole) -> bool:
    """Whether a response has a body that only the end of the connection ended, by its framing or because it broke off."""
    if isinstance(response, Hole):
        return False
    return response.error is not None or bool(
        response.body_size and response.fields.length is None and not response.fields.chunked
    )


def least(messages: list[Request | Hole] | list[Response | Hole]) -> int:
    """How many messages there are at the least."""
    return sum(each.least if isinstance(each, Hole) else 1 for each in messages)


def pair_one_to_one(requests: list[Request], responses: list[Response | Hole], out: list[Pair]) -> None:
    """Each hole took the place of as many responses as it held at the least."""
    place = 0
    for response in responses:
        if isinstance(response, Hole):
            out.extend((request, None) for request in requests[place : place + response.least])
            place += response.least
        else:
            out.append((requests[place], response))
            place += 1


def pair_back(requests: list[Request | Hole], responses: list[Response | Hole], out: list[Pair]) -> None:
    """Take from both ends what belongs together where as many requests as responses have been."""
    pairs: list[Pair] = []
    while requests and responses:
        request, response = requests[-1], responses[-1]
        if isinstance(request, Hole) or isinstance(response, Hole) or not possible(request, response):
            break
        del requests[-1], responses[-1]
        pairs.append((request, response))
    out.extend(reversed(pairs))


def leave(requests: list[Request | Hole], responses: list[Response | Hole], out: list[Pair]) -> None:
    """What is left belongs to something that is missing."""
    out.extend((request, None) for request in requests if not isinstance(request, Hole))
    out.extend((None, response) for response in responses if not isinstance(response, Hole))
