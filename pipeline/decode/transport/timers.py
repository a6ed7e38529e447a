"""When to look at a connection again: seconds → the connections that may be overdue then. O(1) per connection and look.

A connection is not moved when something happens on it; when its second comes, it is either overdue or moved to the second that
its last byte asks for. So the earliest second also holds those that were idle longest.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.decode.options import DecodeOptions

if TYPE_CHECKING:
    from pipeline.decode.pairing.pairing import Conversation

SECOND = 1_000_000_000


class Timers:
    """Every followed connection stands in exactly one second."""

    def __init__(self, options: DecodeOptions) -> None:
        self._response_ns = int(options.response_timeout_secs * SECOND)
        self._idle_ns = int(options.idle_timeout_secs * SECOND)
        self._look_ns = max(SECOND, min(self._response_ns, self._idle_ns) // 4)
        self._seconds: dict[int, dict[Conversation, None]] = {}

    def add(self, conversation: "Conversation") -> None:
        """Look at it for the first time in due course."""
        second = conversation.due = (conversation.last_ns + self._look_ns) // SECOND
        waiting = self._seconds.get(second)
        if waiting is None:
            waiting = self._seconds[second] = {}
        waiting[conversation] = None

    def remove(self, conversation: "Conversation") -> None:
        """It is no longer followed."""
        waiting = self._seconds.get(conversation.due)
        if waiting is not None:
            waiting.pop(conversation, None)
            if not waiting:
                del self._seconds[conversation.due]

    def due(self, now_ns: int) -> Iterator[tuple["Conversation", bool]]:
        """Connections that are overdue: True to forget them, False when only their requests have waited too long."""
        now = now_ns // SECOND
        for second in sorted(second for second in self._seconds if second < now):
            for conversation in self._seconds.pop(second, ()):
                idle = now_ns - conversation.last_ns
                if idle >= self._idle_ns:
                    yield conversation, True
                    continue
                if idle >= self._response_ns and (conversation.pending or conversation.doubt):
                    yield conversation, False
                self._put(conversation, min(now_ns + self._look_ns, max(conversation.last_ns + self._idle_ns, now_ns)))

    def idlest(self) -> "Conversation | None":
        """The connection that was idle longest, to within a look."""
        while self._seconds:
            second = min(self._seconds)
            waiting = self._seconds[second]
            conversation = next(iter(waiting))
            asked = (conversation.last_ns + self._look_ns) // SECOND
            if asked <= second:
                return conversation
            self.remove(conversation)
            self._put(conversation, conversation.last_ns + self._look_ns)
        return None

    def _put(self, conversation: "Conversation", at_ns: int) -> None:
        conversation.due = at_ns // SECOND
        self._seconds.setdefault(conversation.due, {})[conversation] = None
