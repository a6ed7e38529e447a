"""``window``: a flight recorder. Events are held back, and those around one that matters go on; the others never do."""

from collections import deque
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from pipeline.api import DEFAULT, NOTHING, Config, Context, Event, Outputs, Transform
from pipeline.transforms.keys import Key, RecentKeys, bounded
from pipeline.transforms.options import Compiled


class WindowConfig(Config):
    """Keep the events around those for which a condition holds."""

    where: str
    """Condition of the events that matter, such as `status >= 500`."""
    before_events: Annotated[int, Field(ge=0, le=100_000)] = 10
    """Events before such a one that go on with it."""
    after_events: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Events after it that go on too."""
    key: str | None = None
    """Expression; each of its values has a window of its own, such as `httpipe.connection`. Default: one window for all."""
    max_events: Annotated[int, Field(ge=1, le=10_000_000)] = 50_000
    """Events held back in all (about 1 KB each); beyond it the window that was idle longest is let go, and counted."""


class Recorder:
    """The window of one key."""

    __slots__ = ("follow", "held")

    def __init__(self) -> None:
        self.held: deque[Event] = deque()
        self.follow = 0


class Window(Transform):
    """Keeps the events around those that matter: a flight recorder.

    Order is kept within a key. What is still held back at the end did not matter, and is dropped. A crash may drop it,
    too: with a `key` the source's position does not wait for the events that an idle key holds.

    Counters: `evicted_keys`, windows let go for `max_events`; `missing_field`, how often an expression
    met a field that the event lacks.
    """

    api_version = 1
    Config = WindowConfig
    discard_reason = "uneventful"

    def __init__(self, config: WindowConfig, context: Context) -> None:
        self.count = context.count
        self.before = config.before_events
        self.after = config.after_events
        self.max_events = config.max_events
        # A key without held events costs memory too: there are never more keys than events.
        self.recorders: RecentKeys[Recorder] = RecentKeys(config.max_events)
        self.held = 0
        with Compiled(context) as options:
            self.matters = options.condition("where", config.where).test
            self.key = options.value("key", config.key).of if config.key is not None else None
        self.count_misses, self.reads = options.count_misses, options.reads

    @property
    def held_events(self) -> int:
        """Events held back now."""
        return self.held

    def process(self, batch: Sequence[Event]) -> Outputs:
        """Give out what matters, hold back the rest."""
        given: list[Event] = []
        for event in batch:
            self._take(event, given)
        self.count_misses()
        if evicted := self.recorders.new_evictions():
            self.count("evicted_keys", evicted)
        return {DEFAULT: given}

    def flush(self, now_ns: int, *, last: bool) -> Outputs:  # noqa: ARG002  windows end by events, not by time
        """Nothing is due by time; at the end everything is let go."""
        if last:
            self.recorders.clear()
            self.held = 0
        return NOTHING

    def _take(self, event: Event, given: list[Event]) -> None:
        key: Key = bounded(self.key(event)) if self.key is not None else None
        recorder = self.recorders.get(key) or Recorder()
        if self.matters(event):
            given += recorder.held
            given.append(event)
            self.held -= len(recorder.held)
            recorder.held.clear()
            recorder.follow = self.after
        elif recorder.follow:
            recorder.follow -= 1
            given.append(event)
        elif self.before:
            recorder.held.append(event)
            self.held += 1
            if len(recorder.held) > self.before:
                recorder.held.popleft()
                self.held -= 1
        self._keep(key, recorder)

    def _keep(self, key: Key, recorder: Recorder) -> None:
        evicted = self.recorders.put(key, recorder)
        if evicted is not None:
            self.held -= len(evicted.held)
        while self.held > self.max_events:
            oldest = self.recorders.oldest()
            if oldest is None or oldest[1] is recorder:
                recorder.held.popleft()
                self.held -= 1
                continue
            self.recorders.drop(oldest[0])
            self.held -= len(oldest[1].held)
            self.recorders.evicted += 1
