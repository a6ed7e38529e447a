"""Screens of a terminal → an SVG that shows one after the other, for a page that runs no script. Pure.

All frames stand below each other on one strip, of which a style sheet moves the next one into sight; a row that stands in several
frames is there once. With reduced motion only the frame ``still`` is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from rich.ansi import AnsiDecoder
from rich.cells import cell_len
from rich.color import Color, ColorType
from rich.console import Console
from rich.style import Style

CELL, LINE, SIZE = 8.4, 18, 14
"""Pixels: of a cell the width and the height, and of letters."""
SIDE, TOP = 12, 38
INK, GROUND = "#c9d1d9", "#0d1117"
COLOURS = (
    *("#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4"),
    *("#8b949e", "#ffa198", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#f0f6fc"),
)
"""Of a dark terminal, by number."""


@dataclass(frozen=True)
class Frame:
    """A screen as tmux gives it, with its escape sequences, and how long it is seen."""

    screen: str
    secs: float


class Film:
    """Of frames of ``columns`` by ``rows``. ``still``: the place of a frame that says much."""

    def __init__(self, frames: Sequence[Frame], columns: int, rows: int, *, title: str, still: int) -> None:
        self._frames, self._title, self._still = frames, title, still
        self._width = round(columns * CELL) + 2 * SIDE
        self._height = rows * LINE + TOP + SIDE
        self._console = Console(width=columns, color_system="standard", force_terminal=True, legacy_windows=False)
        self._rows: dict[str, int] = {}

    def svg(self) -> str:
        """The whole document."""
        strip = "\n".join(self._frame(number, frame.screen) for number, frame in enumerate(self._frames))
        rows = "\n".join(f'<g id="r{number}">{row}</g>' for row, number in self._rows.items())
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self._width} {self._height}" role="img">\n'
            f"<title>{escape(self._title)}</title>\n<style>\n"
            f"text {{ font: {SIZE}px ui-monospace, 'SF Mono', Menlo, 'DejaVu Sans Mono', monospace; white-space: pre }}\n"
            f".film {{ animation: film {sum(frame.secs for frame in self._frames):.2f}s step-end infinite }}\n"
            f"@keyframes film {{ {self._steps()} }}\n"
            "@media (prefers-reduced-motion: reduce) { .film { animation: none; "
            f"transform: translateY({-self._still * self._height}px) }} }}\n</style>\n"
            f'<rect width="100%" height="100%" rx="8" fill="{GROUND}"/>\n'
            + "".join(f'<circle cx="{20 + 20 * n}" cy="19" r="6" fill="{COLOURS[8]}"/>' for n in range(3))
            + f'<text x="{self._width / 2:g}" y="24" text-anchor="middle" fill="{COLOURS[8]}">{escape(self._title)}</text>\n'
            f"<defs>\n{rows}\n</defs>\n"
            f'<svg y="{TOP}" height="{self._height - TOP}"><g class="film">\n{strip}\n</g></svg>\n</svg>\n'
        )

    def _steps(self) -> str:
        whole = sum(frame.secs for frame in self._frames)
        steps, at = [], 0.0
        for number, frame in enumerate(self._frames):
            steps.append(f"{at / whole:.3%} {{ transform: translateY({-number * self._height}px) }}")
            at += frame.secs
        return " ".join(steps)

    def _frame(self, number: int, screen: str) -> str:
        used = []
        for at, line in enumerate(AnsiDecoder().decode(screen)):
            row = "".join(self._pieces(list(line.render(self._console))))
            if row:
                place = self._rows.setdefault(row, len(self._rows))
                used.append(f'<use href="#r{place}" y="{number * self._height + at * LINE}"/>')
        return "".join(used)

    def _pieces(self, segments: Sequence[tuple[str, Style | None, object]]) -> list[str]:
        """Of a line: what is written, and the ground where it is another one."""
        found, left = [], 0
        for part, style, _ in segments:
            text = part.rstrip("\n")
            cells = cell_len(text)
            ink, ground = _colours(style)
            x, width = SIDE + left * CELL, cells * CELL
            if ground != GROUND:
                found.append(f'<rect x="{x:.1f}" width="{width:.1f}" height="{LINE}" fill="{ground}"/>')
            if text.strip():
                skipped = len(text) - len(text.lstrip())
                word = text.strip()
                found.append(
                    f'<text x="{x + skipped * CELL:.1f}" y="{SIZE}" textLength="{cell_len(word) * CELL:.1f}" fill="{ink}"'
                    f"{_weight(style)}>{escape(word)}</text>"
                )
            left += cells
        return found


def _colours(style: Style | None) -> tuple[str, str]:
    if style is None:
        return INK, GROUND
    ink, ground = _colour(style.color, INK), _colour(style.bgcolor, GROUND)
    return (ground, ink) if style.reverse else (ink, ground)


def _colour(colour: Color | None, otherwise: str) -> str:
    if colour is None or colour.type is ColorType.DEFAULT:
        return otherwise
    if colour.number is not None and colour.number < len(COLOURS):
        return COLOURS[colour.number]
    return colour.get_truecolor().hex


def _weight(style: Style | None) -> str:
    if style is None:
        return ""
    bold = ' font-weight="bold"' if style.bold else ""
    return bold + (' opacity=".65"' if style.dim else "") + (' text-decoration="underline"' if style.underline else "")
