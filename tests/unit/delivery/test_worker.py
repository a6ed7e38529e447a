"""The worker: what each kind of error makes it do, with its ledger and its tickets."""

from collections.abc import Awaitable, Callable, Sequence

import anyio
import anyio.lowlevel
import pytest

from pipeline.api import BackOff, BatchError, Context, Event, Finished, NotConnected, Reject
from pipeline.config.options import BatchOptions, RetryOptions, SinkOptions
from pipeline.delivery.acknowledgement import Positions
from pipeline.delivery.dead_letter import DeadLetter
from pipeline.delivery.ledger import Ledger
from pipeline.delivery.memory import MemoryBuffer
from pipeline.delivery.worker import Worker
from pipeline.model.snapshot import State
from pipeline.testing.fakes import FakeClock, Script, batch_of, bounds, numbers, worker

pytestmark = pytest.mark.anyio


async def run_dry(sink: Worker, first: int = 0, last: int = 10) -> None:
    """Queue events and let the worker drain them."""
    sink.buffer.offer_nowait(batch_of(first, last))
    sink.buffer.close()
    with anyio.fail_after(5):
        await sink.run()


def write_by(sink: Worker, script: Script, write: Callable[[object], Awaitable[None]]) -> None:
    """Have every sink that is made write by this function."""
    made = script.make

    def make() -> object:
        sink_object = made()
        sink_object.write = write  # type: ignore[method-assign,assignment]
        return sink_object

    sink.session._make = make  # type: ignore[assignment]


async def test_delivers_in_order_and_closes() -> None:
    """Every event arrives once, in order, and the sink is closed at the end."""
    script = Script()
    sink = worker(script, FakeClock().clock())
    await run_dry(sink)
    assert script.got == list(range(10))
    assert (script.opened, script.closed) == (1, 1)
    assert (sink.buffer.ledger.sent, sink.buffer.ledger.balance()) == (10, 0)


async def test_not_connected_reopens_and_keeps_the_batch() -> None:
    """The same sink object is closed and opened again, and the batch is written again."""
    script = Script(NotConnected("gone"), NotConnected("gone"))
    sink = worker(script, FakeClock().clock())
    await run_dry(sink)
    assert script.got == list(range(10))
    assert (script.made, script.opened, script.closed) == (1, 3, 3)


async def test_an_unexpected_exception_rebuilds_the_sink() -> None:
    """A fault of the sink gives a fresh object; the batch is kept."""
    script = Script(ZeroDivisionError(), KeyError("x"))
    sink = worker(script, FakeClock().clock())
    await run_dry(sink)
    assert script.got == list(range(10))
    assert script.made == 3
    assert sink.health.restarts == 2
    assert sink.health.state is State.OK
    assert sink.health.error.startswith("KeyError")


async def test_waits_double_up_to_the_bound_and_start_again_after_success() -> None:
    """Full jitter: the dice choose between 0 and a bound that doubles."""
    clock = FakeClock()
    script = Script(*[NotConnected("gone")] * 5)
    options = SinkOptions(retry=RetryOptions(initial_backoff_secs=1, max_backoff_secs=6))
    await run_dry(worker(script, clock.clock(random=0.5), options))
    assert clock.slept == [0.5, 1.0, 2.0, 3.0, 3.0]


async def test_back_off_waits_as_long_as_asked_and_keeps_the_connection() -> None:
    """The other end says how long."""
    clock = FakeClock()
    script = Script(BackOff(7), BackOff(100_000))
    sink = worker(script, clock.clock())
    await run_dry(sink)
    assert clock.slept == [7, 3600]
    assert (script.opened, script.closed) == (1, 1)
    assert script.got == list(range(10))


async def test_back_off_without_a_time_waits_like_any_failure_and_keeps_the_connection() -> None:
    """The other end says no, but not for how long."""
    clock = FakeClock()
    script = Script(*[BackOff(message="503")] * 3)
    options = SinkOptions(retry=RetryOptions(initial_backoff_secs=1, max_backoff_secs=6))
    await run_dry(worker(script, clock.clock(random=0.5), options))
    assert clock.slept == [0.5, 1.0, 2.0]
    assert (script.opened, script.closed) == (1, 1)
    assert script.got == list(range(10))


