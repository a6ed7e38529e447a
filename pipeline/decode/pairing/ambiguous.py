"""What came on a connection since a gap may have swallowed messages: which response answers which request, if that is certain.

Until a gap, requests and responses are in sync: the next response answers the oldest request. Behind it they are not, and this
holds both in the order of their streams, gaps among them, until it is certain which belong together. Whatever comes, the oldest
of both sides are looked at first (``_front``):

===============  ==========================================================  =================================================
oldest request   oldest response                                             then
===============  ==========================================================  =================================================
request          response that it may have by causality                      they belong together
request          response that its client had a part of before it asked,     the response answers what is missing
                 or whose server had not received it
request          gap of which its client had received a part before it       the gap begins behind that part, and is not a gap
                 asked                                                       where nothing is left of it
request          any other gap                                               ask the number, then the back
gap              response whose server had received no more than the gap     the response answers what is missing, which holds
                                                                             one request less
gap              any other response                                          ask the number, then the back
none             any                                                         wait for requests
any              none                                                        in sync again where no gap is left
===============  ==========================================================  =================================================

* By number (``_by_number``). No more responses come than requests were sent: where as many requests wait as there are responses
  and gaps at the least, each gap was one.
* From the back (``_back``), where the two are in sync again: at a request that its client sent when all before it had been
  answered, and at the end of a connection that both ends closed. What such a request looks like depends on the client's
  behaviour, as far as the connection has shown it.

An example. A client that waits for each response sends request A, bytes 1000 to 1099, which acknowledges 5000, and has its
response, bytes 5000 to 5199. It sends B (1100 to 1199, acknowledges 5200). The response to B, bytes 5200 to 5449, is lost: here
are now ``requests = [B]``, ``responses = [MessageGap(5200, 5450, least=1)]``. The front does not know whether one message was in
the gap or two, and the latest response is a gap, so that numbers say nothing. Then C comes (1200 to 1299, acknowledges 5450). Its
client waits, so when it sent C it had the answer to everything before: the gap, which ends at 5450, held that. B is reported
without a response and marked ``gap``, C waits alone, both are in sync, and the response that begins at 5450 is C's.

Had the client sent A, B and C at once, C would acknowledge 5000 and say nothing. When a response then comes at 5450 whose server
had received all up to 1300, two requests wait, and a gap of at least one message and that response stand against them: so the
gap was the response to B, and this one is C's. With D behind C, sent at once too, it could be C's or D's: it waits.
"""

import msgspec

from pipeline.decode.marks import GAP
from pipeline.decode.message import Request, Response
from pipeline.decode.pairing.gaps import (
    Behaviour,
    MessageGap,
    Pair,
    Tally,
    ended_by_close,
    least,
    leave,
    pair_back,
    pair_one_to_one,
    possible,
)
from pipeline.decode.position import UNKNOWN, ahead


