"""The engine as a whole: order of start and stop, faults, drain, ledger, with real queues and made-up components."""
# ruff: noqa: ARG002  made-up components have the whole interface

import gc
import signal
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import anyio
import anyio.lowlevel
import pytest

from pipeline.api import (
    DEFAULT,
    CaptureError,
    Context,
    Event,
    EventBatch,
    Finished,
    HttpipeError,
    InputError,
    NotConnected,
    Outputs,
    Reject,
    Sink,
    Source,
    Transform,
)
from pipeline.config.options import BufferOptions, ProcessOptions, RetryOptions, SinkOptions
from pipeline.delivery.clock import Clock
from pipeline.delivery.ledger import Reason
from pipeline.errors import UnhealthyError
from pipeline.runtime.options import RunOptions
from pipeline.runtime.run import run
from pipeline.runtime.summary import Outcome, Summary, outcome_of
from pipeline.testing.fakes import FakeClock, events, in_order, numbers
from pipeline.testing.plans import Part, plan
from pipeline.topology.plan import Plan

pytestmark = pytest.mark.anyio

COUNT = 1000
STEP = 20


class Numbers(Source):
    """``COUNT`` numbered events in batches of ``STEP``; remembers what is acknowledged."""

    settled_at: ClassVar[list[object]] = []
    closed: ClassVar[list[bool]] = []

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing to prepare."""

    async def batches(self) -> AsyncIterator[EventBatch]:
        """All batches."""
        for at in range(0, COUNT, STEP):
            yield EventBatch(events(at, at + STEP), at)

    async def acknowledge(self, position: object) -> None:
        """Remember."""
        self.settled_at.append(position)

    async def aclose(self) -> None:
        """Remember."""
        self.closed.append(True)


class Live(Numbers):
    """The same from something that cannot wait, and that never ends."""

    can_wait = False

    async def batches(self) -> AsyncIterator[EventBatch]:
        """All batches, then silence."""
        async for batch in super().batches():
            yield batch
        await anyio.sleep_forever()


class Keep(Sink):
    """Keeps numbers in lists by id."""

    got: ClassVar[dict[str, list[int]]] = {}

    def __init__(self, config: Any, context: Context) -> None:
        """Remember the id."""
        self.id = context.id
        self.context = context

    async def write(self, batch: Sequence[Event]) -> None:
        """Keep."""
        self.got.setdefault(self.id, []).extend(numbers(batch))


class Hang(Keep):
    """Never comes back from a write."""

    async def write(self, batch: Sequence[Event]) -> None:
        """For ever."""
        await anyio.sleep_forever()


class Flaky(Keep):
    """Fails each second write."""

    calls: ClassVar[list[int]] = [0]

    async def write(self, batch: Sequence[Event]) -> None:
        """Fail, or keep."""
        self.calls[0] += 1
        if self.calls[0] % 2:
            raise NotConnected("gone")
        await super().write(batch)


class Slow(Keep):
    """Lets everybody else go first, many times."""

    async def write(self, batch: Sequence[Event]) -> None:
        """Keep, in the end."""
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        await super().write(batch)


class Even(Transform):
    """Passes even numbers."""

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing to prepare."""

    def process(self, batch: Sequence[Event]) -> Outputs:
        """Half of them."""
        return {DEFAULT: [event for event in batch if event.timestamp_ns % 2 == 0]}


class Both(Even):
    """Copies everything to the default output and small numbers to ``small``; ``unread`` gets one event and has no reader."""

    outputs = ("small", "unread")

    def process(self, batch: Sequence[Event]) -> Outputs:
        """Three outputs."""
        return {DEFAULT: batch, "small": [event for event in batch if event.timestamp_ns < 100], "unread": batch[:1]}


