"""Reload: only what changed is rebuilt, nothing in a queue is lost, and what cannot run changes nothing."""
# ruff: noqa: ARG002  made-up components have the whole interface

import gc
import os
import signal
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import anyio
import anyio.lowlevel
import pytest

from pipeline.api import DEFAULT, CaptureError, Config, Context, Event, EventBatch, Outputs, Reject, Sink, Source, Transform
from pipeline.config.options import BufferOptions, ProcessOptions, SinkOptions
from pipeline.errors import ConfigError, HttpipeError
from pipeline.runtime.engine import Engine
from pipeline.runtime.options import RunOptions
from pipeline.runtime.reload import reload
from pipeline.runtime.reloads import reload_file
from pipeline.runtime.run import run
from pipeline.runtime.summary import Outcome
from pipeline.testing.fakes import events, numbers
from pipeline.testing.plans import Part, disk, plan
from pipeline.topology.plan import Plan

pytestmark = pytest.mark.anyio


class Ticker(Source):
    """One event whenever somebody rings; numbers go on over all objects of a test."""

    made: ClassVar[list["Ticker"]] = []
    rings: ClassVar[list[anyio.Event]] = []
    number: ClassVar[list[int]] = [0]

    def __init__(self, config: Any, context: Context) -> None:
        """Remember the object."""
        self.made.append(self)
        self.closed = False

    async def batches(self) -> AsyncIterator[EventBatch]:
        """For ever."""
        while True:
            await self.rings[0].wait()
            yield EventBatch(events(self.number[0], self.number[0] + 1), None)
            self.number[0] += 1

    async def aclose(self) -> None:
        """Remember."""
        self.closed = True


class Label(Config):
    """What a sink writes under."""

    label: str = "first"


class Keep(Sink):
    """Keeps numbers by label; waits for a gate where there is one."""

    Config = Label
    got: ClassVar[dict[str, list[int]]] = {}
    gates: ClassVar[dict[str, anyio.Event]] = {}
    opened: ClassVar[list[str]] = []
    closed: ClassVar[list[str]] = []

    def __init__(self, config: Label, context: Context) -> None:
        """Remember the label."""
        self.label = config.label

    async def open(self) -> None:
        """Remember."""
        self.opened.append(self.label)

    async def write(self, batch: Sequence[Event]) -> None:
        """Keep, when the gate opens."""
        if self.label in self.gates:
            await self.gates[self.label].wait()
        self.got.setdefault(self.label, []).extend(numbers(batch))

    async def aclose(self) -> None:
        """Remember."""
        self.closed.append(self.label)


class Pass(Transform):
    """Passes everything."""

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing to prepare."""

    def process(self, batch: Sequence[Event]) -> Outputs:
        """All."""
        return {DEFAULT: batch}


class Broken(Pass):
    """Cannot be made."""

    def __init__(self, config: Any, context: Context) -> None:
        """Fail."""
        raise ConfigError([])


class Hoard(Transform):
    """Holds everything back until its last flush."""

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing yet."""
        self.kept: list[Event] = []

    @property
    def held_events(self) -> int:
        """All."""
        return len(self.kept)

    def process(self, batch: Sequence[Event]) -> Outputs:
        """Keep."""
        self.kept += batch
        return {}

    def flush(self, now_ns: int, *, last: bool) -> Outputs:
        """All at the end."""
        kept, self.kept = (self.kept, []) if last else ([], self.kept)
        return {DEFAULT: kept}


class Changed:
    """The host is no longer as it was: whoever is made or opened from now on raises this."""

    error: ClassVar[Exception | None] = None

    def __init__(self, config: Any, context: Context) -> None:
        """Fail, where it is time to."""
        if self.error is not None:
            raise self.error


class UnmadeSource(Changed, Ticker):
    """Cannot be made."""


class UnmadeTransform(Changed, Pass):
    """Cannot be made."""


