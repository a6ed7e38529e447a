"""The graph of a pipeline in names alone: which output an input means, what comes after what, what lies upstream.

In: nodes with the inputs they name and the outputs they have. Out: edges, an order, and every problem of wiring. It knows
nothing of components, options or events.

An output is ``id``, or ``id.name`` for a named one. In a glob ``*`` and ``?`` never stand for a ``.``: ``*`` means every default
output, ``split.*`` every named output of ``split``. A glob never means the node it stands in.
"""

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from pipeline.errors import Problem, did_you_mean

GLOB = re.compile(r"[*?\[]")


class Node(msgspec.Struct, frozen=True):
    """A component in the graph. ``outputs``: the named ones, None where nobody knows them. A sink has none."""

    id: str
    kind: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] | None = ()

    @property
    def path(self) -> str:
        """Where it stands in the file."""
        return f"{self.kind}.{self.id}"

    @property
    def all_outputs(self) -> tuple[str, ...]:
        """The full names of everything it gives out."""
        return () if self.kind == "sinks" else (self.id, *(f"{self.id}.{name}" for name in self.outputs or ()))


class Wiring(msgspec.Struct, frozen=True):
    """Inputs resolved: ``inputs`` full output names by id, ``order`` all ids with everything after what feeds it."""

    inputs: Mapping[str, tuple[str, ...]]
    order: tuple[str, ...]

    def upstream(self, node_id: str) -> set[str]:
        """Ids of everything that feeds this one, however far away."""
        found: set[str] = set()
        waiting = [node_id]
        while waiting:
            for name in self.inputs.get(waiting.pop(), ()):
                owner = owner_of(name)
                if owner not in found:
                    found.add(owner)
                    waiting.append(owner)
        return found


def owner_of(output: str) -> str:
    """The id in an output's name."""
    return output.partition(".")[0]


def first_look(nodes: Sequence[Node]) -> Wiring:
    """Inputs by id alone, before anyone knows the named outputs: ``split.errors`` counts as ``split``."""
    ids = [node.id for node in nodes if node.kind != "sinks"]
    inputs = {
        node.id: tuple(
            dict.fromkeys(name for wanted in node.inputs for name in _matching(owner_of(wanted), ids) if name != node.id)
        )
        for node in nodes
    }
    return Wiring(inputs, _order(nodes, inputs)[0])


def wire(nodes: Sequence[Node]) -> tuple[Wiring, list[Problem]]:
    """Resolve every input and put the nodes in order."""
    problems: list[Problem] = []
    inputs = {node.id: _resolve(node, nodes, problems) for node in nodes}
    order, cycles = _order(nodes, inputs)
    return Wiring(inputs, order), problems + cycles


def _resolve(node: Node, nodes: Sequence[Node], problems: list[Problem]) -> tuple[str, ...]:
    outputs = [name for other in nodes if other.id != node.id for name in other.all_outputs]
    found: dict[str, None] = {}
    for number, wanted in enumerate(node.inputs):
        matched = _matching(wanted, outputs) if GLOB.search(wanted) else [wanted] if wanted in outputs else []
        if not matched and (message := _unmatched(wanted, node, nodes, outputs)):
            problems.append(Problem(f"{node.path}.inputs.{number}", message))
        found.update(dict.fromkeys(matched))
    return tuple(found)


def _matching(glob: str, outputs: Iterable[str]) -> list[str]:
    """Outputs that match part by part, so that a star never reaches over a dot."""
    parts = glob.split(".")
    return [
        name
        for name in outputs
        if len(names := name.split(".")) == len(parts)
        and all(fnmatch.fnmatchcase(text, part) for text, part in zip(names, parts, strict=True))
    ]


def _unmatched(wanted: str, node: Node, nodes: Sequence[Node], outputs: Sequence[str]) -> str:
    """Why this input means nothing; empty where that cannot be decided, because a component is wrong, which has been reported."""
    other = next((each for each in nodes if each.id == owner_of(wanted)), None)
    if GLOB.search(wanted):
        known = all(each.outputs is not None for each in nodes)
        return f'"{wanted}" matches no output; there are: {_listed(outputs)}' if known else ""
    if other is None:
        if not outputs:
            return ""  # there is no source at all, which is reported once
        return f'no component "{wanted}"{did_you_mean(wanted, outputs) or "; there are: " + _listed(outputs)}'
    if other.id == node.id:
        return f'"{wanted}" is this component itself'
    if other.kind == "sinks":
        return f'"{wanted}" is a sink, and sinks give nothing out'
    return _no_output(wanted.partition(".")[2], other)


def _no_output(name: str, owner: Node) -> str:
    if owner.outputs is None:
        return ""
    if not owner.outputs:
        return f'"{owner.id}" has no named outputs, so no "{name}"; write "{owner.id}"'
    return f'"{owner.id}" has no output "{name}"{did_you_mean(name, owner.outputs)} (it has: {_listed(owner.all_outputs)})'


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _order(nodes: Sequence[Node], inputs: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, ...], list[Problem]]:
    """Kahn's algorithm in the order of the file; what is left over lies on a cycle or behind one."""
    waiting = {node.id: {owner_of(name) for name in inputs[node.id]} for node in nodes}
    order: list[str] = []
    while ready := [name for name, feeds in waiting.items() if feeds.issubset(order)]:
        order += ready
        waiting = {name: feeds for name, feeds in waiting.items() if name not in ready}
    problems: list[Problem] = []
    left = set(waiting)
    paths = {node.id: node.path for node in nodes}
    while cycle := _cycle(waiting, left):
        problems.append(Problem(f"{paths[cycle[0]]}.inputs", f"events would go round for ever: {' → '.join([*cycle, cycle[0]])}"))
        left -= set(cycle)
    return (*order, *waiting), problems


def _cycle(feeds: Mapping[str, set[str]], among: set[str]) -> list[str]:
    """One cycle, in the direction of the events, or nothing."""
    for start in (name for name in feeds if name in among):
        trail = [start]
        while following := sorted(feeds[trail[-1]] & among):
            if following[0] in trail:
                cycle = trail[trail.index(following[0]) :][::-1]
                first = cycle.index(min(cycle, key=list(feeds).index))
                return cycle[first:] + cycle[:first]
            trail.append(following[0])
    return []