class Sums(Even):
    """Holds everything back and gives one event for each hundred."""

    def __init__(self, config: Any, context: Context) -> None:
        """Empty."""
        self.held: list[Event] = []

    @property
    def held_events(self) -> int:
        """All that wait."""
        return len(self.held)

    def process(self, batch: Sequence[Event]) -> Outputs:
        """One of a hundred."""
        self.held += batch
        full, self.held = self.held[: len(self.held) // 100 * 100], self.held[len(self.held) // 100 * 100 :]
        return {DEFAULT: full[::100]}

    def flush(self, now_ns: int, *, last: bool) -> Outputs:
        """At the end one for the rest."""
        rest, self.held = (self.held, []) if last else ([], self.held)
        return {DEFAULT: rest[:1]}


class Poisoned(Even):
    """Raises on the batch that holds 500."""

    def process(self, batch: Sequence[Event]) -> Outputs:
        """All or nothing."""
        if any(event.timestamp_ns == 500 for event in batch):
            raise ZeroDivisionError
        return {DEFAULT: batch}


@pytest.fixture(autouse=True)
def forget() -> None:
    """Classes remember between tests otherwise."""
    Keep.got = {}
    Numbers.settled_at = []
    Numbers.closed = []
    Flaky.calls = [0]


async def finished(made: Plan, clock: Clock | None = None, **options: Any) -> Summary:
    """Run to the end, in good time; every ledger must balance."""
    with anyio.fail_after(30):
        summary = await run(
            made, options=RunOptions(handle_signals=False, control=False, configure_logs=False, clock=clock or Clock(), **options)
        )
    assert [each.difference for each in summary.components] == [0] * len(summary.components)
    assert [each.in_flight for each in summary.components] == [0] * len(summary.components)
    return summary


def quick() -> SinkOptions:
    """Retries without waits, a small queue."""
    return SinkOptions(
        retry=RetryOptions(initial_backoff_secs=0.001, max_backoff_secs=0.001),
        buffer=BufferOptions(max_events=100),
    )


async def test_a_finite_source_is_delivered_whole_in_order_and_settled() -> None:
    """The run ends by itself, with everything delivered, the source told and closed."""
    summary = await finished(plan(n=Part(Numbers), out=Part(Keep, ["n"])))
    assert Keep.got["out"] == list(range(COUNT))
    assert summary.outcome is Outcome.OK
    assert summary.exchanges == COUNT
    assert in_order([int(str(position)) for position in Numbers.settled_at])
    assert Numbers.settled_at[-1] == COUNT - STEP
    assert Numbers.closed


async def test_a_position_that_settles_while_another_is_being_told_is_told_too() -> None:
    """A slow ``acknowledge`` misses none: not even the last one before a long silence."""
    told = anyio.Event()

    class Committing(Numbers):
        can_wait = True

        async def batches(self) -> AsyncIterator[EventBatch]:
            async for batch in super().batches():
                yield batch
            await anyio.sleep_forever()

        async def acknowledge(self, position: object) -> None:
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
            await super().acknowledge(position)
            if position == COUNT - STEP:
                told.set()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(finished, plan(n=Part(Committing), out=Part(Keep, ["n"])))
            await told.wait()
            group.cancel_scope.cancel()


async def test_four_sinks_one_hangs_one_fails_one_is_slow_one_is_healthy() -> None:
    """The healthy sink gets every event in order; the others hurt nobody, and all ledgers balance."""
    made = plan(
        ProcessOptions(shutdown_timeout_secs=0.2),
        n=Part(Live),
        hangs=Part(Hang, ["n"], options=quick(), when_full="drop_oldest"),
        fails=Part(Flaky, ["n"], options=quick(), when_full="drop_newest"),
        slow=Part(Slow, ["n"], options=quick(), when_full="drop_oldest"),
        healthy=Part(Keep, ["n"], options=quick(), when_full="drop_oldest"),
    )
    summary = await finished(made, for_secs=0.2)
    assert Keep.got["healthy"] == list(range(COUNT))
    assert all(in_order(Keep.got.get(name, [])) for name in ("slow", "fails"))
    assert summary.outcome is Outcome.UNDELIVERED
    hanging = summary.of("hangs")
    assert hanging.sent == 0
    assert hanging.received == COUNT
    assert summary.left_events == sum(each.events for each in hanging.discarded if each.reason == "shutdown") > 0


async def test_filter_and_windows_are_metered_on_the_edges() -> None:
    """What a transform neither returns nor holds is discarded on purpose; what it makes is created."""
    made = plan(n=Part(Numbers), even=Part(Even, ["n"]), sums=Part(Sums, ["even"]), out=Part(Keep, ["sums"]))
    summary = await finished(made)
    even, sums = summary.of("even"), summary.of("sums")
    assert (even.received, even.sent) == (COUNT, COUNT // 2)
    assert (sums.received, sums.sent) == (COUNT // 2, 5)
    assert Keep.got["out"] == [0, 200, 400, 600, 800]
    assert Numbers.settled_at[-1] == COUNT - STEP


async def test_copies_to_several_outputs_are_created_and_unread_outputs_counted() -> None:
    """Every copy is in the books."""
    made = plan(n=Part(Numbers), both=Part(Both, ["n"]), all=Part(Keep, ["both"]), few=Part(Keep, ["both.small"]))
    summary = await finished(made)
    both = summary.of("both")
    assert (both.received, both.created, both.sent) == (COUNT, 100 + COUNT // STEP, COUNT + 100)
    assert [(each.reason, each.intentional, each.events) for each in both.discarded] == [("unread", True, COUNT // STEP)]
    assert Keep.got["few"] == list(range(100))


async def test_a_transform_that_raises_loses_its_batch_only() -> None:
    """The batch is counted, the transform is built anew at once, the next batch passes."""
    made = plan(n=Part(Numbers), bad=Part(Poisoned, ["n"]), out=Part(Keep, ["bad"]), other=Part(Keep, ["n"]))
    summary = await finished(made)
    assert Keep.got["out"] == [number for number in range(COUNT) if number // STEP != 500 // STEP]
    assert Keep.got["other"] == list(range(COUNT))
    bad = summary.of("bad")
    assert [(each.reason, each.intentional, each.events) for each in bad.discarded] == [("component_error", False, STEP)]
    assert (bad.restarts, bad.error) == (1, "ZeroDivisionError")
    assert Numbers.settled_at[-1] == COUNT - STEP


async def test_block_slows_the_source_and_loses_nothing() -> None:
    """A slow sink with a queue of a hundred gets all thousand."""
    await finished(plan(n=Part(Numbers), out=Part(Slow, ["n"], options=quick())))
    assert Keep.got["out"] == list(range(COUNT))


async def test_a_live_source_never_waits_even_for_block() -> None:
    """What finds no room is dropped there and counted; the healthy sink beside it gets all."""
    made = plan(
        ProcessOptions(shutdown_timeout_secs=0.05),
        n=Part(Live),
        stuck=Part(Hang, ["n"], options=quick(), when_full="block"),
        out=Part(Keep, ["n"]),
    )
    summary = await finished(made, for_secs=0.1)
    assert Keep.got["out"] == list(range(COUNT))
    assert summary.of("stuck").received == COUNT


async def test_a_live_source_that_waits_ends_without_trouble(caplog: pytest.LogCaptureFixture) -> None:
    """It is told once that it is over: its generator is at its end then, and has nothing more to give."""
    await finished(plan(n=Part(Live), out=Part(Keep, ["n"], when_full="drop_oldest")), for_secs=0.2)
    assert [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_a_live_source_gives_way_to_a_sink_at_work() -> None:
    """It never waits, but a sink whose writes take some turns of the loop gets all, though its queue holds two batches."""

    class Turns(Keep):
        async def write(self, batch: Sequence[Event]) -> None:
            for _ in range(5):
                await anyio.lowlevel.checkpoint()
            await super().write(batch)

    small = SinkOptions(buffer=BufferOptions(max_events=2 * STEP))
    await finished(plan(n=Part(Live), out=Part(Turns, ["n"], options=small, when_full="drop_oldest")), for_secs=0.2)
    assert Keep.got["out"] == list(range(COUNT))


async def test_all_sinks_finished_ends_the_run_well() -> None:
    """`| head`: when nobody wants more, the run is over, with success."""

    class Pipe(Keep):
        async def write(self, batch: Sequence[Event]) -> None:
            await super().write(batch)
            raise Finished("closed pipe")

    summary = await finished(plan(n=Part(Live), out=Part(Pipe, ["n"])))
    assert summary.outcome is Outcome.OK
    assert summary.of("out").lost == 0


async def test_one_finished_sink_does_not_end_the_others() -> None:
    """The rest goes on to the end of the input."""

    class Pipe(Keep):
        async def write(self, batch: Sequence[Event]) -> None:
            raise Finished("closed pipe")

    await finished(plan(n=Part(Numbers), pipe=Part(Pipe, ["n"]), out=Part(Keep, ["n"])))
    assert Keep.got["out"] == list(range(COUNT))


async def test_damaged_input_uses_what_came_before() -> None:
    """The run ends with its own outcome and delivers what it has."""

    class Torn(Numbers):
        async def batches(self) -> AsyncIterator[EventBatch]:
            yield EventBatch(events(0, 10), 0)
            raise InputError("cut off at byte 17")

    summary = await finished(plan(n=Part(Torn), out=Part(Keep, ["n"])))
    assert Keep.got["out"] == list(range(10))
    assert summary.outcome is Outcome.DAMAGED_INPUT
    assert summary.damage == {"n": "cut off at byte 17"}


async def test_a_source_that_fails_is_started_anew() -> None:
    """A fault of one source restarts it, with backoff; another source is not touched."""
    starts = []

    class Faulty(Numbers):
        async def batches(self) -> AsyncIterator[EventBatch]:
            starts.append(True)
            yield EventBatch(events(0, 10), len(starts))
            if len(starts) < 3:
                raise RuntimeError("oops")

    summary = await finished(
        plan(n=Part(Faulty), m=Part(Numbers), out=Part(Keep, ["n"]), other=Part(Keep, ["m"])), clock=FakeClock().clock()
    )
    assert len(starts) == 3
    assert len(Keep.got["out"]) == 30
    assert Keep.got["other"] == list(range(COUNT))
    assert summary.of("n").restarts == 2


async def test_a_source_that_stays_broken_says_so_once_and_what_is_new(caplog: pytest.LogCaptureFixture) -> None:
    """Not with every attempt; when it works again that is said, and the next trouble is a new one."""
    starts: list[bool] = []

    class Broken(Numbers):
        async def batches(self) -> AsyncIterator[EventBatch]:
            starts.append(True)
            if len(starts) < 10 or len(starts) == 14:
                raise RuntimeError("oops")
            if len(starts) < 13:
                raise RuntimeError("oh no")
            yield EventBatch(events(len(starts), len(starts) + 1), len(starts))
            if len(starts) == 13:
                raise RuntimeError("oh no")

    with caplog.at_level("INFO", logger="httpipe"):
        await finished(plan(n=Part(Broken), out=Part(Keep, ["n"])), clock=FakeClock().clock())
    told = [(record.message, getattr(record, "error", "")) for record in caplog.records]
    down = "failed; restarting it"
    news = [(down, f"RuntimeError: {text}") for text in ("oops", "oh no")]
    assert told == [*news, ("running again", ""), *reversed(news), ("running again", "")]
    assert Keep.got["out"] == [13, 15]


@pytest.mark.parametrize(("error", "traces"), [(HttpipeError("table.csv: line 5 is wrong"), 0), (ZeroDivisionError(), 1)])
async def test_a_transform_that_stays_broken_says_so_once(
    error: Exception, traces: int, caplog: pytest.LogCaptureFixture
) -> None:
    """With a traceback only where it is a fault of the code and not something that is said in words."""

    class Bad(Even):
        def process(self, batch: Sequence[Event]) -> Outputs:
            raise error

    summary = await finished(plan(n=Part(Numbers), bad=Part(Bad, ["n"]), out=Part(Keep, ["bad"])))
    assert summary.of("bad").lost == COUNT
    assert summary.of("bad").errors > 1
    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 1
    assert sum(bool(record.exc_info) for record in told) == traces


async def test_a_source_that_gives_something_else_than_events_hurts_nobody() -> None:
    """What a plugin gives wrongly is its own fault."""

    class Wrong(Numbers):
        starts = 0

        async def batches(self) -> AsyncIterator[EventBatch]:
            Wrong.starts += 1
            if Wrong.starts == 1:
                yield EventBatch(["no event"], 0)  # type: ignore[list-item]

    summary = await finished(plan(n=Part(Wrong), m=Part(Numbers), out=Part(Keep, ["n", "m"])), clock=FakeClock().clock())
    assert Keep.got["out"] == list(range(COUNT))
    assert summary.of("n").errors == 1


async def test_a_source_that_cannot_open_ends_the_start_and_closes_the_others() -> None:
    """Nothing runs half."""

    class Denied(Numbers):
        async def open(self) -> None:
            raise CaptureError("no", remedy="be root", denied=True)

    with pytest.raises(CaptureError):
        await finished(plan(n=Part(Numbers), d=Part(Denied), out=Part(Keep, ["n", "d"])))
    assert Numbers.closed == [True, True]
    assert Keep.got == {}


async def test_a_dead_letter_gets_what_another_sink_rejects_also_while_draining() -> None:
    """The dead letter is drained after those who feed it."""

    class Picky(Keep):
        async def write(self, batch: Sequence[Event]) -> None:
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
            raise Reject("never")

    made = plan(
        n=Part(Numbers),
        letters=Part(Keep),
        picky=Part(Picky, ["n"], options=SinkOptions(dead_letter="letters")),
    )
    summary = await finished(made)
    assert Keep.got["letters"] == list(range(COUNT))
    assert summary.outcome is Outcome.OK
    assert Numbers.settled_at[-1] == COUNT - STEP


@pytest.mark.parametrize(("failing", "reason"), [(Reject("never"), "rejected"), (OSError("no"), "attempts_exhausted")])
@pytest.mark.parametrize(("source", "options"), [(Numbers, {}), (Live, {"for_secs": 0.2})])
async def test_what_a_sink_did_not_take_is_no_success(
    failing: Exception, reason: str, source: type[Source], options: dict[str, Any]
) -> None:
    """At the end of the input as when it is stopped."""

    class Picky(Keep):
        async def write(self, batch: Sequence[Event]) -> None:
            raise failing

    once = SinkOptions(retry=RetryOptions(max_attempts=1))
    summary = await finished(plan(n=Part(source), picky=Part(Picky, ["n"], options=once)), **options)
    assert {(each.reason, each.intentional, each.events) for each in summary.of("picky").discarded} == {(reason, False, COUNT)}
    assert summary.outcome is Outcome.UNDELIVERED


async def test_what_a_transform_lost_is_no_success() -> None:
    """Nobody chose to lose that."""

    class Raises(Even):
        def process(self, batch: Sequence[Event]) -> Outputs:
            raise ValueError

    summary = await finished(plan(n=Part(Numbers), t=Part(Raises, ["n"]), out=Part(Keep, ["t"])))
    assert {each.reason for each in summary.of("t").discarded} == {"component_error"}
    assert summary.outcome is Outcome.UNDELIVERED


async def test_only_what_the_pipeline_file_or_the_input_is_to_blame_for_is_not_undelivered() -> None:
    """Every other reason for a loss is; undelivered output outweighs damaged input."""
    for reason in Reason:
        assert outcome_of({reason}, damaged=False) is (
            Outcome.OK
            if reason is Reason.QUEUE_FULL
            else Outcome.DAMAGED_INPUT
            if reason is Reason.UNDECODABLE
            else Outcome.UNDELIVERED
        )
    assert outcome_of({Reason.UNDECODABLE, Reason.DAMAGED}, damaged=True) is Outcome.UNDELIVERED
    assert outcome_of(set(), damaged=True) is Outcome.DAMAGED_INPUT


async def test_what_transforms_hold_when_the_shutdown_deadline_passes_is_counted() -> None:
    """Also of those whose turn to give it out had not come, and what then stands before a full queue."""

    class Window(Sums):
        def process(self, batch: Sequence[Event]) -> Outputs:
            self.held += batch
            return {}

        def flush(self, now_ns: int, *, last: bool) -> Outputs:
            given, self.held = (self.held, []) if last else ([], self.held)
            return {DEFAULT: given}

    made = plan(
        ProcessOptions(shutdown_timeout_secs=0.1),
        n=Part(Live),
        first=Part(Window, ["n"]),
        second=Part(Window, ["n"]),
        out=Part(Hang, ["first", "second"], options=quick()),
    )
    summary = await finished(made, for_secs=0.1)
    assert [(each.reason, each.events) for each in summary.of("out").discarded] == [("shutdown", 2 * COUNT)]
    assert summary.left_events == 2 * COUNT
    assert summary.outcome is Outcome.UNDELIVERED


async def test_what_the_policy_of_a_queue_drops_is_told_and_no_failure_of_the_run(caplog: pytest.LogCaptureFixture) -> None:
    """``drop_newest`` was asked for, or is the default of a live source; what the log says of it adds up to the counter."""
    caplog.set_level("WARNING", logger="httpipe")
    made = plan(
        n=Part(Live), out=Part(Slow, ["n"], options=SinkOptions(buffer=BufferOptions(max_events=STEP)), when_full="drop_newest")
    )
    summary = await finished(made, for_secs=0.2)
    assert {each.reason for each in summary.of("out").discarded} == {"queue_full"}
    assert summary.outcome is Outcome.OK
    told = [record for record in caplog.records if "lost" in record.message]
    assert [vars(record)["component"] for record in told] == ["out"]
    assert vars(told[0])["events"] == summary.of("out").discarded[0].events


async def test_what_is_no_event_is_damaged_input() -> None:
    """Where no dead letter has it."""

    class Garbled(Numbers):
        async def batches(self) -> AsyncIterator[EventBatch]:
            yield EventBatch(events(0, 10), 0, [(event, ValueError("no event")) for event in events(10, 12)])

    summary = await finished(plan(n=Part(Garbled), out=Part(Keep, ["n"])))
    assert Keep.got["out"] == list(range(10))
    assert summary.outcome is Outcome.DAMAGED_INPUT


async def test_the_pipeline_starts_though_a_sink_is_down_unless_told_otherwise() -> None:
    """Events wait in its queue; with require_healthy the run does not begin."""
    fails = [3]

    class Down(Keep):
        async def open(self) -> None:
            if fails[0]:
                fails[0] -= 1
                raise NotConnected("refused")

    await finished(plan(n=Part(Numbers), out=Part(Down, ["n"], options=quick())))
    assert Keep.got["out"] == list(range(COUNT))
    fails[0] = 1
    with pytest.raises(UnhealthyError, match="out: not healthy: NotConnected: refused"):
        await finished(plan(n=Part(Numbers), out=Part(Down, ["n"])), require_healthy=True)


async def test_a_dry_run_writes_nothing_and_counts_everything() -> None:
    """Each sink is replaced by a counter."""
    summary = await finished(plan(n=Part(Numbers), even=Part(Even, ["n"]), out=Part(Hang, ["even"])), dry_run=True)
    assert summary.of("out").sent == COUNT // 2
    assert any(line.split()[2:] == ["would", "get", "500"] for line in summary.lines())
    assert Keep.got == {}


async def test_the_ready_file_stands_while_it_runs(tmp_path: Any) -> None:
    """Scripts can wait for it; it is gone at the end."""
    ready = tmp_path / "ready"
    seen = []

    class Look(Keep):
        async def write(self, batch: Sequence[Event]) -> None:
            seen.append(ready.exists())

    await finished(plan(n=Part(Numbers), out=Part(Look, ["n"])), ready_file=str(ready))
    assert all(seen)
    assert not ready.exists()


async def test_whoever_sees_that_it_is_ready_may_end_it_at_once() -> None:
    """SIGTERM and SIGINT are taken before the ready file is there: a script's kill gets its summary and loses nothing."""
    seen: list[bool] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    options = RunOptions(
        control=False,
        configure_logs=False,
        on_ready=lambda: seen.extend(
            signal.getsignal(number) not in {signal.SIG_DFL, signal.default_int_handler}
            for number in (signal.SIGTERM, signal.SIGINT)
        ),
    )
    with anyio.fail_after(5):
        await run(plan(n=Part(Numbers), out=Part(Keep, ["n"])), options=options)
    for number, handler in before.items():
        signal.signal(number, handler)
    assert seen == [True, True]


async def test_python_looks_for_garbage_as_soon_as_the_pipeline_runs() -> None:
    """The command turns that off to start faster."""
    seen: list[bool] = []
    gc.disable()
    try:
        await finished(plan(n=Part(Numbers), out=Part(Keep, ["n"])), on_ready=lambda: seen.append(gc.isenabled()))
    finally:
        gc.enable()
    assert seen == [True]


async def test_lines_of_the_summary_say_what_was_lost_and_why() -> None:
    """For people: seen, sent, dropped with reasons."""
    made = plan(
        ProcessOptions(shutdown_timeout_secs=0.02), n=Part(Live), out=Part(Hang, ["n"], options=quick(), when_full="drop_oldest")
    )
    summary = await finished(made, for_secs=0.05)
    text = "\n".join(summary.lines())
    assert "1,000 exchanges seen" in text
    assert "dropped" in text
    assert "(queue_full)" in text
    assert "could not be delivered before the shutdown deadline" in text
