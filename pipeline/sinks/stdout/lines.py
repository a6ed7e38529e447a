"""Events as readable, aligned lines for people. Out: UTF-8; colours, widths and headings on a terminal only.

``time status method host+path duration sizes client → server marks``, with the program at each end where it is known; among the
marks stands ``error.type`` where it is not the status again (``reset``, ``closed``, ``timeout``). On a terminal the marks stand
behind the path, where they neither wrap nor move the other columns; the columns are named once a screen, and measurements stand
in tables. Off a terminal nothing is shortened and nothing added: what is written there is searched by tools. Every text that came
off the wire passes ``visible``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.api import AttributeValue, Event, Exchange, Mark
from pipeline.codecs.flat import flat
from pipeline.codecs.text import visible
from pipeline.model.events.firewall_decision import FirewallDecision
from pipeline.model.events.http_request import HttpRequest
from pipeline.model.events.kinds import name_of
from pipeline.model.events.tls_handshake import TlsHandshake
from pipeline.model.events.websocket_message import WebsocketMessage
from pipeline.sinks.stdout import decisions, handshakes, requests, websockets
from pipeline.sinks.stdout.cells import filled, fitted, shortened, taken
from pipeline.sinks.stdout.clock import time_of_day
from pipeline.sinks.stdout.event_cells import EventCells
from pipeline.sinks.stdout.grpc_statuses import grpc_status
from pipeline.sinks.stdout.layout import METHOD, PIPED, URL_LEAST, End, Layout, layout_for
from pipeline.sinks.stdout.screen import CYAN, DIM, GREEN, MAGENTA, RED, YELLOW, Screen
from pipeline.sinks.stdout.tables import Table, is_tabular

_STATUS_COLOURS = {0: MAGENTA, 1: DIM, 2: GREEN, 3: CYAN, 4: YELLOW, 5: RED}
"""By the status' first digit; 0: no answer."""

_MARKS_LEAST = 5
"""Less than this says nothing: then ``!`` stands for them."""


EVENT_STREAM = "text/event-stream"
"""Server-sent events (HTML Living Standard, section 9.2): an answer that lasts, and whose duration says nothing about speed."""

_SAID = ("event.name", "timestamp")
"""They stand at the beginning of the line."""

_CELLS: Mapping[type[Event], Callable[[Any], EventCells]] = {
    FirewallDecision: decisions.cells_of,
    HttpRequest: requests.cells_of,
    TlsHandshake: handshakes.cells_of,
    WebsocketMessage: websockets.cells_of,
}
"""Kinds that stand in the columns of exchanges."""


