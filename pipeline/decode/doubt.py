"""What came on a connection since a hole may have swallowed messages: which response answers which request, if that is certain.

Until a hole, requests and responses are in step: the next response answers the oldest request. Behind it they are not, and this
holds both in the order of their streams, holes among them, until it is certain which belong together:

* From the front, up to the first hole of either side: nothing is missing there.
* By causality. A response answers no request that its server had not received, nor one whose client had received a part of it.
* By number. No more responses come than requests were sent: where as many requests wait as there are responses and holes at
  the least, each hole was one.
* From the back, where the two are in step again: at a request that its client sent when all before it had been answered, and
  at the end of a connection that both ends closed. What such a request looks like depends on the client's habit, as far as
  the connection has shown it.
"""

from enum import IntEnum

import msgspec

from pipeline.decode.message import UNKNOWN, Request, Response
from pipeline.decode.tcp import HALF, MASK, ahead


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


class Doubt(msgspec.Struct, gc=False):
    """Both sides since they were last in step, and why they are not (``marks``). ``habit`` grows with what they show."""

    requests: list[Request | Hole]
    responses: list[Response | Hole]
    habit: Habit
    marks: int = 0
    _latest: int = UNKNOWN  # where the response begins that was the last to be paired

    @property
    def over(self) -> bool:
        """Whether both are in step again: what is left are requests that wait."""
        return not self.responses and not any(isinstance(each, Hole) for each in self.requests)

    def hole(self, *, client: bool, seq: int, end: int, least: int) -> None:
        """An unknown number of messages is missing behind those that are known."""
        messages: list[Request | Hole] | list[Response | Hole] = self.requests if client else self.responses
        last = messages[-1] if messages else None
        if isinstance(last, Hole):
            last.end, last.least = end, max(last.least, least)
        else:
            messages.append(Hole(seq, end, least, least > 0))

    def extend(self, *, client: bool, end: int) -> None:
        """Nothing up to ``end`` was a message: if a hole came last, it goes on to there."""
        messages: list[Request | Hole] | list[Response | Hole] = self.requests if client else self.responses
        if messages and isinstance(messages[-1], Hole):
            messages[-1].end = end

    def settle(self, asked: int, answered: int) -> list[Pair]:
        """What has become certain, as all requests in front of ``asked`` and all responses in front of ``answered`` are here.

        ``answered`` UNKNOWN: it is too early to look from the back.
        """
        out: list[Pair] = []
        while self._front(out) or self._by_number(out, asked) or self._back(out, answered):
            pass
        return out

    def end(self, *, closed: bool) -> list[Pair]:
        """All the rest, at the end of the connection; ``closed``: by both ends, so that every request had its response."""
        out: list[Pair] = []
        requests, responses = self.requests, self.responses
        self.requests, self.responses = [], []
        self.habit = Habit.WINDOW  # whatever it was: here only the numbers count
        if closed and self._all_answered(requests, responses, Habit.WINDOW):
            pair_back(requests, responses, out)
        leave(requests, responses, out)
        return out

    # -- from the front --------------------------------------------------------------------------------------------------

    def _front(self, out: list[Pair]) -> bool:
        """Pair the oldest of both, or let go of a response that certainly answers none of the requests."""
        if not self.requests or not self.responses:
            return False
        request, response = self.requests[0], self.responses[0]
        if isinstance(response, Hole):
            if isinstance(request, Hole) or request.ack == UNKNOWN or ahead(request.ack, response.seq) <= 0:
                return False
            # The response to this request begins behind the bytes that its client had received.
            response.seq, response.least, response.sure = request.ack, 0, False
            if ahead(response.end, response.seq) > 0:
                return False
            self.responses.pop(0)
        elif isinstance(request, Hole):
            if response.ack == UNKNOWN or ahead(response.ack, request.end) > 0:
                return False
            # The server had received no more than what is missing.
            request.least = max(0, request.least - 1)
            out.append((None, response))
            self.responses.pop(0)
        else:
            self.responses.pop(0)
            if possible(request, response):
                self.requests.pop(0)
                self._latest = response.seq
                out.append((request, response))
            else:
                out.append((None, response))
        return True

    # -- by number -------------------------------------------------------------------------------------------------------

    def _by_number(self, out: list[Pair], asked: int) -> bool:
        """Whether the latest response can only be one: then all before it are known, too."""
        responses = self.responses
        latest = responses[-1] if responses else None
        if not isinstance(latest, Response) or (latest.ack != UNKNOWN and (asked == UNKNOWN or ahead(latest.ack, asked) > 0)):
            return False
        candidates = self._candidates(latest)
        if candidates is None:
            return False
        if candidates and least(responses) > len(candidates):
            for each in responses:
                if isinstance(each, Hole):
                    each.least = 0  # what seemed to begin there did not: it was an interim response, or none
        if candidates and least(responses) != len(candidates):
            return False
        del self.requests[: len(candidates)]
        self.responses = []
        if candidates:
            pair_one_to_one(candidates, responses, out)
        else:
            leave([], responses, out)  # all that the server had is answered
        return True

    def _candidates(self, response: Response) -> list[Request] | None:
        """The requests that it, or a response before it, may answer; None where some of them are missing."""
        candidates: list[Request] = []
        for request in self.requests:
            if isinstance(request, Hole):
                return candidates if response.ack != UNKNOWN and ahead(response.ack, request.seq) <= 0 else None
            if not possible(request, response):
                break
            candidates.append(request)
        return candidates

    # -- from the back ---------------------------------------------------------------------------------------------------

    def _back(self, out: list[Pair], answered: int) -> bool:
        """Look for a request that was sent when all before it had been answered, and settle what is before it."""
        for place in range(1, len(self.requests)):
            if self.habit is Habit.WINDOW or answered == UNKNOWN:
                return False
            request, before = self.requests[place], self.requests[place - 1]
            if isinstance(request, Hole) or request.ack == UNKNOWN or ahead(request.ack, answered) > 0:
                continue
            if isinstance(before, Hole):
                if place > 1:
                    before = self.requests[place - 2]
                if request.ack == before.ack or (self._latest != UNKNOWN and ahead(request.ack, self._latest) <= 0):
                    self.habit = max(self.habit, Habit.MAY_BATCH)
                if self.habit is not Habit.WAITS:
                    continue  # others of its batch may be missing
            elif before.ack == UNKNOWN or ahead(request.ack, before.ack) <= 0:
                continue
            if self._in_step_at(place, request.ack, out):
                return True
        return False

    def _in_step_at(self, place: int, ack: int, out: list[Pair]) -> bool:
        responses = self.responses
        count = sum(ahead(each.seq, ack) < 0 for each in responses)
        latest = responses[count - 1] if count else None
        if isinstance(latest, Response) and ahead(latest.seq + latest.size, ack) > 0:
            self.habit = Habit.WINDOW  # the client did not wait for the end of it
            return False
        behind_hole = isinstance(self.requests[place - 1], Hole)
        if not self._all_answered(self.requests[:place], responses[:count], Habit.MAY_BATCH if behind_hole else Habit.WINDOW):
            return False
        requests, self.requests = self.requests[:place], self.requests[place:]
        settled, self.responses = responses[:count], responses[count:]
        if isinstance(latest, Hole) and ahead(latest.end, ack) > 0:
            self.responses.insert(0, Hole(ack, latest.end, 1, sure=True))
        pair_back(requests, settled, out)
        leave(requests, settled, out)
        return True

    def _all_answered(self, requests: list[Request | Hole], responses: list[Response | Hole], otherwise: Habit) -> bool:
        """Whether there can have been a response to each request. If not, the client's habit is another."""
        asked_in_hole = any(isinstance(each, Hole) for each in requests)
        answered_in_hole = any(isinstance(each, Hole) for each in responses)
        if not answered_in_hole and len(responses) < least(requests):
            self.habit = max(self.habit, otherwise)
            return False
        if self.habit is Habit.MAY_BATCH:
            return not answered_in_hole and all(each.sure for each in requests if isinstance(each, Hole))
        return self.habit is Habit.WAITS or not (asked_in_hole and answered_in_hole)


def possible(request: Request, response: Response) -> bool:
    """Whether by causality the response may answer the request."""
    if request.ack == UNKNOWN:
        return True
    if (response.seq - request.ack & MASK) >= HALF:
        return False
    return response.ack == UNKNOWN or (response.ack - request.seq - 1 & MASK) < HALF


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