class UnmadeSink(Changed, Keep):
    """Cannot be made."""


class Unopened(Ticker):
    """Cannot be opened."""

    async def open(self) -> None:
        """Fail."""
        raise ValueError("no socket left")


class Denied(Ticker):
    """Cannot be opened any more."""

    can_wait = False

    async def open(self) -> None:
        """Fail."""
        raise CaptureError("not permitted", denied=True)


@pytest.fixture(autouse=True)
def forget() -> None:
    """Classes remember between tests otherwise."""
    Keep.got, Keep.gates, Keep.opened, Keep.closed = {}, {}, [], []
    Ticker.made, Ticker.number = [], [0]


@asynccontextmanager
async def running(made: Plan) -> AsyncIterator[Engine]:
    """An engine at work; at the end every ledger must balance."""
    Ticker.rings = [anyio.Event()]
    engine = Engine(made, RunOptions(configure_logs=False))
    with anyio.fail_after(60):
        await engine.open()
        async with anyio.create_task_group() as group:
            group.start_soon(engine.run)
            await until(lambda: engine.ready)
            yield engine
            engine.stop()
    await engine.aclose()
    assert [each.difference for each in engine.summary().components] == [0] * len(engine.summary().components)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110  conditions of all kinds
            await anyio.sleep(0.001)


async def ring(times: int = 1) -> None:
    """Have every source emit."""
    for _ in range(times):
        before = Ticker.number[0]
        bell, Ticker.rings[0] = Ticker.rings[0], anyio.Event()
        bell.set()
        await until(lambda before=before: Ticker.number[0] > before)  # type: ignore[misc]


def out(label: str, inputs: Sequence[str] = ("t",), **options: Any) -> Part:
    """A sink with this label."""
    return Part(Keep, inputs, Label(label=label), key=label, **options)


async def test_an_unchanged_plan_changes_nothing() -> None:
    """No component is rebuilt."""
    async with running(plan(t=Part(Ticker), out=out("a"))) as engine:
        before = (engine.graph.sources["t"], engine.graph.sinks["out"])
        assert await reload(engine, plan(t=Part(Ticker), out=out("a"))) == "no component changed"
        assert (engine.graph.sources["t"], engine.graph.sinks["out"]) == before
    assert Keep.opened == ["a"]


async def test_a_changed_sink_takes_over_the_queue_and_the_source_runs_on() -> None:
    """Events that waited for the old sink are delivered by the new one, once and in order."""
    async with running(plan(t=Part(Ticker), out=out("a"), other=out("b"))) as engine:
        Keep.gates["a"] = anyio.Event()
        await ring(20)
        sentence = await anyio_reload(engine, plan(t=Part(Ticker), out=out("c"), other=out("b")), "a")
        assert sentence == "rebuilt out"
        await ring(5)
        await until(lambda: len(Keep.got.get("a", []) + Keep.got.get("c", [])) == 25)
        status = engine.snapshot().of("out")
        assert (status.received, status.sent) == (25, 25)
    assert sorted(Keep.got["a"] + Keep.got["c"]) == list(range(25))
    assert Keep.got["b"] == list(range(25))
    assert len(Ticker.made) == 1
    assert Keep.opened.count("b") == 1


async def anyio_reload(engine: Engine, new: Plan, gate: str) -> str:
    """Reload while a write of the old sink is under way, which comes back in the middle of the reload."""
    sentence = ""

    async def do() -> None:
        nonlocal sentence
        sentence = await reload(engine, new)

    async with anyio.create_task_group() as group:
        group.start_soon(do)
        await anyio.lowlevel.checkpoint()
        Keep.gates[gate].set()
    return sentence


