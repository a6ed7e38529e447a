"""What events of any kind say of their connection: both ends, and who sits there."""

from typing import Any

from pipeline.decode.marks import NAMES
from pipeline.decode.message import Fields, RequestLine
from pipeline.decode.shared import Shared
from pipeline.model.connection import Connection
from pipeline.model.records import Process

About = tuple[  # of 22 values, so that what stands behind them keeps its place
    Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any
]  # fmt: skip
_NOBODY = (None,) * 11
"""What is told of processes where nothing is known."""


def about(connection: Connection, shared: Shared, marks: int, address: str | None = None, port: int | None = None) -> About:
    """The values of ``ConnectionEvent``, in order; ``address`` and ``port`` are what the client calls the server."""
    names = connection.names or connection.name()
    told = (connection.told or tell(connection))[: len(_NOBODY)] if connection.known else _NOBODY
    return (
        address or names.server_address,
        port or names.server_port,
        names.client_address,
        names.client_port,
        names.server_address,
        names.server_port,
        names.network_type,
        *told,
        shared.source,
        shared.capture,
        names.id,
        NAMES[marks],
    )


def called(line: RequestLine, fields: Fields) -> tuple[str | None, int | None]:
    """What a request calls its server: address and port of its target, else of Host (RFC 9110, section 7.1)."""
    return (line.address, line.port) if line.address is not None else (fields.address, fields.port)


def tell(connection: Connection) -> tuple[Any, ...]:
    """What the source said of the connection, in the order of ``Exchange`` behind ``response_head``; remembered with it."""
    connection.told = told = (
        *_of(connection.process),
        *_of(connection.client_process),
        connection.process_end,
        connection.tls_version or None,
        connection.security or None,
    )
    return told


def _of(process: Process) -> tuple[Any, ...]:
    return (
        process.pid or None,
        process.executable or None,
        process.path or None,
        process.command_line or None,
        process.container or None,
    )