async def test_reject_without_dead_letter_is_lost_and_counted() -> None:
    """No retry."""
    script = Script(Reject("too large"))
    sink = worker(script, FakeClock().clock())
    await run_dry(sink)
    assert script.attempts == 1
    assert sink.buffer.ledger.discarded == {("rejected", False): 10}
    assert sink.buffer.ledger.balance() == 0


async def test_attempts_run_out() -> None:
    """After max_attempts the batch is discarded and the next one is tried."""
    script = Script(*[NotConnected("gone")] * 3)
    options = SinkOptions(retry=RetryOptions(max_attempts=3), batch=BatchOptions(max_events=5))
    sink = worker(script, FakeClock().clock(), options)
    await run_dry(sink)
    assert script.got == [5, 6, 7, 8, 9]
    assert sink.buffer.ledger.discarded == {("attempts_exhausted", False): 5}


async def test_a_sink_that_cannot_be_opened_uses_up_attempts_too() -> None:
    """Whether opening or writing fails is the same to the batch."""
    script = Script()
    script.open_errors = [OSError("refused")] * 4
    options = SinkOptions(retry=RetryOptions(max_attempts=3))
    sink = worker(script, FakeClock().clock(), options)
    await run_dry(sink)
    assert sink.buffer.ledger.discarded == {("attempts_exhausted", False): 10}


async def test_dead_letter_gets_the_events_with_reason_sink_and_attempts() -> None:
    """The events arrive there marked, and both ledgers balance."""
    script = Script(NotConnected("gone"), Reject("not allowed"))
    sink = worker(script, FakeClock().clock())
    letters = MemoryBuffer(bounds(), Ledger())
    sink.dead_letter = DeadLetter("scripted", letters)
    await run_dry(sink)
    batch = letters.take_nowait(100, 1 << 20)
    assert batch is not None
    assert numbers(batch.events) == list(range(10))
    assert batch.events[0].attributes == {
        "httpipe.dead_letter.reason": "Reject: not allowed",
        "httpipe.dead_letter.sink": "scripted",
        "httpipe.dead_letter.attempts": 2,
    }
    assert sink.buffer.ledger.discarded == {("dead_letter", True): 10}
    assert sink.buffer.ledger.balance() == 0


async def test_batch_error_sorts_out_delivered_rejected_and_to_be_retried() -> None:
    """Only what failed is written again; what was rejected goes to the dead letter at once."""
    script = Script(BatchError({2: OSError("busy"), 5: Reject("no"), 7: OSError("busy"), 99: OSError("no such index")}))
    sink = worker(script, FakeClock().clock())
    letters = MemoryBuffer(bounds(), Ledger())
    sink.dead_letter = DeadLetter("scripted", letters)
    await run_dry(sink)
    assert script.got == [2, 7]
    assert sink.buffer.ledger.sent == 10 - 1
    batch = letters.take_nowait(100, 1 << 20)
    assert batch is not None
    assert numbers(batch.events) == [5]
    assert sink.buffer.ledger.balance() == 0


def all_but_the_first(batch: Sequence[Event]) -> None:
    """Deliver one event of the batch."""
    if len(batch) > 1:
        raise BatchError({index: OSError("busy") for index in range(1, len(batch))})


