"""Events as rows of a table, which can be written as JSON."""

from pipeline.api import Event, Exchange
from pipeline.codecs.flat import flat
from pipeline.codecs.text import visible
from pipeline.live.kinds import cells_of
from pipeline.live.names import host, target, who
from pipeline.model.events.kinds import name_of
from pipeline.sinks.stdout.screen import CYAN, DIM, GREEN, RED, YELLOW

Row = tuple[int, float, str, int | None, str, str, str, str, int | None, float | None, float | None, str, str, str, str]
"""Places as ``ui/page/table.js`` names them; times in ms, the first since 1970, sizes in bytes. The last two: what a request in
progress and its exchange have in common, and how well it went where no status says so (``OUTCOMES``)."""

OUTCOMES = {DIM: "open", RED: "failed", YELLOW: "refused", GREEN: "success", CYAN: "redirect"}
"""As the page's classes are called, by the colour of a line. Open: a request in progress."""

LONGEST = 2048
"""Characters of a text in the table."""

_SAID = ("event.name", "timestamp")


def row(number: int, event: Event) -> Row:
    """One line of the table. Costs some microseconds."""
    if not isinstance(event, Exchange):
        return _other(number, event)
    status = event.http_response_status_code
    error = event.error_type or ""
    return (
        number,
        event.timestamp_ns / 1e6,
        visible(event.http_request_method_original or event.http_request_method or "-"),
        status,
        host(event)[:LONGEST],
        target(event)[:LONGEST],
        who(event.httpipe_client_process_executable_name, event.client_address),
        who(event.process_executable_name, event.network_local_address, event.network_local_port),
        event.http_response_body_size,
        event.httpipe_duration_ms,
        event.httpipe_ttfb_ms,
        "" if error == str(status) else visible(error),
        ",".join(event.httpipe_marks),
        event.httpipe_request_id or "",
        "",
    )


def _other(number: int, event: Event) -> Row:
    start = event.timestamp_ns / 1e6
    client, server = getattr(event, "client_address", None), getattr(event, "network_local_address", None)
    ends = (
        who(getattr(event, "httpipe_client_process_executable_name", None), client),
        who(getattr(event, "process_executable_name", None), server, getattr(event, "network_local_port", None)),
    )
    if (cells := cells_of(event)) is not None:
        size = next((each for each in reversed(cells.sizes or ()) if each is not None), None)
        what, place = visible(cells.what)[:40], visible(cells.host)[:LONGEST]
        said = cells.detail[:LONGEST]
        request = getattr(event, "httpipe_request_id", None) or ""
        told = (size, cells.took, None, cells.state, cells.remarks, request, OUTCOMES.get(cells.tint, "redirect"))
        return (number, start, what, None, place, said, *ends, *told)
    said = " ".join(f"{visible(name)}={visible(str(value))}" for name, value in flat(event).items() if name not in _SAID)
    return (
        number,
        start,
        visible(name_of(event))[:40],
        None,
        "",
        said[:LONGEST],
        *ends,
        None,
        None,
        None,
        "",
        "",
        "",
        "redirect",
    )
