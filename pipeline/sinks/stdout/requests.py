"""A request in progress as the parts of a line: dots stand where its status will be."""

from pipeline.codecs.text import visible
from pipeline.model.events.http_request import HttpRequest
from pipeline.sinks.stdout.event_cells import EventCells, host_of, remarks
from pipeline.sinks.stdout.screen import DIM

HTTP_PORT = 80


def cells_of(event: HttpRequest) -> EventCells:
    """What stands where."""
    target = event.httpipe_request_target or "" if event.url_path is None else event.url_path
    query = "" if event.url_query is None else f"?{event.url_query}"
    return EventCells(
        "···",
        visible(event.http_request_method_original or event.http_request_method or "-"),
        host_of(event, HTTP_PORT),
        visible(f"{target}{query}"),
        remarks(event.httpipe_marks, None),
        DIM,
    )
