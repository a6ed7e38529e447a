"""Runs one test of a pipeline file through its transforms, without sources, sinks, queues or a loop.

Pure; what reads the tables that transforms name is handed in.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from mmap import mmap
from typing import Any

from pipeline.api import DEFAULT, Context, Event, FieldType, Outputs, Transform
from pipeline.codecs.json import JsonCodec
from pipeline.expressions.explain import explain, lines
from pipeline.topology.cases import Case, flattened
from pipeline.topology.plan import Plan, TransformSpec
from pipeline.transforms.passing import process

ReadFile = Callable[[str], bytes | None]
MapFile = Callable[[str], mmap | None]

SHOWN_EVENTS = 3
"""Events that a failure shows: the first ones tell what there is to see."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test went: no failures means that it passed. Each failure is a few lines."""

    name: str
    failures: tuple[str, ...]


def make_transforms(plan: Plan, read_file: ReadFile, map_file: MapFile, now_ns: Callable[[], int]) -> dict[str, Transform]:
    """The transforms of a plan, fresh."""
    return {name: _make(spec, read_file, map_file, now_ns) for name, spec in plan.transforms.items()}


def added_attributes(plan: Plan, read_file: ReadFile, map_file: MapFile) -> dict[str, FieldType]:
    """What any transform of the plan adds."""
    made = make_transforms(plan, read_file, map_file, lambda: 0)
    return {name: kind for transform in made.values() for name, kind in transform.adds.items()}


def run_case(case: Case, events: Sequence[Event], plan: Plan, read_file: ReadFile, map_file: MapFile) -> Outcome:
    """Give the events to the pipeline and compare what comes out."""
    newest = max((event.timestamp_ns for event in events), default=0)
    flow = Flow(plan, make_transforms(plan, read_file, map_file, lambda: newest))
    flow.insert(case.config.insert_at, list(events))
    flow.finish(newest)
    return Outcome(case.config.name, tuple(_failures(case, flow)))


@dataclass(slots=True)
class Flow:
    """Events on their way. ``given`` holds what left each output, ``taken`` what each transform got."""

    plan: Plan
    transforms: Mapping[str, Transform]
    given: dict[str, list[Event]] = field(default_factory=dict)
    taken: dict[str, list[Event]] = field(default_factory=dict)

    def insert(self, name: str, events: list[Event]) -> None:
        """Give events to a transform, or let them leave a source."""
        if name in self.transforms:
            self._push(name, events)
        else:
            self._leave(name, events)

    def finish(self, now_ns: int) -> None:
        """Let go of what is held back, from the sources down."""
        for name, transform in self.transforms.items():
            self._distribute(name, transform.flush(now_ns, last=True))

    def _push(self, name: str, events: list[Event]) -> None:
        self.taken.setdefault(name, []).extend(events)
        self._distribute(name, process(self.transforms[name], events)[0])

    def _distribute(self, name: str, outputs: Outputs) -> None:
        for output, events in outputs.items():
            if events:
                self._leave(name if output == DEFAULT else f"{name}.{output}", list(events))

    def _leave(self, output: str, events: list[Event]) -> None:
        self.given.setdefault(output, []).extend(events)
        for consumer in self.plan.consumers.get(output, ()):
            if consumer in self.transforms:
                self._push(consumer, events)


def _make(spec: TransformSpec, read_file: ReadFile, map_file: MapFile, now_ns: Callable[[], int]) -> Transform:
    return spec.component(
        spec.config, Context(spec.id, attributes=spec.attributes, read_file=read_file, map_file=map_file, now_ns=now_ns)
    )


def _failures(case: Case, flow: Flow) -> Iterator[str]:
    config = case.config
    if config.extract_from is not None:
        yield from _extracted(case, config.extract_from, flow)
    for name in config.no_outputs_from:
        events = flow.given.get(name, [])
        if events:
            yield f"{name} gave out {_counted(events)}, where none was expected:\n" + _shown(events)


def _extracted(case: Case, name: str, flow: Flow) -> Iterator[str]:
    config, events = case.config, flow.given.get(name, [])
    if config.count is not None and len(events) != config.count:
        yield f"{name} gave out {_counted(events)}, not {config.count}:\n" + (_shown(events) or _trail(flow))
    elif not events and config.count is None:
        yield f"{name} gave out no event:\n" + _trail(flow)
    for event in events:
        if case.condition is not None and not case.condition.test(event):
            attributes = _attributes(flow)
            yield f"{name}: the condition does not hold:\n" + _indented(lines(explain(case.condition.text, event, attributes)))
            break
    if config.expect is not None:
        for event in events:
            if difference := list(_difference(flattened(config.expect), event)):
                yield f"{name}: an event differs (- expected, + found):\n" + _indented(difference)
                break


def _difference(expected: Mapping[str, Any], event: Event) -> Iterator[str]:
    found = JsonCodec().to_object(event)
    for name, value in expected.items():
        actual = found.get(name)
        actual = list(actual) if isinstance(actual, tuple) else actual
        if actual != value:
            yield f"- {name} = {json.dumps(value)}"
            yield f"+ {name} = {json.dumps(actual)}" if name in found else f"+ {name} is missing"


def _trail(flow: Flow) -> str:
    """Where the events went, and why a filter did not let the first one through."""
    found: list[str] = []
    for name, taken in flow.taken.items():
        outputs = {key: events for key, events in flow.given.items() if key.split(".")[0] == name}
        out = ", ".join(f"{len(events)} by {key}" for key, events in outputs.items()) or "none"
        found.append(f"{name} ({flow.plan.transforms[name].type}) took {len(taken)} and gave out {out}")
        where = getattr(flow.plan.transforms[name].config, "where", None)
        if not outputs.get(name) and taken and isinstance(where, str):
            found += [f"  {line}" for line in lines(explain(where, taken[0], flow.plan.transforms[name].attributes))]
    return _indented(found or ["no transform took any event"])


def _attributes(flow: Flow) -> dict[str, FieldType]:
    return {name: kind for transform in flow.transforms.values() for name, kind in transform.adds.items()}


def _counted(events: Sequence[Event]) -> str:
    return f"{len(events) or 'no'} event{'' if len(events) == 1 else 's'}"


def _shown(events: Sequence[Event]) -> str:
    codec = JsonCodec()
    shown = [codec.encode(event).decode("utf-8", "replace") for event in events[:SHOWN_EVENTS]]
    more = [f"… and {len(events) - SHOWN_EVENTS} more"] if len(events) > SHOWN_EVENTS else []
    return _indented([*shown, *more])


def _indented(texts: Iterator[str] | Sequence[str]) -> str:
    return "\n".join(f"  {text}" for text in texts)