class LineFormat:
    """Makes lines for the descriptor ``fd``: looks at each batch how large the terminal is."""

    def __init__(self, fd: int, environment: Mapping[str, str]) -> None:
        self._screen = Screen(fd, environment)
        self._named: Layout | Table | None = None
        self._lines_since = 0

    def render(self, batch: Sequence[Event]) -> bytes:
        """One line an event, and headings."""
        if not self._screen.is_terminal:
            return "".join([_piped(event) for event in batch]).encode("utf-8", "replace")
        columns, lines = self._screen.size()
        text: list[str] = []
        table: Table | None = None
        for event in batch:
            if is_tabular(event):
                if table is None or not table.takes(event):
                    table = Table(event, batch, columns)
                self._name(table, columns, lines, text)
                text.append(taken(table.row(event), columns) + "\n")
            elif isinstance(event, Exchange) or type(event) in _CELLS:
                layout = layout_for(columns)
                self._name(layout, columns, lines, text)
                text.append((self._line(event, layout) if isinstance(event, Exchange) else self._columns(event, layout)) + "\n")
            else:
                text.append(shortened(_other(event), columns) + "\n")
            self._lines_since += 1
        return "".join(text).encode("utf-8", "replace")

    def _name(self, what: Layout | Table, columns: int, lines: int, text: list[str]) -> None:
        """The heading, where another kind of line begins and where the last one has left the screen."""
        if what != self._named or self._lines_since >= lines - 2:
            text.append(self._screen.tinted(taken(what.heading(), columns), DIM) + "\n")
            self._named, self._lines_since = what, 0

    def _line(self, event: Exchange, layout: Layout) -> str:
        tinted = self._screen.tinted
        tint = _STATUS_COLOURS.get((event.http_response_status_code or 0) // 100, MAGENTA)
        clock = time_of_day(event.timestamp_ns, layout.clock_digits)
        marks = _marks(_remarks(event), layout.url)
        url = layout.fit_url(*_url(event), layout.url - len(marks))
        ends = tinted(f"  {layout.fit_ends(*_ends(event))}", DIM) if layout.ends else ""
        head = f"{tinted(clock, DIM)} {tinted(_status(event), tint)} {fitted(_method(event), METHOD)}"
        return f"{head} {url}{tinted(marks, YELLOW)}{_numbers(event, layout)}{ends}"

    def _columns(self, event: Event, layout: Layout) -> str:
        """Another kind in the columns of exchanges."""
        tinted = self._screen.tinted
        shown = _CELLS[type(event)](event)
        marks = _marks(shown.remarks, layout.url)
        url = layout.fit_url(shown.host, shown.detail, layout.url - len(marks))
        ends = tinted(f"  {layout.fit_ends(*_ends(event))}", DIM) if layout.ends else ""
        clock = tinted(time_of_day(event.timestamp_ns, layout.clock_digits), DIM)
        return (
            f"{clock} {tinted(f'{shown.state:>3}', shown.tint)} {fitted(shown.what, METHOD)} {url}{tinted(marks, YELLOW)}"
            f"{_numbers_of(shown, layout)}{ends}"
        )


def in_words(event: Event) -> str:
    """What a line off a terminal says, without the time and without columns: the text of a log record."""
    return " ".join(_piped(event).split()[1:])


def _piped(event: Event) -> str:
    """A line off a terminal."""
    if type(event) in _CELLS:
        return _piped_columns(event)
    if not isinstance(event, Exchange):
        return _other(event) + "\n"
    host, rest = _url(event)
    head = f"{time_of_day(event.timestamp_ns)} {_status(event)} {filled(_method(event), METHOD)} {filled(host + rest, PIPED.url)}"
    client, server = map(str, _ends(event))
    marks = _remarks(event)
    line = f"{head}{_numbers(event, PIPED)}  {filled(client, PIPED.client)} → "
    return f"{line}{filled(server, 19)}  {marks}\n" if marks else f"{line}{server}\n"


def _piped_columns(event: Event) -> str:
    shown = _CELLS[type(event)](event)
    head = f"{time_of_day(event.timestamp_ns)} {shown.state:>3} {filled(shown.what, METHOD)}"
    client, server = map(str, _ends(event))
    line = f"{head} {filled(shown.host + shown.detail, PIPED.url)}{_numbers_of(shown, PIPED)}  {filled(client, PIPED.client)} → "
    return f"{line}{filled(server, 19)}  {shown.remarks}\n" if shown.remarks else f"{line}{server}\n"


def _other(event: Event) -> str:
    """An event of another kind: its name, its fields and its attributes, under the names that filters have for them."""
    pairs = " ".join(f"{visible(name)}={visible(_text(value))}" for name, value in flat(event).items() if name not in _SAID)
    return f"{time_of_day(event.timestamp_ns)} {visible(name_of(event))} {pairs}"


def _text(value: AttributeValue) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _status(event: Exchange) -> str:
    status = event.http_response_status_code
    return "---" if status is None else f"{status:>3d}"


def _method(event: Exchange) -> str:
    return visible(event.http_request_method_original or event.http_request_method or "-")


def _remarks(event: Exchange) -> str:
    """The marks, why the answer is not whole (unless it is the status again), a failed call's status, and what lasts."""
    error, headers = event.error_type, event.http_response_headers
    said = event.httpipe_marks
    if error and error != str(event.http_response_status_code):
        said = (*said, visible(error))
    if event.rpc_grpc_status_code:
        said = (*said, f"grpc:{grpc_status(event.rpc_grpc_status_code)}")
    if headers and headers.get("content-type", ("",))[0].lower().startswith(EVENT_STREAM):
        said = (*said, "event-stream")
    return visible(",".join(said))


def _marks(marks: str, room: int) -> str:
    """Marks as they stand at the end of the URL's room, so that nothing moves: shortened rather than the URL, never left out."""
    if not marks or room < _MARKS_LEAST:
        return ""
    width = room - 1 - min(URL_LEAST, room // 2)
    return f" {shortened(marks, width) if width >= _MARKS_LEAST else '!'}"


def _url(event: Exchange) -> tuple[str, str]:
    """Host with port, and what follows it."""
    host = event.server_address or ""
    if ":" in host:
        host = f"[{host}]"
    if event.server_port not in (None, 80):
        host = f"{host}:{event.server_port}"
    path = event.url_path
    target = event.httpipe_request_target or "" if path is None else path
    query = f"?{event.url_query}" if event.url_query is not None else ""
    rest = visible(f"{target}{query}")
    return visible(host), rest or ("" if host else "-")


def _numbers(event: Exchange, layout: Layout) -> str:
    """Duration and sizes, as far as the layout has room for them."""
    if not layout.duration:
        return ""
    took = f" {_duration(event.httpipe_duration_ms):>{layout.duration}} "
    about = "~" if Mark.SIZE_ESTIMATED in event.httpipe_marks else ""
    response = f"{about}{_size(event.http_response_body_size)}"
    if not layout.request_size:
        return f"{took}{response:>{layout.response_size}}"
    both = f"{_size(event.http_request_body_size)} / {response}"
    return f"{took}{both:>{layout.request_size + layout.response_size + 3}}"


def _numbers_of(shown: EventCells, layout: Layout) -> str:
    """How long it took, and the sizes of both sides where it has some."""
    if not layout.duration:
        return ""
    took = f" {_duration(shown.took):>{layout.duration}} "
    width = layout.request_size + layout.response_size + 3 if layout.request_size else layout.response_size
    if shown.sizes is None:
        return f"{took}{'':{width}}"
    client, server = shown.sizes
    both = f"{_size(client)} / {_size(server)}" if layout.request_size else _size(client if server is None else server)
    return f"{took}{both:>{width}}"


def _duration(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    if milliseconds < 1000:
        return f"{milliseconds:.1f}ms"
    return f"{milliseconds / 1000:.2f}s" if milliseconds < 100_000 else f"{milliseconds / 1000:.0f}s"


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


def _ends(event: Any) -> tuple[End, End]:  # noqa: ANN401  an exchange, or an event of a connection
    """Client and server's socket."""
    program, asking = event.process_executable_name or "", event.httpipe_client_process_executable_name or ""
    serving = program
    if event.httpipe_process_end == "client":
        serving, asking = "", program
    return (
        End(endpoint(event.client_address, event.client_port), visible(asking)),
        End(endpoint(event.network_local_address, event.network_local_port), visible(serving)),
    )


def endpoint(address: str | None, port: int | None) -> str:
    """``address:port``, IPv6 in brackets."""
    host = visible(address or "?")
    return f"{f'[{host}]' if ':' in host else host}:{'?' if port is None else port}"
