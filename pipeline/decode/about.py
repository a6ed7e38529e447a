"""What events of any kind say of their connection: both ends, and who sits there."""

from typing import Any

from pipeline.decode.message import Fields, RequestLine
from pipeline.model.connection import Connection
from pipeline.model.records import Process

About = tuple[  # of 17 values, so that what stands behind them keeps its place
    Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any
]  # fmt: skip
_NOBODY = (None,) * 10


def about(connection: Connection, line: RequestLine, fields: Fields) -> About:
    """The values of ``ConnectionEvent`` up to the client's process, in order; the server is what the request names."""
    names = connection.names or connection.name()
    address, port = (line.address, line.port) if line.address is not None else (fields.address, fields.port)
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
    )


def tell(connection: Connection) -> tuple[Any, ...]:
    """What the source said of the connection, in the order of ``Exchange`` behind ``response_head``; remembered with it."""
    connection.told = told = (
        *_of(connection.process),
        *_of(connection.client_process),
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