class Ambiguous(msgspec.Struct, gc=False):
    """Both sides since they were last in sync, and why they are not (``marks``). ``behaviour`` grows with what they show.

    Time per message is constant, however many wait: what was looked at is not looked at again, but where something new came to
    be known of what is in front of it.
    """

    behaviour: Behaviour
    marks: int = 0
    requests: list[Request | MessageGap] = []  # lists of its own for each: msgspec copies them
    responses: list[Response | MessageGap] = []
    _least: int = 0  # how many responses there were at the least
    _gaps: int = 0  # among the requests
    _reach: int = 0  # requests, from the first on, that the latest response may answer
    _latest: int = UNKNOWN  # where the response begins that was the last to be paired
    _tally: Tally | None = None  # of what is in front of the place that is to be looked at next, from the back

    @property
    def over(self) -> bool:
        """Whether both are in sync again: what is left are requests that wait."""
        return not self.responses and not self._gaps

    def begin(self, seq: int) -> None:
        """Requests may be missing in front of all that are known."""
        self.requests.insert(0, MessageGap(seq, seq, 0, sure=False))
        self._gaps += 1
        self._reach, self._tally = 0, None

    def respond(self, response: Response) -> None:
        """One more response."""
        self.responses.append(response)
        self._least += 1

    def gap(self, *, client: bool, seq: int, end: int, least: int) -> None:
        """An unknown number of messages is missing behind those that are known."""
        messages: list[Request | MessageGap] | list[Response | MessageGap] = self.requests if client else self.responses
        last = messages[-1] if messages else None
        before = 0
        if isinstance(last, MessageGap):
            before = last.least
            last.end, last.least = end, max(before, least)
        else:
            last = MessageGap(seq, end, least, least > 0)
            messages.append(last)
            self._gaps += client
        if not client:
            self._least += last.least - before
        self._tally = None

    def extend(self, *, client: bool, end: int) -> None:
        """Nothing up to ``end`` was a message: if a gap came last, it goes on to there."""
        messages: list[Request | MessageGap] | list[Response | MessageGap] = self.requests if client else self.responses
        if messages and isinstance(messages[-1], MessageGap):
            messages[-1].end = end

    def resolve(self, asked: int, answered: int) -> list[Pair]:
        """What has become certain, as all requests in front of ``asked`` and all responses in front of ``answered`` are here.

        ``answered`` UNKNOWN: it is too early to look from the back.
        """
        out: list[Pair] = []
        while self._front(out) or self._by_number(out, asked) or self._back(out, answered):
            pass
        return out

    def end(self, *, closed: bool) -> list[Pair]:
        """All the rest, at the end of the connection; ``closed``: by both ends, so that every request had its response.

        Nothing says so where nothing was lost and the close ends the latest response: its server may have answered no more.
        """
        out: list[Pair] = []
        requests, responses = self.requests, self.responses
        self.requests, self.responses, self._least, self._gaps, self._reach, self._tally = [], [], 0, 0, 0, None
        self.behaviour = Behaviour.WINDOW  # whatever it was: here only the numbers count
        tally = Tally(self.behaviour)
        for request in requests:
            tally.ask(request)
        for response in responses:
            tally.answer(response)
        cut = not self.marks & GAP and bool(responses) and ended_by_close(responses[-1])
        if closed and not cut and self._all_answered(tally, Behaviour.WINDOW):
            pair_back(requests, responses, out)
        leave(requests, responses, out)
        return out

    # -- from the front --------------------------------------------------------------------------------------------------

    def _front(self, out: list[Pair]) -> bool:
        """Pair the oldest of both, or let go of a response that certainly answers none of the requests."""
        if not self.requests or not self.responses:
            return False
        request, response = self.requests[0], self.responses[0]
        if isinstance(response, MessageGap):
            return self._front_of_gap(request, response)
        if isinstance(request, MessageGap):
            if response.ack == UNKNOWN or ahead(response.ack, request.end) > 0:
                return False
            # The server had received no more than what is missing.
            request.least = max(0, request.least - 1)
            self._drop_responses(1)
            self._tally = None
            out.append((None, response))
        elif possible(request, response):
            if self._tally is not None:
                self._tally.paired()
            if self._gaps:
                self._tally = None  # what the requests behind them say depends on the latest response
            self._latest = response.seq
            self._drop_requests(1)
            self._drop_responses(1)
            out.append((request, response))
        else:
            self._drop_responses(1)
            self._tally = None
            out.append((None, response))
        return True

    def _front_of_gap(self, request: Request | MessageGap, gap: MessageGap) -> bool:
        """Take from a gap what the client had received; True where nothing is left of it."""
        if isinstance(request, MessageGap) or request.ack == UNKNOWN or ahead(request.ack, gap.seq) <= 0:
            return False
        # The response to this request begins behind the bytes that its client had received.
        self._least -= gap.least
        gap.seq, gap.least, gap.sure = request.ack, 0, False
        self._tally = None
        if ahead(gap.end, gap.seq) > 0:
            return False
        self._drop_responses(1)
        return True

    def _drop_requests(self, count: int) -> None:
        if self._gaps:
            self._gaps -= sum(isinstance(each, MessageGap) for each in self.requests[:count])
        del self.requests[:count]
        self._reach = max(0, self._reach - count)

    def _drop_responses(self, count: int) -> None:
        self._least -= least(self.responses[:count])
        del self.responses[:count]

    # -- by number -------------------------------------------------------------------------------------------------------

    def _by_number(self, out: list[Pair], asked: int) -> bool:
        """Whether the latest response can only be one: then all before it are known, too."""
        responses = self.responses
        latest = responses[-1] if responses else None
        if not isinstance(latest, Response) or (latest.ack != UNKNOWN and (asked == UNKNOWN or ahead(latest.ack, asked) > 0)):
            return False
        count = self._candidates(latest)
        if count is None:
            return False
        if count and self._least > count:
            for each in responses:
                if isinstance(each, MessageGap):
                    each.least = 0  # what seemed to begin there did not: it was an informational response, or none
            self._least = least(responses)
        if count and self._least != count:
            return False
        candidates = [request for request in self.requests[:count] if isinstance(request, Request)]
        self._drop_requests(count)
        self.responses, self._least, self._tally = [], 0, None
        if candidates:
            pair_one_to_one(candidates, responses, out)
        else:
            leave([], responses, out)  # all that the server had is answered
        return True

    def _candidates(self, response: Response) -> int | None:
        """How many requests it, or a response before it, may answer; None where some of them are missing.

        What a response may answer, every later one may.
        """
        requests = self.requests
        while self._reach < len(requests):
            request = requests[self._reach]
            if isinstance(request, MessageGap):
                return self._reach if response.ack != UNKNOWN and ahead(response.ack, request.seq) <= 0 else None
            if not possible(request, response):
                break
            self._reach += 1
        return self._reach

    # -- from the back ---------------------------------------------------------------------------------------------------

    def _back(self, out: list[Pair], answered: int) -> bool:
        """Look for a request that was sent when all before it had been answered, and resolve what is before it."""
        if answered == UNKNOWN:
            return False
        tally, requests = self._tally, self.requests
        if tally is None or tally.behaviour is not self.behaviour:
            tally = self._tally = Tally(self.behaviour)
        while self.behaviour is not Behaviour.WINDOW and tally.requests < len(requests):
            request = requests[tally.requests]
            if tally.requests and not isinstance(request, MessageGap) and request.ack != UNKNOWN:
                if ahead(request.ack, answered) > 0:
                    return False
                if self._begins_afresh(tally.requests, request.ack) and self._in_sync_at(tally, request.ack, out):
                    return True
            tally.ask(request)
        return False

    def _begins_afresh(self, place: int, ack: int) -> bool:
        """Whether the request at ``place`` may have been sent when all before it had been answered."""
        before = self.requests[place - 1]
        if not isinstance(before, MessageGap):
            return before.ack != UNKNOWN and ahead(ack, before.ack) > 0
        if place > 1:
            before = self.requests[place - 2]
        if ack == before.ack or (self._latest != UNKNOWN and ahead(ack, self._latest) <= 0):
            self.behaviour = max(self.behaviour, Behaviour.MAY_BATCH)
        return self.behaviour is Behaviour.WAITS  # else others of its batch may be missing

    def _in_sync_at(self, tally: Tally, ack: int, out: list[Pair]) -> bool:
        responses = self.responses
        while tally.responses < len(responses) and ahead(responses[tally.responses].seq, ack) < 0:
            tally.answer(responses[tally.responses])
        latest = responses[tally.responses - 1] if tally.responses else None
        if isinstance(latest, Response) and ahead(latest.seq + latest.size, ack) > 0:
            self.behaviour = Behaviour.WINDOW  # the client did not wait for the end of it
            return False
        behind_gap = isinstance(self.requests[tally.requests - 1], MessageGap)
        if not self._all_answered(tally, Behaviour.MAY_BATCH if behind_gap else Behaviour.WINDOW):
            return False
        requests, certain = self.requests[: tally.requests], responses[: tally.responses]
        self._drop_requests(len(requests))
        self._drop_responses(len(certain))
        self._tally = None
        if isinstance(latest, MessageGap) and ahead(latest.end, ack) > 0:
            self.responses.insert(0, MessageGap(ack, latest.end, 1, sure=True))
            self._least += 1
        pair_back(requests, certain, out)
        leave(requests, certain, out)
        return True

    def _all_answered(self, tally: Tally, otherwise: Behaviour) -> bool:
        """Whether there can have been a response to each request. If not, the client's behaviour is another."""
        if not tally.answered_in_gap and tally.responses < tally.asked:
            self.behaviour = max(self.behaviour, otherwise)
            return False
        if self.behaviour is Behaviour.MAY_BATCH:
            return not tally.answered_in_gap and tally.sure
        return self.behaviour is Behaviour.WAITS or not (tally.asked_in_gap and tally.answered_in_gap)
