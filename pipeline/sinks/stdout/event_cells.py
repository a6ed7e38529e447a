"""An event that is no exchange, as the parts of an exchange's line. Every text that came off the wire passes ``visible``."""

from typing import NamedTuple

from pipeline.codecs.text import visible
from pipeline.model.events.connection_event import ConnectionEvent
from pipeline.sinks.stdout.screen import CYAN


class EventCells(NamedTuple):
    """``state`` stands for the status, ``what`` for the method, ``host`` and ``detail`` for the URL.

    ``took`` is in milliseconds, ``sizes`` are those of the client's side and of the server's, in bytes; None leaves both out.
    """

    state: str
    what: str
    host: str
    detail: str
    remarks: str = ""
    tint: str = CYAN
    took: float | None = None
    sizes: tuple[int | None, int | None] | None = None


def host_of(event: ConnectionEvent, usual_port: int) -> str:
    """Host with port, unless it is the usual one."""
    host = visible(event.server_address or "?")
    host = f"[{host}]" if ":" in host else host
    return host if event.server_port in {None, usual_port} else f"{host}:{event.server_port}"


def remarks(marks: tuple[str, ...], error: str | None) -> str:
    """The marks, and why it is not whole."""
    return ",".join((*marks, visible(error)) if error else marks)
