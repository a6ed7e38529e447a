"""What `httpipe top` and `httpipe tap` show of a running pipeline."""

import io
import json
from collections.abc import Iterator
from typing import Self

import msgspec
import pytest
from rich.console import Console

from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.main import call
from pipeline.cli.tap import Seen
from pipeline.cli.top_view import duration, rate, view
from pipeline.model.histogram import Histogram
from pipeline.model.snapshot import ComponentSnapshot, Discarded, Snapshot
from pipeline.runtime.control import client as control_client


def component(component_id: str, kind: str, **changes: object) -> ComponentSnapshot:
    """A component that is well."""
    plain = ComponentSnapshot(
        id=component_id,
        kind=kind,  # type: ignore[arg-type]
        type="any",
        state="ok",
        error="",
        errors=0,
        restarts=0,
        received=0,
        created=0,
        restored=0,
        sent=0,
        discarded=(),
        in_flight=0,
        counters={},
        busy_secs=0.0,
        blocked_secs=0.0,
    )
    return msgspec.structs.replace(plain, **changes)


def status(uptime_secs: float, *components: ComponentSnapshot) -> Snapshot:
    """A pipeline of these."""
    return Snapshot(file="p.toml", pid=7, taken_ns=0, uptime_secs=uptime_secs, ready=True, draining=False, components=components)


def screen(now: Snapshot, before: Snapshot | None = None, columns: int = 200) -> str:
    """What would be on a terminal."""
    console = Console(file=io.StringIO(), width=columns)
    console.print(view(now, before, columns))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def row(text: str, name: str) -> list[str]:
    """The cells of one component."""
    return next(line.split() for line in text.splitlines() if line.strip().startswith(f"{name} "))


def test_rates_are_differences_over_the_time_between_two_looks() -> None:
    """Not over the interval that was asked for."""
    before = status(10.0, component("src", "source", received=100), component("out", "sink", received=100, sent=90))
    now = status(12.5, component("src", "source", received=350), component("out", "sink", received=350, sent=340))
    assert row(screen(now, before), "src")[3:] == ["100", "350", "0", "0%", "0"]
    assert row(screen(now, before), "out")[3:7] == ["100", "100", "350", "340"]


def test_the_first_look_has_no_rates() -> None:
    """Nothing is made up."""
    assert row(screen(status(5.0, component("src", "source", received=100))), "src") == ["src", "any", "ok", "100", "0", "0"]


def test_a_queue_is_as_full_as_the_fuller_of_its_two_bounds() -> None:
    """Events or bytes."""
    full = component("out", "sink", queued_events=10, max_events=100, queued_bytes=90, max_bytes=100)
    assert "█████████░  90%" in screen(status(1.0, full))


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_no_number_is_left_out_on_a_narrow_terminal(columns: int) -> None:
    """Rounded, with short names and states, but all of them, and no line wider than the terminal."""
    name = "errors_of_the_shop_to_kafka"
    latency = Histogram()
    latency.observe(0.2)
    busy = {
        "received": 12_345_678,
        "sent": 12_300_000,
        "busy_secs": 0.99,
        "errors": 12_345,
        "lag_secs": 125.0,
        "latency": latency,
    }
    queue = {"queued_events": 99_999, "max_events": 100_000, "discarded": (Discarded("queue_full", False, 45_678),)}
    before = status(10.0, component("http", "source"), component(name, "sink"))
    now = status(11.0, component("http", "source", received=1), component(name, "sink", state="degraded", **busy, **queue))
    text = screen(now, before, columns)
    table = text.partition("\n\n")[2].partition("\n\n")[0].splitlines()
    assert max(map(len, table)) <= columns
    assert table[0].replace("P99 ≤", "P99≤").split()[-10:-5] == ["IN/s", "OUT/s", "IN", "OUT", "DROP"]
    cells = next(line for line in table if line.startswith("  err")).split()[1:]
    assert cells == ["degr", "12.3M", "12.3M", "12.3M", "12.3M", "45.7k", "100%", "2m05s", "250ms", "99%", "12.3k"]


@pytest.mark.parametrize(("secs", "text"), [(0.2, "250ms"), (86_400.0 * 365, ">5m00s")])
def test_latency_is_told_by_the_bound_it_is_under(secs: float, text: str) -> None:
    """Or the last one, which it is over: the events of an old capture file."""
    latency = Histogram()
    latency.observe(secs)
    assert f" {text} " in screen(status(1.0, component("out", "sink", latency=latency)))