async def test_a_batch_keeps_its_id_over_its_attempts_and_what_is_left_of_it_is_another() -> None:
    """So that the other end can leave out what it has already; attempts count from 1. Outside a write there is none."""
    seen: list[tuple[str, int]] = []
    context = Context("scripted")

    def note(_batch: Sequence[Event]) -> None:
        assert context.delivery is not None
        seen.append(context.delivery)

    def fail(batch: Sequence[Event]) -> None:
        note(batch)
        raise NotConnected("gone")

    def fail_partly(batch: Sequence[Event]) -> None:
        note(batch)
        raise BatchError({1: NotConnected("gone")})

    options = SinkOptions(batch=BatchOptions(max_events=5))
    await run_dry(worker(Script(fail, fail, fail_partly, fail, note, note), FakeClock().clock(), options))
    first, rest, second = seen[0][0], seen[3][0], seen[5][0]
    assert len({first, rest, second}) == 3
    assert seen == [(first, 1), (first, 2), (first, 3), (rest, 1), (rest, 2), (second, 1)]
    assert context.delivery is None
    other = worker(Script(note), FakeClock().clock())
    await run_dry(other)
    assert seen[-1][0].partition("-")[0] != first.partition("-")[0], "of another run"


async def test_partial_success_is_no_success(caplog: pytest.LogCaptureFixture) -> None:
    """Waits go on growing, the trouble is told once and its end once, and the sink stays open, until a write has no failure."""
    clock = FakeClock()
    script = Script(*[all_but_the_first] * 5)
    options = SinkOptions(retry=RetryOptions(initial_backoff_secs=1, max_backoff_secs=30))
    sink = worker(script, clock.clock(), options)
    with caplog.at_level("INFO", logger="httpipe"):
        await run_dry(sink)
    assert clock.slept == [1, 2, 4, 8, 16]
    assert [record.message for record in caplog.records] == ["cannot deliver", "delivering again"]
    assert (script.made, script.opened, script.closed, sink.health.restarts) == (1, 1, 1, 0)
    assert (sink.health.state, sink.health.errors) == (State.OK, 5)
    assert (sink.buffer.ledger.sent, sink.buffer.ledger.discarded, sink.buffer.ledger.balance()) == (10, {}, 0)


async def test_partial_success_uses_up_the_attempts_of_the_rest() -> None:
    """What fails again and again is given up after ``max_attempts``, whatever went well beside it."""
    script = Script(*[all_but_the_first] * 3)
    sink = worker(script, FakeClock().clock(), SinkOptions(retry=RetryOptions(max_attempts=3)))
    await run_dry(sink)
    assert sink.buffer.ledger.sent == 3
    assert sink.buffer.ledger.discarded == {("attempts_exhausted", False): 7}
    assert sink.buffer.ledger.balance() == 0


async def test_a_batch_that_is_interrupted_while_it_gets_on_uses_up_no_attempt() -> None:
    """A sink that asks to be called again at once has delivered something each time; where it has not, that counts."""

    def one_at_once(batch: Sequence[Event]) -> None:
        if len(batch) > 1:
            raise BatchError(dict.fromkeys(range(1, len(batch)), BackOff(0.0)))

    sink = worker(Script(*[one_at_once] * 10), FakeClock().clock(), SinkOptions(retry=RetryOptions(max_attempts=1)))
    await run_dry(sink)
    assert (sink.buffer.ledger.sent, sink.buffer.ledger.discarded, sink.buffer.ledger.balance()) == (10, {}, 0)
    stuck = worker(Script(*[BackOff(0.0)] * 3), FakeClock().clock(), SinkOptions(retry=RetryOptions(max_attempts=3)))
    await run_dry(stuck)
    assert stuck.buffer.ledger.discarded == {("attempts_exhausted", False): 10}


@pytest.mark.parametrize(
    ("causes", "slept", "opened"),
    [
        ([OSError("busy"), BackOff(7), BackOff(9)], [9], 1),
        ([BackOff(7), NotConnected("gone")], [1], 2),
        ([OSError("busy")] * 10, [1], 2),
        ([BackOff(7)] * 10, [7], 1),
    ],
)
async def test_the_most_telling_cause_decides_about_the_rest(causes: list[Exception], slept: list[float], opened: int) -> None:
    """A lost connection is opened again, the longest pause is kept; a sink is never built anew for what it said itself."""
    clock = FakeClock()
    script = Script(BatchError(dict(enumerate(causes))))
    sink = worker(script, clock.clock(), SinkOptions(retry=RetryOptions(initial_backoff_secs=1)))
    await run_dry(sink)
    assert (clock.slept, script.opened, script.made) == (slept, opened, 1)
    assert (sink.buffer.ledger.sent, sink.buffer.ledger.balance()) == (10, 0)


