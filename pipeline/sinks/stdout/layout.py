"""Which columns of an exchange a terminal has room for, and how wide they are. Pure.

The path is what people look for, so it gets the room. A narrow terminal has a short time, the response's size alone, and no
addresses; those come when there are sixty cells for the URL beside them.
"""

from functools import lru_cache
from typing import NamedTuple

import msgspec

from pipeline.sinks.stdout.cells import cells, filled, shortened

METHOD = 7
ENDS = 43
"""Two IPv4 addresses with ports and an arrow between them."""

PROGRAM_LEAST = 4
"""Less of a program's name says nothing."""

URL_LEAST = 16
URL_BESIDE_ENDS = 60
HOST_LEAST = 8


class Layout(msgspec.Struct, frozen=True):
    """Widths in cells; 0: left out."""

    clock_digits: int
    duration: int
    request_size: int
    response_size: int
    url: int
    ends: int

    def heading(self) -> str:
        """The names of the columns."""
        took = f" {'TOOK':>{self.duration}}" if self.duration else ""
        both = f" {'REQUEST / RESP':>{self.request_size + self.response_size + 3}}"
        sizes = both if self.request_size else f" {'RESP':>{self.response_size}}" if self.response_size else ""
        ends = f"  {'CLIENT':<{self.client}} → SERVER" if self.ends else ""
        clock = 8 + (self.clock_digits and self.clock_digits + 1)
        return f"{'TIME':<{clock}} {'ST':<3} {'METHOD':<{METHOD}} {'URL':<{self.url}}{took}{sizes}{ends}"

    @property
    def client(self) -> int:
        """Cells of the client's end; the server's has the rest."""
        return (self.ends - 3 + 2) // 2

    def fit_ends(self, client: "End", server: "End") -> str:
        """Both ends, the arrow in the same column of every line."""
        return f"{filled(client.fit(self.client), self.client)} → {server.fit(self.ends - 3 - self.client)}"

    def fit_url(self, host: str, rest: str, room: int) -> str:
        """Host and path in ``room`` cells. Where they do not fit, the host gives way until a quarter of it is left."""
        if cells(host) + cells(rest) <= room:
            return filled(host + rest, room)
        least = min(cells(host), max(room // 4, min(HOST_LEAST, room // 2)))
        host = shortened(host, max(least, room - cells(rest)))
        return filled(host + shortened(rest, room - cells(host)), room)


class End(NamedTuple):
    """One end of a connection: its endpoint, and the program there where that is known."""

    endpoint: str
    program: str = ""

    def __str__(self) -> str:
        return f"{self.endpoint} {self.program}" if self.program else self.endpoint

    def fit(self, width: int) -> str:
        """In so many cells at most; the program gives way."""
        room = width - cells(self.endpoint) - 1
        program = shortened(self.program, room) if room >= PROGRAM_LEAST else ""
        return shortened(str(End(self.endpoint, program)), width)


PIPED = Layout(3, 8, 5, 7, 48, ENDS)
"""Off a terminal: the least widths. Nothing is cut there."""


@lru_cache(maxsize=8)
def layout_for(columns: int) -> Layout:
    """The layout of a terminal so wide."""
    wide = 12 + 1 + 3 + 1 + METHOD + 1 + 9 + 16
    if columns >= wide + URL_BESIDE_ENDS + 2 + ENDS:
        ends = max(ENDS, (columns - wide - 2) // 3)
        return Layout(3, 8, 5, 7, columns - wide - 2 - ends, ends)
    if columns >= wide + 50:
        return Layout(3, 8, 5, 7, columns - wide, 0)
    narrow = 8 + 1 + 3 + 1 + METHOD + 1
    if columns >= narrow + 15 + URL_LEAST:
        return Layout(0, 7, 0, 6, columns - narrow - 15, 0)
    return Layout(0, 0, 0, 0, max(columns - narrow, 1), 0)
