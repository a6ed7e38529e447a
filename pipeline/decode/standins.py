"""What stands for a protocol: where nobody reads a direction, where another one follows, and where the first bytes are late."""

from collections.abc import Callable

from pipeline.decode.position import At
from pipeline.decode.protocol import End, Missing, Protocol, Switch
from pipeline.decode.transport.direction import Direction


class Unread:
    """A direction that has become something nobody reads: its bytes pass by. What was before it ends with the connection."""

    def __init__(self, before: Protocol) -> None:
        self._before = before

    def data(self, data: bytes, at: At) -> Switch | None:  # noqa: ARG002  nobody reads it
        """Pass by."""
        return None

    def gap(self, count: int, at: At, why: Missing) -> None:
        """Pass by."""

    def end(self, why: End) -> None:
        """What was before it ends."""
        self._before.end(why)

    def caught_up(self) -> None:
        """As what was before it."""
        self._before.caught_up()

    def opened_at(self, seq: int) -> None:
        """As what was before it."""
        self._before.opened_at(seq)

    def overdue(self) -> None:
        """As what was before it."""
        self._before.overdue()

    def release(self) -> None:
        """As what was before it."""
        self._before.release()

    @property
    def waiting(self) -> bool:
        """As what was before it."""
        return self._before.waiting

    @property
    def busy(self) -> bool:
        """As what was before it."""
        return self._before.busy

    @property
    def held_bytes(self) -> int:
        """As what was before it."""
        return self._before.held_bytes


class Behind(Unread):
    """A direction that goes on with another protocol: ``reader`` has its bytes, and all else is as before."""

    def __init__(self, before: Protocol, reader: Protocol) -> None:
        super().__init__(before)
        self._reader = reader

    def data(self, data: bytes, at: At) -> Switch | None:
        """For the reader."""
        return self._reader.data(data, at)

    def gap(self, count: int, at: At, why: Missing) -> None:
        """For the reader."""
        self._reader.gap(count, at, why)

    def end(self, why: End) -> None:
        """What was before it is over already, and is told so."""
        self._reader.end(why)
        super().end(why)

    @property
    def held_bytes(self) -> int:
        """Of both."""
        return self._before.held_bytes + self._reader.held_bytes


class Undecided(Unread):
    """A direction of which later bytes came first: HTTP/1, unless the first ones show something else when they come."""

    def __init__(self, direction: Direction, speak: Callable[[Direction, bytes], bool]) -> None:
        super().__init__(direction.protocol)
        self._direction = direction
        self._speak = speak

    def data(self, data: bytes, at: At) -> Switch | None:
        """The first bytes decide for both directions."""
        direction, before = self._direction, self._before
        if self._speak(direction, data):
            before.release()
        else:
            self._decide()
        return direction.protocol.data(data, at)

    def gap(self, count: int, at: At, why: Missing) -> None:
        """What cannot be known is HTTP/1, which looks for the next message."""
        self._decide()
        self._before.gap(count, at, why)

    def _decide(self) -> None:
        for each in (self._direction, self._direction.other):
            if isinstance(each.protocol, Undecided):
                each.protocol = each.protocol._before  # noqa: SLF001  of the same class
