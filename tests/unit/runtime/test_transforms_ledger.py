"""Every transform in a running pipeline: the ledger balances, drops have reasons, positions are acknowledged in time."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.api import DEFAULT, Context, Event, Measurement, Transform
from pipeline.cli.loading import load
from pipeline.codecs.json import JsonCodec
from pipeline.delivery.acknowledgement import Positions
from pipeline.delivery.clock import Clock
from pipeline.delivery.fanout import Fanout
from pipeline.delivery.health import Health
from pipeline.delivery.ledger import Ledger
from pipeline.runtime.options import RunOptions
from pipeline.runtime.run import run
from pipeline.runtime.units.transform_node import TransformNode
from pipeline.telemetry.logs import ComponentLog
from pipeline.testing.transforms import exchange
from pipeline.transforms.aggregate import Aggregate
from pipeline.transforms.window import Window

pytestmark = pytest.mark.anyio

COUNT = 500

PIPELINE = """
[process]
control_socket = "{folder}/control.sock"
[sources.events]
type = "replay"
path = "{folder}/events.jsonl"

[transforms.kept]
type = "filter"
inputs = ["events"]
where = "status < 600"
[transforms.split]
type = "route"
inputs = ["kept"]
routes.errors = "status >= 500"
routes.gets = 'method == "GET"'
[transforms.share]
type = "sample"
inputs = ["split.gets"]
ratio = 0.5
[transforms.calm]
type = "throttle"
inputs = ["share"]
threshold = 1
window_secs = 10
drop_to = "beyond"
[transforms.first]
type = "dedupe"
inputs = ["calm.beyond"]
key = "path"
[transforms.recorder]
type = "window"
inputs = ["kept"]
where = "status >= 500"
before_events = 3
[transforms.routes]
type = "template_path"
inputs = ["kept"]
[transforms.tags]
type = "set"
inputs = ["routes"]
texts.team = "shop"
[transforms.red]
type = "aggregate"
inputs = ["tags"]
by = ["url.template", "team"]
window_secs = 5
[transforms.listed]
type = "match_list"
inputs = ["tags"]
file = "{folder}/deny.txt"
matched_to = "hits"
[sinks.all]
type = "null"
inputs = ["split.*", "calm", "first", "recorder", "red", "listed", "listed.hits"]
[sinks.measured]
type = "file"
inputs = ["red"]
path = "{folder}/red.jsonl"
"""


async def test_ledger_balances_through_every_kind_of_transform(tmp_path: Path) -> None:
    """Copies, drops, holds and measurements: what came in is accounted for, and no counter is off by one."""
    events = [
        exchange(number % 60, url_path=f"/u/{number % 7}", http_response_status_code=(200, 404, 503)[number % 3])
        for number in range(COUNT)
    ]
    (tmp_path / "events.jsonl").write_bytes(bytes(JsonCodec().encode_batch(events)))
    (tmp_path / "deny.txt").write_text("/u/3\n")
    (tmp_path / "p.toml").write_text(PIPELINE.format(folder=tmp_path))
    summary = await run(load(str(tmp_path / "p.toml")), options=RunOptions(handle_signals=False, configure_logs=False))
    components = {each.id: each for each in summary.components}
    assert {name: each.difference for name, each in components.items() if each.difference} == {}
    assert {name for name, each in components.items() if each.in_flight or each.lost} == set()
    assert components["kept"].received == components["kept"].sent == COUNT
    assert components["split"].created > 0
    reasons = {name: {gone.reason for gone in each.discarded if gone.intentional} for name, each in components.items()}
    assert (reasons["share"], reasons["first"], reasons["recorder"], reasons["red"]) == (
        {"sampled_out"},
        {"duplicate"},
        {"uneventful"},
        {"aggregated"},
    )
    measured = [JsonCodec().decode(line) for line in (tmp_path / "red.jsonl").read_bytes().splitlines()]
    assert sum(int(str(each.attributes["httpipe.requests"])) for each in measured) == COUNT
    assert {each.attributes["url.template"] for each in measured} == {"/u/{id}"}
    assert components["listed"].counters["listed"] == len([event for event in events if event.url_path == "/u/3"])


async def acknowledged(transform: Transform, batches: Sequence[Sequence[Event]]) -> list[object]:
    """The last position that is acknowledged after each batch (its index), where whatever goes on is delivered at once."""
    node = TransformNode(
        make=lambda: transform,
        downstream={DEFAULT: Fanout(lambda: 0.0)},
        ledger=Ledger(),
        health=Health(ComponentLog("t")),
        log=ComponentLog("t"),
        clock=Clock(),
    )
    line = Positions()
    told = []
    for index, batch in enumerate(batches):
        ticket = line.issue(index)
        node.push(batch, (ticket,), [])
        ticket.release()
        told.append(line.take_position()[1])
    return told


async def test_a_position_settles_when_all_before_it_have_left_an_aggregate() -> None:
    """Also where the events of a batch are counted in a later window than those of the next batch."""
    config = Aggregate.Config(window_secs=10, grace_secs=0, by=["path"])
    batches = [[exchange(second)] for second in (12, 8, 19, 21, 31)]
    assert await acknowledged(Aggregate(config, Context("a")), batches) == [None, None, None, 2, 3]


async def test_a_position_settles_when_as_many_have_left_a_window() -> None:
    """In the order in which they came."""
    config = Window.Config(where="status >= 500", before_events=2)
    batches = [[exchange(0, http_response_status_code=status)] for status in (200, 200, 200, 503, 200)]
    assert await acknowledged(Window(config, Context("w")), batches) == [None, None, 0, 3, 3]


async def test_events_that_pass_by_do_not_shift_what_is_acknowledged() -> None:
    """The transform counts what it took; a measurement between two exchanges is none of it."""

    class OfExchanges(Aggregate):
        """Leaves other kinds alone."""

        takes = ("http.exchange",)

    config = Aggregate.Config(window_secs=10, grace_secs=0)
    batches = [[exchange(12)], [Measurement(1), Measurement(2)], [exchange(19)], [exchange(21)], [exchange(31)]]
    assert await acknowledged(OfExchanges(config, Context("a")), batches) == [None, None, None, 2, 3]
