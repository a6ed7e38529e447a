"""What views say of events that are no exchanges: the parts of their lines."""

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.api import Event
from pipeline.model.events.firewall_decision import FirewallDecision
from pipeline.model.events.http_request import HttpRequest
from pipeline.model.events.tls_handshake import TlsHandshake
from pipeline.model.events.websocket_message import WebsocketMessage
from pipeline.sinks.stdout import decisions, handshakes, requests, websockets
from pipeline.sinks.stdout.event_cells import EventCells

_CELLS: Mapping[type[Event], Callable[[Any], EventCells]] = {
    FirewallDecision: decisions.cells_of,
    HttpRequest: requests.cells_of,
    TlsHandshake: handshakes.cells_of,
    WebsocketMessage: websockets.cells_of,
}


def cells_of(event: Event) -> EventCells | None:
    """None for a kind of a plugin's."""
    make = _CELLS.get(type(event))
    return None if make is None else make(event)
