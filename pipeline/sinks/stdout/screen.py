"""What the descriptor of a sink is: a terminal of some size, with colour or without, or none."""

import os
from collections.abc import Mapping

DIM, RESET = "\x1b[2m", "\x1b[0m"
RED, GREEN, YELLOW, CYAN, MAGENTA = (f"\x1b[{code}m" for code in (31, 32, 33, 36, 35))


class Screen:
    """Descriptor ``fd``. Colour obeys https://no-color.org."""

    def __init__(self, fd: int, environment: Mapping[str, str]) -> None:
        self._fd = fd
        self.is_terminal = os.isatty(fd)
        self.has_colour = self.is_terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"

    def size(self) -> tuple[int, int]:
        """Columns and lines now. A terminal that does not know them says 0."""
        try:
            columns, lines = os.get_terminal_size(self._fd)
        except OSError:
            columns, lines = 0, 0
        return columns or 80, lines or 24

    def tinted(self, text: str, tint: str) -> str:
        """In that colour, where there is colour and text."""
        return f"{tint}{text}{RESET}" if self.has_colour and text else text
