"""Whether two components may write the same file. Pure: it looks at patterns of paths, never at a disk."""

from collections import deque
from collections.abc import Iterator, Sequence

from pipeline.model.file_names import FileNames, Place

State = tuple[int, int]


def common_name(left: FileNames, right: FileNames) -> str | None:
    """A path that both may write, the shortest; or None.

    The two patterns are walked side by side as one finite automaton, so the time is bounded by the product of their lengths.
    """
    ends = (len(left.places), len(right.places))
    reached: dict[State, str] = {(0, 0): ""}
    waiting = deque(reached)
    while waiting:
        state = waiting.popleft()
        if state == ends:
            return reached[state]
        for following, letter in _steps(state, left.places, right.places):
            if following not in reached:
                reached[following] = reached[state] + letter
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