async def test_added_and_removed_components() -> None:
    """New ones get what comes from now on, removed ones deliver what they had."""
    async with running(plan(t=Part(Ticker), out=out("a"))) as engine:
        Keep.gates["a"] = anyio.Event()
        await ring(3)
        await reload(engine, plan(t=Part(Ticker), p=Part(Pass, ["t"]), new=out("b", ["p"])))
        await ring(2)
        Keep.gates["a"].set()
        await until(lambda: Keep.got.get("a") == [0, 1, 2] and Keep.got.get("b") == [3, 4])
        await until(lambda: Keep.closed == ["a"])
        assert set(engine.graph.sinks) == {"new"}


async def test_what_a_removed_sink_lost_stays_in_the_books_of_the_run() -> None:
    """What it rejected before, and what it had no time to deliver: in the summary and in how the run ended."""

    class Picky(Keep):
        async def write(self, batch: Sequence[Event]) -> None:
            if numbers(batch) == [0]:
                raise Reject("never")
            await super().write(batch)

    hurried = ProcessOptions(shutdown_timeout_secs=0.05)
    async with running(plan(hurried, t=Part(Ticker), picky=Part(Picky, ["t"], Label(label="p")), out=out("a"))) as engine:
        Keep.gates["p"] = anyio.Event()
        await ring(3)
        await reload(engine, plan(hurried, t=Part(Ticker), out=out("a")))
        await until(lambda: Keep.closed == ["p"])
    summary = engine.summary()
    assert summary.removed == {"rejected": 1, "removed": 2}
    assert summary.lines()[-1] == "  what a reload removed · dropped 1 (rejected) · dropped 2 (removed)"
    assert summary.outcome is Outcome.UNDELIVERED


async def test_a_changed_source_is_replaced_after_the_new_one_is_open() -> None:
    """The old one is closed, counters go on."""
    async with running(plan(t=Part(Ticker), out=out("a"))) as engine:
        await ring(2)
        await reload(engine, plan(t=Part(Ticker, key="changed"), out=out("a")))
        await ring(2)
        await until(lambda: Keep.got.get("a") == [0, 1, 2, 3])
        assert engine.snapshot().of("t").received == 4
        assert [each.closed for each in Ticker.made] == [True, False]


@pytest.mark.parametrize(
    "bad",
    [
        plan(t=Part(Ticker), p=Part(Broken, ["t"], key="x"), out=out("new")),
        plan(t=Part(Denied, key="x"), out=out("new")),
        plan(ProcessOptions(user="nobody"), t=Part(Ticker), out=out("new")),
        plan(t=Part(Ticker), out=out("new", options=SinkOptions(buffer=BufferOptions(type="disk", path="/elsewhere")))),
    ],
    ids=["transform", "source", "user", "queue"],
)
async def test_a_plan_that_cannot_run_changes_nothing(bad: Plan) -> None:
    """The old pipeline goes on as if nothing had been asked."""
    async with running(plan(t=Part(Ticker), out=out("a"))) as engine:
        with pytest.raises(HttpipeError):
            await reload(engine, bad)
        await ring(3)
        await until(lambda: Keep.got.get("a") == [0, 1, 2])
    assert Keep.opened == ["a"]


