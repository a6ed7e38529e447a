"""A handshake as the parts of a line that exchanges have, too. Every text that came off the wire passes ``visible``.

The version stands where exchanges have their status, ``TLS`` or ``QUIC`` where they have their method, and the server's name with
the protocol, the cipher and the rest where they have their URL.
"""

from typing import NamedTuple

from pipeline.codecs.text import visible
from pipeline.model.events.tls_handshake import TlsHandshake


class HandshakeCells(NamedTuple):
    """``detail`` follows the host; ``failed`` where no connection came about."""

    version: str
    method: str
    host: str
    detail: str
    remarks: str
    failed: bool


def cells_of(event: TlsHandshake) -> HandshakeCells:
    """What stands where."""
    host = visible(event.server_address or "?")
    host = f"[{host}]" if ":" in host else host
    port = "" if event.server_port in {None, 443} else f":{event.server_port}"
    return HandshakeCells(
        event.tls_protocol_version or "---",
        "QUIC" if event.network_transport == "quic" else "TLS",
        f"{host}{port}",
        _detail(event),
        ",".join((*event.httpipe_marks, *([visible(event.error_type)] if event.error_type else ()))),
        event.tls_established is False,
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