async def test_what_the_sink_rejects_is_no_trouble_of_the_sink(caplog: pytest.LogCaptureFixture) -> None:
    """A rejected event says nothing about the connection: no change of state back and forth, and no wait."""
    clock = FakeClock()
    script = Script(*[BatchError({0: Reject("no")}), Reject("never")] * 3)
    sink = worker(script, clock.clock(), SinkOptions(batch=BatchOptions(max_events=1)))
    with caplog.at_level("INFO", logger="httpipe"):
        await run_dry(sink)
    assert {record.message for record in caplog.records} == {"events dropped: no dead_letter configured"}
    assert (sink.health.state, sink.health.errors, clock.slept) == (State.OK, 6, [])
    assert sink.buffer.ledger.discarded == {("rejected", False): 6}
    assert (sink.buffer.ledger.sent, sink.buffer.ledger.balance()) == (4, 0)


async def test_one_writer_that_delivers_does_not_hide_that_another_cannot(caplog: pytest.LogCaptureFixture) -> None:
    """With several writers the trouble of one is told once, and ends when that one delivers again."""
    script = Script()

    async def write(batch: object) -> None:
        script.attempts += 1
        if numbers(batch)[0] == 0 and script.attempts < 8:  # type: ignore[arg-type]
            raise NotConnected("not this one")
        await anyio.lowlevel.checkpoint()

    sink = worker(script, FakeClock().clock(), SinkOptions(max_in_flight=2, batch=BatchOptions(max_events=1)))
    write_by(sink, script, write)
    with caplog.at_level("INFO", logger="httpipe"):
        await run_dry(sink)
    assert [record.message for record in caplog.records] == ["cannot deliver", "delivering again"]
    assert sink.health.state is State.OK
    assert (sink.buffer.ledger.sent, sink.buffer.ledger.balance()) == (10, 0)


async def test_finished_discards_the_rest_on_purpose() -> None:
    """A closed pipe is no error: what waits and what comes is discarded on purpose."""
    told = []
    script = Script(Finished("closed pipe"))
    sink = worker(script, FakeClock().clock(), SinkOptions(batch=BatchOptions(max_events=5)))
    sink.finished = lambda: told.append(True)
    await run_dry(sink)
    sink.buffer.offer_nowait(batch_of(10, 20))
    assert told == [True]
    assert sink.buffer.ledger.discarded == {("sink_finished", True): 20}
    assert sink.health.state is State.FINISHED


async def test_finished_may_have_delivered_the_beginning_of_its_batch() -> None:
    """That counts as sent, the rest and what waits as discarded on purpose."""

    def enough(_batch: Sequence[Event]) -> None:
        raise Finished("enough", delivered=3)

    sink = worker(Script(enough), FakeClock().clock(), SinkOptions(batch=BatchOptions(max_events=5)))
    await run_dry(sink)
    ledger = sink.buffer.ledger
    assert (ledger.sent, ledger.balance()) == (3, 0)
    assert ledger.discarded == {("sink_finished", True): 7}


async def test_a_write_that_hangs_is_cancelled_and_tried_again() -> None:
    """The write timeout counts as a failure; the queue goes on afterwards."""
    script = Script()
    hang = anyio.Event()
    cancelled = []

    async def write(batch: object) -> None:
        script.attempts += 1
        if script.attempts <= 2:
            try:
                await hang.wait()
            finally:
                cancelled.append(True)
        script.written.append([len(batch)])  # type: ignore[arg-type]

    sink = worker(script, FakeClock().clock(), SinkOptions(write_timeout_secs=0.01))
    write_by(sink, script, write)
    await run_dry(sink)
    assert cancelled == [True, True]
    assert script.got == [10]
    assert sink.buffer.ledger.sent == 10