@pytest.mark.parametrize(
    "error", [ValueError("no"), ImportError("no"), OSError("no"), ZeroDivisionError(), KeyError("x")], ids=repr
)
@pytest.mark.parametrize(
    "bad",
    [
        plan(t=Part(UnmadeSource, key="x"), out=out("a")),
        plan(t=Part(Ticker), p=Part(UnmadeTransform, ["t"]), out=out("a", ["p"])),
        plan(t=Part(Ticker), p=Part(Pass, ["t"]), out=out("a"), more=Part(UnmadeTransform, ["p"])),
    ],
    ids=["source", "transform", "another"],
)
async def test_whatever_a_constructor_raises_refuses_the_reload(
    bad: Plan, error: Exception, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pipeline runs on, and what was opened for the change is closed."""
    async with running(plan(t=Part(Ticker), out=out("a"))) as engine:
        monkeypatch.setattr(Changed, "error", error)
        assert await reload_file(engine, lambda: bad)
        assert "cannot be made" in vars(caplog.records[-1])["error"]
        await ring(3)
        await until(lambda: Keep.got.get("a") == [0, 1, 2])
        assert not await reload_file(engine, lambda: plan(t=Part(Ticker), out=out("b")))
        await ring(3)
        await until(lambda: Keep.got.get("b") == [3, 4, 5])


async def test_what_was_opened_for_a_reload_that_is_refused_is_closed_again(tmp_path: Path) -> None:
    """The queue on disk, too: the next attempt opens it."""
    async with running(plan(t=Part(Ticker), out=out("a"))) as engine:
        second = {"new": Part(Keep, ["t"], Label(label="n"), options=disk(str(tmp_path / "q")))}
        with pytest.raises(HttpipeError, match="again: cannot be opened: ValueError: no socket left"):
            await reload(engine, plan(t=Part(Ticker, key="x"), again=Part(Unopened), out=out("a")))
        assert [each.closed for each in Ticker.made] == [False, True, True]
        for _ in range(2):
            await reload(engine, plan(t=Part(Ticker), out=out("a"), **second))
        await ring(2)
        await until(lambda: Keep.got.get("n") == [0, 1])


async def test_a_fault_while_the_file_is_read_again_leaves_the_pipeline_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Even where the fault is ours."""
    async with running(plan(t=Part(Ticker), out=out("a"))) as engine:
        assert await reload_file(engine, lambda: 1 // 0)  # type: ignore[arg-type, return-value]
        assert "internal error: ZeroDivisionError" in vars(caplog.records[0])["error"]
        await ring(1)
        await until(lambda: Keep.got.get("a") == [0])


@pytest.mark.parametrize("removed", [False, True])
async def test_a_transform_that_holds_events_is_changed_while_a_sink_is_busy(removed: bool) -> None:  # noqa: FBT001
    """What flows while the reload waits for the sink is held and given out like the rest, to the unit."""
    old = {"t": Part(Ticker), "h": Part(Hoard, ["t"]), "out": out("a", ["h"])}
    async with running(plan(**old, busy=out("b"))) as engine:
        Keep.gates["b"] = anyio.Event()
        await ring(5)
        await until(lambda: engine.graph.sinks["busy"].worker.writing_events > 0)
        new = {**old, "h": Part(Pass if removed else Hoard, ["t"], key="changed")}
        async with anyio.create_task_group() as group:
            group.start_soon(reload, engine, plan(**new, busy=out("c")))
            await until(lambda: engine.graph.sinks["busy"].worker.retiring)
            await ring(7)
            Keep.gates["b"].set()
        await ring(2)
        if not removed:
            await until(lambda: len(Keep.got["a"]) == 12)
        held = engine.snapshot().of("h")
        assert (held.received, held.sent, held.in_flight, held.lost) == ((14, 14, 0, 0) if removed else (14, 12, 2, 0))
    assert Keep.got["a"] == list(range(14))
    assert sorted(Keep.got["b"] + Keep.got["c"]) == list(range(14))


async def test_live_sources_need_a_restart_once_privileges_are_gone() -> None:
    """The message says so."""
    async with running(plan(t=Part(Ticker), out=out("a"))) as engine:
        engine.privileges_dropped = True
        with pytest.raises(ConfigError, match="restart"):
            await reload(engine, plan(t=Part(Denied, key="x"), out=out("a")))


async def test_a_file_that_cannot_be_loaded_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Every problem, and that the pipeline runs on."""

    def load() -> Plan:
        raise ConfigError([], file="x.toml") if not caplog.records else OSError("gone")

    async with running(plan(t=Part(Ticker), out=out("a"))) as engine:
        assert await reload_file(engine, load)
        assert await reload_file(engine, lambda: (_ for _ in ()).throw(HttpipeError("no such file")))
        assert "keeps running unchanged" in caplog.text


async def test_bounds_of_a_queue_change_in_place(tmp_path: Path) -> None:
    """In memory and on disk, with what is in it."""
    for make in (
        lambda size: SinkOptions(buffer=BufferOptions(max_events=size)),
        lambda size: disk(str(tmp_path), max_events=size),
    ):
        forget_all()
        async with running(plan(t=Part(Ticker), out=out("a", options=make(100)))) as engine:
            Keep.gates["a"] = anyio.Event()
            await ring(10)
            new = plan(t=Part(Ticker), out=Part(Keep, ["t"], Label(label="b"), key="b", options=make(50)))
            await anyio_reload(engine, new, "a")
            await until(lambda: len(Keep.got.get("a", []) + Keep.got.get("b", [])) == 10)
            assert engine.snapshot().of("out").max_events == 50


def forget_all() -> None:
    """As the fixture."""
    Keep.got, Keep.gates, Keep.opened, Keep.closed = {}, {}, [], []
    Ticker.made, Ticker.number = [], [0]


async def test_sighup_reloads_sigterm_drains_and_a_second_one_stops_at_once() -> None:
    """Real signals to this process."""
    Ticker.rings = [anyio.Event()]
    plans = [plan(t=Part(Ticker), out=out("b"))]
    ready = anyio.Event()
    ended = anyio.Event()

    async def whole() -> None:
        await run(
            plan(t=Part(Ticker), out=out("a")),
            load=plans.pop,
            options=RunOptions(configure_logs=False, control=False, on_ready=ready.set),
        )
        ended.set()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(whole)
            await ready.wait()
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: "b" in Keep.opened)
            Keep.gates["b"] = anyio.Event()
            await ring(3)
            os.kill(os.getpid(), signal.SIGTERM)
            await anyio.lowlevel.checkpoint()
            assert not ended.is_set()
            os.kill(os.getpid(), signal.SIGTERM)
            with anyio.fail_after(2):
                await ended.wait()


async def test_a_run_that_is_cancelled_in_the_middle_of_a_reload_ends() -> None:
    """A task that is started while everything ends must not wait for ever (anyio cancels no task that comes so late)."""
    for turn in range(8):
        forget_all()
        Ticker.rings = [anyio.Event()]
        engine = Engine(plan(t=Part(Ticker), out=out("a")), RunOptions(configure_logs=False))
        await engine.open()
        with anyio.fail_after(20), anyio.move_on_after(0.02 + turn * 0.005):
            async with anyio.create_task_group() as group:
                group.start_soon(engine.run)
                await until(lambda engine=engine: engine.ready)  # type: ignore[misc]
                for number in range(10_000):
                    await reload(engine, plan(t=Part(Ticker, key=str(number)), out=out(str(number))))
                    await anyio.lowlevel.checkpoint()
        await engine.aclose()


async def test_reloads_under_load_keep_memory_flat() -> None:
    """A changed sink, source and transform each time, while events pass; nothing is lost, nothing grows."""
    await reloads_under_load(100)


async def reloads_under_load(turns: int) -> None:
    """As told; tests/crash does it a thousand times."""
    sizes = []
    async with running(plan(t=Part(Ticker), p=Part(Pass, ["t"]), out=out("a", ["p"]))) as engine:
        tracemalloc.start()
        for turn in range(turns):
            await ring()
            parts = {
                "t": Part(Ticker, key=str(turn // 3)),
                "p": Part(Pass, ["t"], key=str(turn // 2)),
                "out": out(str(turn), ["p"]),
            }
            await reload(engine, plan(**parts))
            Ticker.made.clear()
            if turn in {turns // 5, turns - 1}:
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        await until(lambda: sum(map(len, Keep.got.values())) == turns)
    assert sorted(number for got in Keep.got.values() for number in got) == list(range(turns))
    assert sizes[1] - sizes[0] < 1000 * turns  # ``Keep`` itself remembers a list for each label
