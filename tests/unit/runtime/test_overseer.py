"""The thread beside the loop, by itself."""

import signal
import time
from collections.abc import Iterator

import pytest

from pipeline.runtime.engine import Engine
from pipeline.runtime.options import RunOptions
from pipeline.runtime.process import overseer
from pipeline.runtime.process.blocking import Blocking
from pipeline.testing.plans import plan


@pytest.fixture
def _handlers() -> Iterator[None]:
    """Signals are the process's again afterwards."""
    numbers = (*overseer.STOPS, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.anyio
@pytest.mark.usefixtures("_handlers")
async def test_nothing_ends_the_process_when_the_run_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer that ends a process is stopped last: the thread may wind it up until it has ended itself."""
    running: list[bool] = []
    monkeypatch.setattr(overseer.faulthandler, "dump_traceback_later", lambda *_, **__: running.append(True))
    monkeypatch.setattr(overseer.faulthandler, "cancel_dump_traceback_later", lambda: running.append(False))
    engine = Engine(plan(), RunOptions(configure_logs=False))
    watching = overseer.Overseer(engine, on_stop=lambda _: None, on_reload=lambda: None, handle_signals=True)
    close = Blocking.close

    def close_while_the_thread_looks(blocking: Blocking) -> None:
        watching._ask(time.monotonic())
        close(blocking)

    monkeypatch.setattr(Blocking, "close", close_while_the_thread_looks)
    with watching:
        watching.limit(1)
    assert running[0]
    assert not running[-1]
