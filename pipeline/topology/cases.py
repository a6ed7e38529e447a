"""``[[tests]]``: what a pipeline file says about itself. In: the tables and the plan. Out: checked cases, or every problem."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pipeline.api import Event, FieldType
from pipeline.codecs.errors import DecodeError
from pipeline.codecs.events import from_object
from pipeline.config.case import CaseConfig
from pipeline.config.document import Entry
from pipeline.config.models import check
from pipeline.errors import Problem, did_you_mean
from pipeline.expressions.condition import Condition, compile_condition
from pipeline.expressions.errors import UNKNOWN_FIELD, ExpressionError
from pipeline.model.events.kinds import field_named
from pipeline.topology.graph import owner_of
from pipeline.topology.plan import Plan

DEFAULT_TIME = "2026-01-01T00:00:00Z"
"""The time of an event that does not say one: tests give the same result every day."""

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A checked test. ``events`` is empty where a capture file is to be read."""

    config: CaseConfig
    events: tuple[Event, ...]
    condition: Condition | None


def cases(tables: Sequence[Object], plan: Plan, attributes: Mapping[str, FieldType]) -> tuple[list[Case], list[Problem]]:
    """All tests of a file. ``attributes`` are those that any of its transforms adds."""
    found: list[Case] = []
    problems: list[Problem] = []
    for index, table in enumerate(tables):
        path = f"tests.{index}"
        config, wrong = check(CaseConfig, table, path, file=plan.file)
        problems += wrong
        if config is not None:
            case, wrong = _case(config, path, attributes)
            found.append(case)
            problems += [*wrong, *_names(config, path, [*plan.sources, *plan.transforms], outputs_of(plan))]
    return found, problems


def problems_without_plan(tables: Sequence[Object], entries: Sequence[Entry]) -> list[Problem]:
    """What is wrong with the tests of a file whose pipeline is wrong, too, as far as the ids of components tell."""
    inlets = [entry.id for entry in entries if entry.kind != "sinks"]
    problems: list[Problem] = []
    for index, table in enumerate(tables):
        path = f"tests.{index}"
        config, wrong = check(CaseConfig, table, path)
        problems += wrong
        if config is None:
            continue
        _, wrong = _case(config, path, {})
        # what transforms add is not known
        problems += [problem for problem in wrong if not problem.message.startswith(UNKNOWN_FIELD)]
        problems += _names(config, path, inlets, None)
    return problems


def outputs_of(plan: Plan) -> list[str]:
    """Everything that events can be extracted from."""
    named = [f"{spec.id}.{output}" for spec in plan.transforms.values() for output in spec.outputs]
    return [*plan.sources, *plan.transforms, *named]


def _case(config: CaseConfig, path: str, attributes: Mapping[str, FieldType]) -> tuple[Case, list[Problem]]:
    problems = [*_shape(config, path)]
    events: list[Event] = []
    given = [(f"{path}.event", config.event)] if config.event is not None else []
    given += [(f"{path}.events.{index}", each) for index, each in enumerate(config.events)]
    for where, each in given:
        try:
            events.append(from_object({"timestamp": DEFAULT_TIME, **flattened(each)}))
        except DecodeError as error:
            problems.append(Problem(where, str(error)))
    condition = None
    if config.where is not None:
        try:
            condition = compile_condition(config.where, attributes)
        except ExpressionError as error:
            problems += error.at(f"{path}.where")
    return Case(config, tuple(events), condition), problems


def _shape(config: CaseConfig, path: str) -> Iterable[Problem]:
    if sum((config.event is not None, bool(config.events), config.capture is not None)) != 1:
        yield Problem(path, "needs exactly one of event, events, capture")
    looks = config.where is not None or config.expect is not None or config.count is not None
    if looks and config.extract_from is None:
        yield Problem(path, "where, expect and count look at events: say of which component in extract_from")
    if not looks and not config.no_outputs_from:
        yield Problem(path, "expects nothing: name where, expect, count or no_outputs_from")


def _names(config: CaseConfig, path: str, inlets: Sequence[str], outputs: Sequence[str] | None) -> Iterable[Problem]:
    """Without ``outputs`` only the component in the name of an output is looked at."""
    if config.insert_at not in inlets:
        yield Problem(f"{path}.insert_at", f'no source or transform "{config.insert_at}"{did_you_mean(config.insert_at, inlets)}')
    wanted = [(f"{path}.extract_from", config.extract_from)] if config.extract_from is not None else []
    wanted += [(f"{path}.no_outputs_from.{index}", name) for index, name in enumerate(config.no_outputs_from)]
    for where, name in wanted:
        known = name in outputs if outputs is not None else owner_of(name) in inlets
        if not known:
            yield Problem(where, f'no output "{name}"{did_you_mean(name, outputs or inlets)}')


def flattened(table: Object, prefix: str = "") -> dict[str, Any]:
    """An event as TOML writes it → as JSON does: nested tables become dotted names, short names full ones, times texts."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        name = prefix + key
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{name}.")
        else:
            field = field_named(name)
            flat[field.name if field else name] = _text(value) if isinstance(value, date) else value
    return flat


def _text(value: date) -> str:
    if isinstance(value, datetime):
        return value.isoformat() if value.tzinfo else f"{value.isoformat()}Z"
    return f"{value.isoformat()}T00:00:00Z"
