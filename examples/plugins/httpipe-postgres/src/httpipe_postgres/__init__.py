"""The sink `postgres`: events as rows of a PostgreSQL table, by COPY.

Each field that has a column goes there; all else that an event says goes into the column `attributes`. A
row that the server refuses (a value out of range, a constraint of yours) is looked for by halving the
batch and rejected alone. After a lost connection some rows of a batch may come twice: at least once.
"""

from collections.abc import Sequence
from typing import Annotated

import anyio
import anyio.lowlevel
import psycopg
from psycopg import errors
from pydantic import Field, SecretStr

from httpipe import BatchError, Config, Context, Event, NotConnected, Reject, Sink
from httpipe_postgres.table import Table

GONE = (psycopg.OperationalError, psycopg.InterfaceError)
REFUSED = (psycopg.DataError, psycopg.IntegrityError, errors.ProgramLimitExceeded)  # the row's fault, not the server's

SLICE = 50
"""So many rows are made at a stretch, about 1 ms; then others have their turn: there is one event loop."""

Numbered = Sequence[tuple[int, Event]]


class PostgresConfig(Config):
    """Options of the `postgres` sink."""

    dsn: SecretStr = SecretStr("")
    """Connection string or URI of libpq. What it leaves out comes from `PGHOST`, `PGUSER`, `PGPASSWORD`, `~/.pgpass`…"""
    table: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?$")] = "http_exchanges"
    """Table, also as `schema.table`."""
    columns: tuple[str, ...] | None = None
    """Fields and attributes with a column of their own, `.` written as `_`. Default: all declared ones and all added upstream."""
    create_table: bool = True
    """Make the table at the start unless it is there. With false the user needs no more than INSERT and SELECT."""


class Postgres(Sink):
    """Events as rows of a PostgreSQL table."""

    api_version = 1
    Config = PostgresConfig

    def __init__(self, config: PostgresConfig, context: Context) -> None:
        """Write the statements; nothing is connected yet."""
        self.config = config
        self.table = Table(config.table, config.columns, context.attributes)
        self.connection: psycopg.AsyncConnection | None = None
        self.one_at_a_time = anyio.Lock()  # whatever max_in_flight says: there is one connection

    async def open(self) -> None:
        """Connect, and make the table where asked for."""
        try:
            self.connection = await psycopg.AsyncConnection.connect(self.config.dsn.get_secret_value(), autocommit=True)
            if self.config.create_table:
                await self.connection.execute(self.table.create)
        except GONE as error:
            raise NotConnected(str(error)) from error

    async def healthcheck(self) -> None:
        """Is the table there, with all its columns? The server says what is missing."""
        await self.connected().execute(self.table.check)

    async def write(self, batch: Sequence[Event]) -> None:
        """One COPY. It is all or nothing, so only what is refused costs more."""
        async with self.one_at_a_time:
            if refused := await self.copied(list(enumerate(batch))):
                raise BatchError(refused)

    async def copied(self, events: Numbered) -> dict[int, Exception]:
        """Copy events; give the places of those that are refused, with the reason."""
        try:
            async with self.connected().cursor() as cursor, cursor.copy(self.table.copy) as copy:
                for place, event in events:
                    await copy.write_row(self.table.row(event))
                    if place % SLICE == 0:
                        await anyio.lowlevel.checkpoint()
        except REFUSED as error:
            if len(events) == 1:
                return {events[0][0]: Reject(error)}
            half = len(events) // 2
            return await self.copied(events[:half]) | await self.copied(events[half:])
        except GONE as error:
            raise NotConnected(str(error)) from error
        return {}

    def connected(self) -> psycopg.AsyncConnection:
        """The connection."""
        if self.connection is None:
            raise NotConnected("not connected")
        return self.connection

    async def aclose(self) -> None:
        """Close; safe twice, and safe unopened."""
        connection, self.connection = self.connection, None
        if connection is not None:
            await connection.close()