async def test_cancelled_in_the_middle_the_batch_goes_back_to_the_queue() -> None:
    """What was in flight is in flight again, not lost and not counted as sent."""
    script = Script()
    sink = worker(script, FakeClock().clock())
    started = anyio.Event()

    async def write(_batch: object) -> None:
        started.set()
        await anyio.sleep_forever()

    write_by(sink, script, write)
    sink.buffer.offer_nowait(batch_of(0, 10))
    async with anyio.create_task_group() as group:
        group.start_soon(sink.run)
        await started.wait()
        assert sink.writing_events == 10
        group.cancel_scope.cancel()
    assert sink.buffer.events == 10
    assert script.closed == 1
    assert sink.buffer.ledger.sent == 0


async def test_several_writers_deliver_everything() -> None:
    """With max_in_flight the batches overlap; the failure of one closes the sink once and loses nothing."""
    script = Script(NotConnected("gone"), NotConnected("gone"), OSError("oops"))
    options = SinkOptions(max_in_flight=4, batch=BatchOptions(max_events=3))
    line = Positions()
    sink = worker(script, FakeClock().clock(), options)
    for at in range(0, 30, 5):
        sink.buffer.offer_nowait(batch_of(at, at + 5, tickets=(line.issue(at),)))
    sink.buffer.close()
    with anyio.fail_after(5):
        await sink.run()
    assert sorted(script.got) == list(range(30))
    assert sink.buffer.ledger.balance() == 0
    assert line.open_batches == 0


async def test_a_sink_that_blocks_the_loop_is_named(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call that keeps the loop is measured and reported with how long."""
    ticks = iter(range(1000))
    monkeypatch.setattr("pipeline.delivery.session.time.perf_counter", lambda: float(next(ticks)))
    sink = worker(Script(), FakeClock().clock())
    with caplog.at_level("WARNING", logger="httpipe"):
        await run_dry(sink)
    assert sink.health.blocked_secs == 1.0
    record = next(record for record in caplog.records if "kept the whole pipeline waiting" in record.message)
    assert vars(record)["component"] == "scripted"


async def test_a_sink_that_has_finished_stays_finished_whatever_its_closing_says() -> None:
    """A closed pipe often complains once more when it is closed."""
    script = Script(Finished("closed pipe"))
    sink = worker(script, FakeClock().clock())
    made = script.make

    async def aclose() -> None:
        raise BrokenPipeError

    def make() -> object:
        sink_object = made()
        sink_object.aclose = aclose  # type: ignore[method-assign]
        return sink_object

    sink.session._make = make  # type: ignore[assignment]
    await run_dry(sink)
    assert sink.health.state is State.FINISHED


async def test_a_fault_of_the_engine_itself_keeps_the_worker_alive(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its traceback, and the batch is tried again."""
    script = Script(Reject("no"))
    sink = worker(script, FakeClock().clock())

    class Broken:
        async def send(self, *_: object) -> None:
            sink.dead_letter = None
            raise AssertionError("a bug")

    sink.dead_letter = Broken()  # type: ignore[assignment]
    await run_dry(sink)
    assert script.got == list(range(10))
    assert "internal error" in caplog.text


async def test_delivering_again_is_told_whatever_else_ails_the_sink(caplog: pytest.LogCaptureFixture) -> None:
    """Its disk queue may be in trouble of its own, for longer or shorter; that a sink is not ready is told once."""
    script = Script(NotConnected("gone"), NotConnected("gone"))
    script.open_errors = [NotConnected("not yet")]
    sink = worker(script, FakeClock().clock(), SinkOptions(batch=BatchOptions(max_events=5)))
    sink.health.trouble("disk full", part="written")
    with caplog.at_level("INFO", logger="httpipe"):
        await run_dry(sink)
    assert [record.message for record in caplog.records] == ["not ready; events are queued meanwhile", "delivering again"]
    assert sink.health.state is State.DEGRADED
    sink.health.ok("written")
    assert sink.health.state is State.OK