def test_trouble_is_named_with_its_component_and_reason() -> None:
    """Errors of what is not well, drops that nobody wanted; not those on purpose. No control character reaches the terminal."""
    text = screen(
        status(
            1.0,
            component("src", "source", counters={"ring_full": 7, "packets": 9, "none": 0}),
            component("f", "transform", discarded=(Discarded("filtered", True, 5),)),
            component(
                "out", "sink", state="degraded", error="gone\x1b[2J", errors=3, discarded=(Discarded("buffer_full", False, 1200),)
            ),
        )
    )
    assert "out: gone" in text
    assert "\x1b" not in text
    assert "out dropped: buffer_full 1,200" in text
    assert "src not captured: ring_full 7" in text
    assert "src: packets 9" in text
    assert "filtered" not in text
    assert "none" not in text


@pytest.mark.parametrize(
    ("secs", "text"),
    [
        (0.0004, "0.4ms"),
        (0.25, "250ms"),
        (1.5, "1.5s"),
        (125, "2m05s"),
        (3 * 3600 + 240, "3h04m"),
        (2 * 86_400 + 3 * 3600, "2d03h"),
    ],
)
def test_durations(secs: float, text: str) -> None:
    """Two units are enough."""
    assert duration(secs) == text


@pytest.mark.parametrize(("per_sec", "text"), [(0, "0"), (5.74, "5.7"), (999, "999"), (12_345, "12.3k"), (2_500_000, "2.5M")])
def test_rates(per_sec: float, text: str) -> None:
    """Three digits are enough."""
    assert rate(per_sec) == text


def test_tap_shows_events_up_to_its_limit_and_counts_what_it_missed(capsys: pytest.CaptureFixture[str]) -> None:
    """The first, empty answer only says that the tap is on."""
    shown: list[object] = []
    now = [1.0]
    seen = Seen(shown.append, 3, lambda: now[0])
    answers: Iterator[dict[str, int] | int] = iter([{}, {"a": 1}, 40, 50, {"a": 2}, 2, {"a": 3}, {"a": 4}])
    assert not seen.follow(answers)
    assert shown == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert seen.missed == 92
    assert capsys.readouterr().err == "httpipe: 40 events not shown here\n"
    now[0] += 1
    assert seen.follow(iter([7]))
    assert capsys.readouterr().err == "httpipe: 59 events not shown here\n"


class Client:
    """A control client whose pipeline says these things."""

    complete = True

    def __init__(self, path: str) -> None:
        """As the real one."""
        assert path == "/here"

    def __enter__(self) -> Self:
        """As the real one."""
        return self

    def __exit__(self, *_: object) -> None:
        """As the real one."""

    def snapshots(self, every_secs: float) -> Iterator[Snapshot]:
        """Two looks."""
        return iter([status(every_secs, component("src", "source")), status(2.0, component("src", "source", received=5))])

    def tap(self, *_: object) -> Iterator[object]:
        """One event and a gap."""
        event = {
            "event.name": "http.exchange",
            "timestamp": "2026-01-01T00:00:00Z",
            "http.request.method": "GET",
            "url.path": "/\u009bx",
        }
        return iter([{}, event, 3])


def test_top_prints_once_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """And as JSON for scripts."""
    monkeypatch.setattr(control_client, "ControlClient", Client)
    assert call(["top", "--socket", "/here"]) == ExitCode.OK
    assert "SOURCES" in capsys.readouterr().out
    assert call(["top", "--socket", "/here", "--json"]) == ExitCode.OK
    assert [json.loads(line)["uptime_secs"] for line in capsys.readouterr().out.splitlines()] == [1.0, 2.0]


@pytest.mark.parametrize("form", ["line", "json"])
def test_tap_never_lets_a_control_character_through(
    form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it shows was written by strangers."""
    monkeypatch.setattr(control_client, "ControlClient", Client)
    assert call(["tap", "src", "--socket", "/here", "--format", form]) == ExitCode.OK
    shown = capsys.readouterr()
    assert "GET" in shown.out
    assert "\u009b" not in shown.out
    assert "3 events not shown here" in shown.err
    assert "the pipeline has ended\n" in shown.err


def test_a_pipeline_that_does_not_run_is_told_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With the path that was tried."""
    for command in (["top"], ["tap", "x"]):
        assert call([*command, "--socket", "/nowhere.sock"]) == ExitCode.USAGE
        assert capsys.readouterr().err == "httpipe: cannot talk to httpipe at /nowhere.sock: No such file or directory\n"
