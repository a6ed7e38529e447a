"""Events as readable, aligned lines for people. Out: UTF-8; colours and widths on a terminal only.

``time status method host+path duration sizes client → server marks``; among the marks stands ``error.type`` where it is not the
status again (``reset``, ``closed``, ``timeout``). On a terminal the marks stand behind the path, where they neither wrap nor
move the other columns. Every text that came off the wire passes ``visible``.
Colour obeys https://no-color.org. Off a terminal nothing is shortened: what is written there is searched by tools.
"""

import os
import time
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

from pipeline.api import Event, Exchange, Mark
from pipeline.codecs.text import visible

_DIM, _RESET = "\x1b[2m", "\x1b[0m"
_RED, _GREEN, _YELLOW, _CYAN, _MAGENTA = (f"\x1b[{code}m" for code in (31, 32, 33, 36, 35))
_STATUS_COLOURS = {1: _DIM, 2: _GREEN, 3: _CYAN, 4: _YELLOW, 5: _RED}

_URL_PIPED = 48
_URL_LEAST = 16
_MARKS_LEAST = 5
"""Less than this says nothing: then ``!`` stands for them."""
_ENDS_WIDTH = 43
"""Two IPv4 addresses with ports and an arrow between them, nearly always."""


class LineFormat:
    """Makes lines for the descriptor ``fd``: looks at each batch how wide the terminal is."""

    def __init__(self, fd: int, environment: Mapping[str, str]) -> None:
        self._fd = fd
        self._terminal = os.isatty(fd)
        self._colour = self._terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"

    def render(self, batch: Sequence[Event]) -> bytes:
        """One line an event."""
        columns = self._columns()
        return "".join([self._line(event, columns) for event in batch]).encode("utf-8", "replace")

    def _columns(self) -> int | None:
        """The terminal's width; None where there is no terminal. A terminal that does not know its width says 0."""
        if not self._terminal:
            return None
        try:
            return os.get_terminal_size(self._fd).columns or 80
        except OSError:
            return 80

    def _line(self, event: Event, columns: int | None) -> str:
        if not isinstance(event, Exchange):
            return self._other(event, columns)
        clock = _clock(event.timestamp_ns)
        status = "---" if event.http_response_status_code is None else f"{event.http_response_status_code:>3d}"
        method = _fitted(visible(event.http_request_method_original or event.http_request_method or "-"), 7, columns)
        numbers = f"{_duration(event.httpipe_duration_ms):>8} {_sizes(event):>15}"
        ends, marks = _ends(event), _remarks(event)
        if columns is None:
            url = _fitted(_url(event), _URL_PIPED, None)
            return f"{clock} {status} {method} {url} {numbers}  {ends}{'  ' if marks else ''}{marks}".rstrip() + "\n"
        room, numbers, ends = _share(columns, clock, numbers, ends)
        ends = ends.rstrip()
        marks = _marks(marks, room)
        url = _fitted(_url(event), room - len(marks), columns)
        if not self._colour:
            return f"{clock} {status} {method} {url}{marks}{numbers}{ends}\n"
        tint = _STATUS_COLOURS.get((event.http_response_status_code or 0) // 100, _MAGENTA)
        marks = f"{_YELLOW}{marks}{_RESET}" if marks else ""
        ends = f"{_DIM}{ends}{_RESET}" if ends else ""
        return f"{_DIM}{clock}{_RESET} {tint}{status}{_RESET} {method} {url}{marks}{numbers}{ends}\n"

    def _other(self, event: Event, columns: int | None) -> str:
        """An event that is no exchange: its name and its attributes."""
        pairs = " ".join(f"{visible(name)}={visible(str(value))}" for name, value in event.attributes.items())
        line = f"{_clock(event.timestamp_ns)} {visible(event.event_name)} {pairs}"
        return (line if columns is None else _shortened(line, columns)) + "\n"


def _remarks(event: Exchange) -> str:
    """The marks, and why the answer is not whole: ``error.type``, unless it is the status again."""
    error = event.error_type
    if not error or error == str(event.http_response_status_code):
        return ",".join(event.httpipe_marks)
    return ",".join((*event.httpipe_marks, visible(error)))


def _share(columns: int, clock: str, numbers: str, ends: str) -> tuple[int, str, str]:
    """What fits on a terminal of this width: the URL's room; ends, then numbers give way on narrow ones."""
    fixed = len(clock) + 1 + 3 + 1 + 7 + 1
    if columns < fixed + _URL_LEAST + 1 + len(numbers):
        return max(columns - fixed, 1), "", ""
    fixed += 1 + len(numbers)
    if columns < fixed + _URL_LEAST + 2 + _ENDS_WIDTH:
        return columns - fixed, f" {numbers}", ""
    return columns - fixed - 2 - max(_ENDS_WIDTH, len(ends)), f" {numbers}", f"  {ends}"


def _marks(marks: str, room: int) -> str:
    """Marks as they stand at the end of the URL's room, so that nothing moves: shortened rather than the URL, never left out."""
    if not marks or room < _MARKS_LEAST:
        return ""
    width = room - 1 - min(_URL_LEAST, room // 2)
    return f" {_shortened(marks, width) if width >= _MARKS_LEAST else '!'}"


@lru_cache(maxsize=64)
def _local_second(seconds: int) -> str:
    try:
        return time.strftime("%H:%M:%S", time.localtime(seconds))
    except (OverflowError, ValueError, OSError):
        return "--:--:--"


def _clock(timestamp_ns: int) -> str:
    """Local time of day with milliseconds: what somebody at a terminal compares with the clock."""
    seconds, fraction = divmod(timestamp_ns, 1_000_000_000)
    return f"{_local_second(seconds)}.{fraction // 1_000_000:03d}"


def _url(event: Exchange) -> str:
    host = event.server_address or ""
    if ":" in host:
        host = f"[{host}]"
    if event.server_port not in (None, 80):
        host = f"{host}:{event.server_port}"
    path = event.url_path
    target = event.httpipe_request_target or "" if path is None else path
    query = f"?{event.url_query}" if event.url_query is not None else ""
    return visible(f"{host}{target}{query}") or "-"


def _duration(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    if milliseconds < 1000:
        return f"{milliseconds:.1f}ms"
    return f"{milliseconds / 1000:.2f}s" if milliseconds < 100_000 else f"{milliseconds / 1000:.0f}s"


def _sizes(event: Exchange) -> str:
    about = "~" if Mark.SIZE_ESTIMATED in event.httpipe_marks else ""
    return f"{_size(event.http_request_body_size)} / {about}{_size(event.http_response_body_size)}"


def _size(count: int | None) -> str:
    """At most five characters up to petabytes."""
    if count is None:
        return "-"
    if count < 1000:
        return f"{count}B"
    value = float(count)
    for unit in ("k", "M", "G", "T", "P"):
        value /= 1000
        if value < 999.5 or unit == "P":
            return f"{value:.1f}{unit}B" if value < 9.95 else f"{value:.0f}{unit}B"
    return "-"


def _ends(event: Exchange) -> str:
    client = endpoint(event.client_address, event.client_port)
    server = endpoint(event.network_local_address, event.network_local_port)
    return f"{client:<21} → {server:<19}"


def endpoint(address: str | None, port: int | None) -> str:
    """``address:port``, IPv6 in brackets."""
    host = visible(address or "?")
    return f"{f'[{host}]' if ':' in host else host}:{'?' if port is None else port}"


def _fitted(text: str, width: int, columns: int | None) -> str:
    """Filled up to ``width`` cells; cut to it only on a terminal."""
    cells = len(text) if text.isascii() else _cells(text)
    if cells <= width:
        return text + " " * (width - cells)
    return text if columns is None else _shortened(text, width)


def _shortened(text: str, width: int) -> str:
    """The text's beginning and end with ``…`` between them, ``width`` cells wide: the end of a URL says as much as its start."""
    if _cells(text) <= width:
        return text
    tail = max((width - 1) // 3, 0)
    end = _taken(text[::-1], tail)[::-1]
    begin = _taken(text, width - 1 - _cells(end))
    missing = width - 1 - _cells(begin) - _cells(end)
    return f"{begin}…{end}{' ' * missing}"


def _taken(text: str, width: int) -> str:
    used = 0
    for place, character in enumerate(text):
        used += _cells(character)
        if used > width:
            return text[:place]
    return text


def _cells(text: str) -> int:
    """Columns on a terminal: wide characters take two, combining ones none (Unicode Standard Annex 11)."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
