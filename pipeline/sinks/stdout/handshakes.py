"""A handshake as the parts of a line that exchanges have, too. Every text that came off the wire passes ``visible``.

The version stands where exchanges have their status, ``TLS`` or ``QUIC`` where they have their method, and the server's name with
the protocol, the cipher and the rest where they have their URL.
"""

from pipeline.codecs.text import visible
from pipeline.model.events.tls_handshake import TlsHandshake
from pipeline.sinks.stdout.event_cells import EventCells, host_of, remarks
from pipeline.sinks.stdout.screen import CYAN, RED

HTTPS_PORT = 443


def cells_of(event: TlsHandshake) -> EventCells:
    """What stands where."""
    return EventCells(
        event.tls_protocol_version or "---",
        "QUIC" if event.network_transport == "quic" else "TLS",
        host_of(event, HTTPS_PORT),
        _detail(event),
        remarks(event.httpipe_marks, event.error_type),
        RED if event.tls_established is False else CYAN,
        event.httpipe_duration_ms,
    )


def _detail(event: TlsHandshake) -> str:
    """With a blank in front of each part; what was offered where nothing was chosen."""
    offered = "" if event.tls_protocol_version else f"offers {'/'.join(event.httpipe_tls_client_versions)}"
    parts = (
        offered,
        event.tls_next_protocol or "",
        event.tls_cipher or "",
        "resumed" if event.tls_resumed else "",
        "ech" if event.httpipe_tls_ech else "",
    )
    return "".join([f" {visible(part)}" for part in parts if part])
