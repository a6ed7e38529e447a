"""What waits on one connection, and what it shows of where the next messages begin. Looks, and changes nothing."""

from collections.abc import Iterable, Iterator

import msgspec

from pipeline.decode.message import Message, Request, Response
from pipeline.decode.pairing.ambiguous import Ambiguous
from pipeline.decode.pairing.gaps import Behaviour, MessageGap
from pipeline.decode.position import MASK, UNKNOWN, Progress, ahead
from pipeline.decode.shared import Shared
from pipeline.model.connection import Connection


class Waiting(msgspec.Struct, gc=False, eq=False):
    """What waits for the other half on one connection. Why ``gc=False``: see ``Direction``.

    ``requests`` and ``responses`` say how far the two directions have been read. ``pending`` waits for responses while both are
    in sync, ``ambiguous`` holds both sides while they are not. ``asking`` and ``answering`` are the messages whose bodies are
    being read. ``answers`` counts responses, ``replied`` is what the server had received when it sent the latest one.
    ``last_informational``: from where to where it last said 1xx, which answers nothing. ``rejoined``: how many answers there had
    been when the two came in sync behind requests that were not seen. ``batch``: the acknowledgement that the requests of one
    share. ``tunnel``: what follows may be anything.
    """

    requests: Progress
    responses: Progress
    connection: Connection
    shared: Shared
    answers: int = 0
    replied: int = UNKNOWN
    last_informational: tuple[int, int] | None = None
    pending: list[Request] = []  # a list of its own for each: msgspec copies it
    ambiguous: Ambiguous | None = None
    asking: Request | None = None
    answering: Response | None = None
    behaviour: Behaviour = Behaviour.WAITS
    batch: int = UNKNOWN
    rejoined: int = UNKNOWN
    tunnel: bool = False

    @property
    def waiting(self) -> "list[Request] | list[Request | MessageGap]":
        """Requests that wait for their responses, gaps among them."""
        return self.pending if self.ambiguous is None else self.ambiguous.requests

    def answers_simply(self) -> bool:
        """Whether bytes that are not a response can be one of HTTP/0.9: the first ones on a connection with a request."""
        return bool(self.pending) and not (self.answers or self.connection.marks or self.last_informational)

    def asks_head(self, response: Response, early: Iterable[bool]) -> bool:
        """Whether the request of a response that is not known yet must be a HEAD: its client waited for all before.

        ``early``: for what the client sent when it had received all before the response, and that cannot be read yet, whether it
        begins with HEAD.
        """
        if self.behaviour is not Behaviour.WAITS:
            return False
        seq = response.seq
        heads = {request.line.method == "HEAD" for request in self.waiting if isinstance(request, Request) and request.ack == seq}
        return heads.union(early) == {True}

    def _acknowledged(self, seq: int, early: Iterable[int]) -> Iterator[int]:
        """Up to where the client had received the answers when it sent the requests that wait, or that are ``early``.

        The latest first, as far as they do not lie before ``seq``: thousands may wait that do.
        """
        yield from early
        for request in reversed(self.waiting):
            if request.ack != UNKNOWN:
                if ahead(request.ack, seq) < 0:
                    return
                yield request.ack

    def expects(self, seq: int, early: Iterable[int]) -> bool:
        """Whether the client, having received everything before ``seq``, has sent another request.

        ``early``: what it had received when it sent requests that cannot be read yet.
        """
        return seq in self._acknowledged(seq, early)

    def turn(self, seq: int, early: Iterable[int], *, seeking: bool) -> bool:
        """Whether the response to a request that waits must begin at ``seq``, as its client has the one before.

        ``seeking``: the responses' reader looks for the next one.
        """
        if self.behaviour is Behaviour.WAITS:
            return self.expects(seq, early)
        return seeking and bool(self.pending) and self.pending[0].ack == seq

    def asks(self, seq: int) -> bool:
        """Whether the next request must begin at ``seq``, as its server has answered everything before."""
        return self.behaviour is Behaviour.WAITS and self.replied == seq and not self.waiting

    def boundaries(self, seq: int, pos: int, size: int, early: Iterable[int]) -> list[int]:
        """Where in ``size`` bytes at ``seq``, not before ``pos``, responses may begin: what waiting requests acknowledge."""
        begin = seq + pos & MASK
        acks = self._acknowledged(begin, early)
        return sorted({pos + ahead(ack, begin) for ack in acks if 0 <= ahead(ack, begin) < size - pos})

    @property
    def held_bytes(self) -> int:
        """Bytes held by messages: their bodies, and what they cost while they wait."""
        messages = [self.asking, self.answering, *self.waiting, *(self.ambiguous.responses if self.ambiguous is not None else ())]
        if self.asking is not None:
            messages.append(self.asking.response)
        return sum(each.held_bytes for each in {id(each): each for each in messages}.values() if isinstance(each, Message))
