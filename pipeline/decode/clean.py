"""A connection at rest: what the compiled lane and the Python decoder tell each other of one that passes between them."""

from typing import Any, NamedTuple

from pipeline.model.connection import Connection
from pipeline.model.records import FlowKey


class Clean(NamedTuple):
    """A connection at rest: no message is under way and nothing is missing. ``key`` is the direction from the client.

    ``connection`` is set where Python has made one, ``patience`` the number of exchanges for which Python keeps it, ``due`` its
    place in ``Timers``, ``held`` how many records follow that have come since. Everything else is named as in ``Direction``,
    ``Connection`` and ``Waiting``.

    Where HTTP/2 is spoken, ``http2`` is what is known of that (``http2.handover``). Messages may be under way then, no records
    follow, and what concerns pairing means nothing.
    """

    key: FlowKey
    client_next: int
    server_next: int
    client_ended: bool
    server_ended: bool
    last_ns: int
    due: tuple[int, int]
    generation: int
    exchanges: int
    answers: int
    replied: int
    marks: int
    behaviour: int
    batch: int
    rejoined: int
    last_informational: tuple[int, int] | None
    patience: int
    connection: Connection | None
    http2: tuple[Any, ...] | None = None
    held: int = 0
