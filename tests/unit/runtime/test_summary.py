"""What is said at the end of a run."""

import msgspec
import pytest

from pipeline.model.snapshot import ComponentKind, ComponentSnapshot, Discarded, Snapshot
from pipeline.runtime.summary import Outcome, Summary


def component(kind: ComponentKind, id_: str, received: int, sent: int, *discarded: Discarded) -> ComponentSnapshot:
    """A component that is well."""
    return ComponentSnapshot(
        id=id_,
        kind=kind,
        type="any",
        state="ok",
        error="",
        errors=0,
        restarts=0,
        received=received,
        created=0,
        restored=0,
        sent=sent,
        discarded=discarded,
        in_flight=0,
        counters={},
        busy_secs=0.0,
        blocked_secs=0.0,
    )


def test_a_source_says_who_decodes() -> None:
    """Where it is slower than it could be, and why, is seen without asking."""
    source = msgspec.structs.replace(component("source", "http", 5, 5), decoder="Python (not built)")
    last = Snapshot(file="p.toml", pid=1, taken_ns=0, uptime_secs=1.0, ready=True, draining=True, components=(source,))
    assert Summary(outcome=Outcome.OK, snapshot=last).lines()[1].endswith("decoded by Python (not built)")


@pytest.mark.parametrize(
    ("discarded", "remark"),
    [
        (Discarded("filtered", intentional=True, events=95), "not passed 95 (filtered)"),
        (Discarded("unread", intentional=True, events=95), "not passed 95 (unread)"),
        (Discarded("component_error", intentional=False, events=95), "dropped 95 (component_error)"),
    ],
)
def test_what_a_transform_leaves_out_is_told_with_its_reason(discarded: Discarded, remark: str) -> None:
    """On purpose or not: else a reader sees 100 come in and 5 go out, and nothing in between."""
    components = (
        component("source", "http", 100, 100),
        component("transform", "all", 100, 100),
        component("transform", "errors", 100, 5, discarded),
        component("sink", "out", 5, 5),
    )
    last = Snapshot(file="p.toml", pid=1, taken_ns=0, uptime_secs=1.0, ready=True, draining=True, components=components)
    lines = Summary(outcome=Outcome.OK, snapshot=last).lines()
    assert [line.split()[:2] for line in lines[1:]] == [["source", "http"], ["transform", "errors"], ["sink", "out"]]
    assert lines[2].endswith(f"passed   5 · {remark}")
