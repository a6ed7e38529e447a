"""Whether two components may write the same file, or want the same place. Pure: patterns of paths are looked at, never a disk."""

from collections import deque
from collections.abc import Iterator, Sequence

from pipeline.api import Sink, Source
from pipeline.errors import Problem
from pipeline.model.file_names import ANYTHING, FileNames, Place, spelled
from pipeline.topology.components import Draft

State = tuple[int, int]


def file_problems(drafts: Sequence[Draft], data_dir: str) -> list[Problem]:
    """Files that two components would write: one of them would be refused for good, at a moment that untrusted peers choose."""
    problems = []
    claims: dict[str, tuple[Draft, list[FileNames]]] = {}
    for draft in drafts:
        for where, names in _files(draft, data_dir):
            others = [(owner, theirs) for other, (owner, all_theirs) in claims.items() if other != where for theirs in all_theirs]
            found = ((_meeting(names, theirs), owner.entry.path) for owner, theirs in others)
            common, owner = next((each for each in found if each[0] is not None), (None, ""))
            if common is not None:
                advice = f'"{common}" may be a file of [{owner}] as well: give each a folder or a name of its own'
                problems.append(Problem(where, advice))
            claims.setdefault(where, (draft, []))[1].append(names)
    return problems


def place_problems(drafts: Sequence[Draft]) -> list[Problem]:
    """What two sources would both have, and only one can."""
    problems = []
    owners: dict[str, str] = {}
    for draft in drafts:
        for place in draft.instance.occupies if isinstance(draft.instance, Source) else ():
            owner = owners.setdefault(place, draft.entry.path)
            if owner != draft.entry.path:
                problems.append(Problem(draft.entry.path, f"{place} is [{owner}] already: only one can be there; join the two"))
    return problems


def _files(draft: Draft, data_dir: str) -> list[tuple[str, FileNames]]:
    """What a component, its recording or its queue on disk may write, each with the option that says so."""
    at = draft.entry.path
    match draft.entry.kind:
        case "sinks":
            own = draft.instance.writes if isinstance(draft.instance, Sink) else ()
            buffer = draft.sink_options.buffer
            folder = buffer.path or f"{data_dir}/{draft.id}"
            queue = FileNames((*spelled(f"{folder}/queue."), ANYTHING))
            return [*((f"{at}.path", names) for names in own), *([(f"{at}.buffer.path", queue)] if buffer.type == "disk" else [])]
        case "sources":
            record = draft.source_options.record
            return [(f"{at}.record.path", FileNames.literal(record.path))] if record is not None else []
        case _:
            return []


def _meeting(names: FileNames, others: FileNames) -> str | None:
    """A name that both may give. What traffic chooses never looks rotated; two rotated ones meet where their originals do."""
    if (names.rotated and (others.rotated or others.from_traffic)) or (others.rotated and names.from_traffic):
        return None
    return common_name(names, others)


def common_name(left: FileNames, right: FileNames) -> str | None:
    """A path that both may write, the shortest; or None.

    The two patterns are walked side by side as one finite automaton, breadth first: a step without a letter goes to the front of
    the queue, so states leave it in the order of their names' lengths. Time is bounded by the product of the patterns' lengths.
    """
    ends = (len(left.places), len(right.places))
    reached: dict[State, str] = {(0, 0): ""}
    waiting = deque(reached)
    while waiting:
        state = waiting.popleft()
        if state == ends:
            return reached[state]
        for following, letter in _steps(state, left.places, right.places):
            name = reached[state] + letter
            if following not in reached or len(name) < len(reached[following]):
                reached[following] = name
                (waiting.append if letter else waiting.appendleft)(following)
    return None


def _steps(state: State, left: Sequence[Place], right: Sequence[Place]) -> Iterator[tuple[State, str]]:
    """Where one can go from here, and the letter that it takes; a repeated place may be left without one."""
    at, other = state
    mine = left[at] if at < len(left) else None
    theirs = right[other] if other < len(right) else None
    if mine is not None and mine.repeated:
        yield (at + 1, other), ""
    if theirs is not None and theirs.repeated:
        yield (at, other + 1), ""
    if mine is not None and theirs is not None and (both := mine.letters & theirs.letters):
        yield (at + (not mine.repeated), other + (not theirs.repeated)), max(both)
