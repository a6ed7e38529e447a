"""Many globs as one automaton over bytes: a path is walked once, whatever the number of globs. Pure.

In: globs with the number of their entry. Out: rows, each the next row for every byte and the entry that is accepted where the
path ends in it. Row 0 is the dead one.

The globs stand behind each other in one row of places, a bit each; a state is a set of places, as one large integer, and a byte
moves all of them by one shift (the Shift-And algorithm: Baeza-Yates and Gonnet, 1992). The states that are reached become rows
(the subset construction).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from struct import Struct

from pipeline.lists.glob_places import REST, WHATEVER, Places

ROW = Struct("=256HI")
"""The next row for each byte, then the number of the entry, 0 for none."""

MOST_ROWS = 65_535
DEAD = 0

_SAMPLE = 64
"""States that are looked at to say which entry there is too much of."""


class TooManyRowsError(Exception):
    """The automaton does not fit. ``entry``: the number of the one whose places most of the states hold."""

    def __init__(self, entry: int) -> None:
        super().__init__(entry)
        self.entry = entry


class Automaton:
    """Grows by groups of globs, each with a first row of its own. ``rows``: as the kernel has them, 516 bytes each."""

    def __init__(self) -> None:
        self.rows: list[bytes] = [ROW.pack(*[DEAD] * 256, 0)]

    def add(self, globs: Iterable[tuple[Places, int]]) -> int:
        """The first row of these (glob, entry); of several that fit, any may be accepted. Raises ``TooManyRowsError``."""
        group = _Group(globs)
        base = len(self.rows)
        numbers = {0: DEAD, group.first: base}
        waiting = [group.first]
        for state in waiting:
            following = [DEAD] * 256
            for members, moved in group.moves(state):
                number = numbers.get(moved)
                if number is None:
                    number = numbers[moved] = base + len(waiting)
                    if number >= MOST_ROWS:
                        raise TooManyRowsError(group.heaviest(waiting))
                    waiting.append(moved)
                for byte in members:
                    following[byte] = number
            self.rows.append(ROW.pack(*following, group.entry_at(state)))
        return base

    def accepted(self, first: int, path: bytes) -> int:
        """The entry that fits the path, 0 for none: what the kernel does with the rows."""
        at = first
        for byte in path:
            row = self.rows[at]
            at = row[2 * byte] | row[2 * byte + 1] << 8
        return int.from_bytes(self.rows[at][512:], "little")


class _Group:
    """All places of all globs; sets of them are integers with a bit for each place, and one for each glob's end."""

    def __init__(self, globs: Iterable[tuple[Places, int]]) -> None:
        self._owners: list[int] = []
        self._through = [0] * 256
        self._staying = [0] * 256
        self._repeated = self._ends = self._won = self._passing = first = 0
        self._passed: dict[int, int] = {}
        for places, entry in globs:
            first |= 1 << len(self._owners)
            self._append(places, entry)
        self.first = self._closed(first)
        classes: dict[tuple[int, int], list[int]] = {}
        for byte, key in enumerate(zip(self._through, self._staying, strict=True)):
            classes.setdefault(key, []).append(byte)
        self._classes = [(members, *key) for key, members in classes.items()]

    def moves(self, state: int) -> Iterator[tuple[Sequence[int], int]]:
        """Bytes that all places treat alike, and the state that they lead to, for those that lead anywhere."""
        for members, through, staying in self._classes:
            moved = ((state & through) << 1) | (state & staying)
            if moved:
                yield members, self._closed(moved)

    def entry_at(self, state: int) -> int:
        """The entry of the first glob that ends here, 0 for none."""
        ended = state & self._ends
        return self._owners[(ended & -ended).bit_length() - 1] if ended else 0

    def heaviest(self, states: Sequence[int]) -> int:
        """The entry that most of these states have places of."""
        found: Counter[int] = Counter()
        for state in states[:: len(states) // _SAMPLE + 1]:
            bits = reversed(bin(state))
            found.update({owner for owner, bit in zip(self._owners, bits, strict=False) if bit == "1"})
        return found.most_common(1)[0][0]

    def _append(self, places: Places, entry: int) -> None:
        start = len(self._owners)
        repeated_before = False
        for at, place in enumerate(places, start):
            bit = 1 << at
            takes = self._staying if place.repeated else self._through
            for byte in place.bytes:
                takes[byte] |= bit
            if place.repeated:
                self._repeated |= bit
                if place == WHATEVER and repeated_before:
                    self._passing |= bit
                    self._passed[bit] = ~(bit - (1 << start))
                repeated_before |= place != REST
        self._owners += [entry] * (len(places) + 1)
        end = 1 << len(self._owners) - 1
        self._ends |= end
        if places and places[-1] == WHATEVER:
            self._won |= end

    def _closed(self, state: int) -> int:
        """With the places behind repeated ones, which may take nothing, and without those that make no difference.

        A glob that ends in ``**`` has won where its end is reached: nothing behind it matters. One that has come to a ``**`` in
        its middle goes on from there whatever follows, so that how else it may have come there matters no more. Without these
        two, states would multiply with each ``*``.
        """
        while (more := state | ((state & self._repeated) << 1)) != state:
            state = more
        won = state & self._won
        if won:
            end = won & -won
            return end | end >> 1
        passing = state & self._passing
        while passing:
            last = 1 << passing.bit_length() - 1
            state &= self._passed[last]
            passing &= self._passed[last] ^ last
        return state
