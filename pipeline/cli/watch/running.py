"""A run in a thread of this process, beside the screen. That of another process: ``pipeline.cli.attached``.

The screen has the main thread, since a terminal's signals are heard there; what it costs is the interpreter's lock for some
milliseconds, and the capture has its ring meanwhile.
"""

import io
import threading
from collections import deque
from collections.abc import Callable
from functools import partial

from pipeline.live.view import View
from pipeline.runtime.summary import Summary as RunSummary
from pipeline.topology.plan import Plan

END_SECS = 5.0
"""How long the end of the screen waits for the end of the run: probes are detached by then."""
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
