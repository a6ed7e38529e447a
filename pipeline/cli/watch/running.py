"""Where the screen's events come from: a run in a thread of this process, or the control socket of another process.

The screen has the main thread, since a terminal's signals are heard there; what it costs is the interpreter's lock for some
milliseconds, and the capture has its ring meanwhile.
"""

import io
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from pipeline.errors import HttpipeError
from pipeline.live.store import Store
from pipeline.live.summary import Summary
from pipeline.live.view import View
from pipeline.model.snapshot import Snapshot
from pipeline.runtime.summary import Summary as RunSummary
from pipeline.topology.plan import Plan

END_SECS = 5.0
"""How long the end of the screen waits for the end of the run: probes are detached by then."""
MOST_PER_SEC = 10_000
"""Events that the other process shows; what is beyond that is counted."""
LINES = 200


class LogLines(io.StringIO):
    """The newest lines of the log, for the screen: standard error is the terminal that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=LINES)

    def write(self, text: str, /) -> int:
        """A line with its end."""
        self.lines.extend(line for line in text.splitlines() if line)
        return len(text)


class Running:
    """A run in a thread. ``start`` returns when it captures; raises what hinders it."""

    def __init__(self, plan: Plan, load: Callable[[], Plan], *, for_secs: float | None, keep: int) -> None:
        self._plan = plan
        self._load = load
        self._for_secs = for_secs
        self._keep = keep
        self._began = threading.Event()
        self._thread = threading.Thread(target=self._run, name="run", daemon=True)
        self._stop: Callable[[], None] | None = None
        self.view: View | None = None
        self.error: BaseException | None = None
        self.summary: RunSummary | None = None

    def start(self) -> View:
        """Raises what the run raises before it has begun."""
        self._thread.start()
        self._began.wait()
        if self.error is not None:
            raise self.error
        if self.view is None:
            raise AssertionError
        return self.view

    def close(self) -> None:
        """End the run without draining: nothing but the screen has read it. Safe twice, also after its end."""
        if self._stop is not None and self._thread.is_alive():
            try:
                self._stop()
            except RuntimeError:
                return  # its loop has just been closed
        self._thread.join(END_SECS)

    def _live(self, view: View, stop: Callable[[], None]) -> None:
        self.view, self._stop = view, stop

    def _run(self) -> None:
        import anyio  # noqa: PLC0415  start-up

        from pipeline.isolation.loop import EventLoop  # noqa: PLC0415
        from pipeline.runtime.options import RunOptions  # noqa: PLC0415
        from pipeline.runtime.run import run  # noqa: PLC0415

        options = RunOptions(
            for_secs=self._for_secs,
            handle_signals=False,
            configure_logs=False,
            on_ready=self._began.set,
            on_live=self._live,
            keep=self._keep,
        )
        try:
            self.summary = anyio.run(
                partial(run, self._plan, load=self._load, options=options), backend_options={"loop_factory": EventLoop}
            )
        except BaseException as error:  # noqa: BLE001  of another thread: it is raised where somebody waits
            self.error = error
        finally:
            self._began.set()


@contextmanager
def attached(path: str, where: str | None, keep: int) -> Iterator[tuple[View, Callable[[], int]]]:
    """A view of the run whose control socket this is, and how many events it did not tell. Raises ``HttpipeError``."""
    from pipeline.runtime.control.client import ControlClient  # noqa: PLC0415  start-up

    store, ended = Store(keep), threading.Event()
    with ControlClient(path) as events, ControlClient(path) as states:
        latest = _Latest(states.snapshots())
        answers = events.tap(None, where, MOST_PER_SEC)
        next(answers, None)  # the tap is on, or its condition is wrong
        follower = _Follower(answers, store, ended)
        threads = [threading.Thread(target=each, daemon=True) for each in (latest.follow, follower.follow)]
        for thread in threads:
            thread.start()
        try:
            view = View(
                title=latest.snapshot.file or f"PID {latest.snapshot.pid}",
                store=store,
                summary=Summary(store),
                snapshot=lambda: latest.snapshot,
                attributes=dict,
                ended=ended.is_set,
            )
            yield view, lambda: follower.missed
        finally:
            events.close()
            states.close()
            for thread in threads:
                thread.join(END_SECS)


class _Latest:
    """The newest snapshot. Raises ``HttpipeError`` where there is none."""

    def __init__(self, snapshots: Iterator[Snapshot]) -> None:
        self._snapshots = snapshots
        first = next(snapshots, None)
        if first is None:
            raise HttpipeError("the pipeline has ended")
        self.snapshot: Snapshot = first

    def follow(self) -> None:
        """Until the run ends, or the client hangs up."""
        for snapshot in self._snapshots:
            self.snapshot = snapshot


class _Follower:
    """Fills the store with what a tap tells."""

    def __init__(self, answers: Iterator[Mapping[str, Any] | int], store: Store, ended: threading.Event) -> None:
        self._answers = answers
        self._store = store
        self._ended = ended
        self.missed = 0

    def follow(self) -> None:
        """Until the run ends, or the client hangs up."""
        from pipeline.codecs.registry import decoder  # noqa: PLC0415  start-up

        decode = decoder("json").decode
        try:
            for answer in self._answers:
                if isinstance(answer, int):
                    self.missed += answer
                elif answer:
                    self._store.show([decode(json.dumps(answer).encode())])
        finally:
            self._ended.set()
