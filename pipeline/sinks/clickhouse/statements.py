"""What the sink says to ClickHouse: statements and the settings that go with an insert. Pure.

Columns have the names of the fields, dots included, in backticks; their types follow from the field tables of the kinds of events
that the table is for (``codecs/schema.py``).
"""

from collections.abc import Iterable, Mapping, Sequence

from pipeline.codecs.schema import clickhouse_attribute, clickhouse_type, table_fields
from pipeline.model.events.fields import EVENT_NAME, FieldType
from pipeline.model.events.kind import Kind

DEDUPLICATION_WINDOW = 1000
"""Inserts whose repetition a table that we make recognises: at one a second a quarter of an hour. Replicated ones have theirs."""

OFTEN_ASKED_FOR = ("server.address",)
"""Columns by which a table is sorted before the time, where it has them: nearly every question about HTTP names a host."""

CODECS = {"DateTime64(9, 'UTC')": "CODEC(Delta, ZSTD(1))", "String": "CODEC(ZSTD(1))"}
"""How columns of these types are compressed: times follow each other closely, and texts repeat themselves."""


def identifier(name: str) -> str:
    """A name in backticks."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def literal(text: str) -> str:
    """A text in quotes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Table:
    """One table. ``columns``: type by name, in order; what ``types`` says wins, and may name further ones, such as headers."""

    def __init__(
        self, database: str, name: str, kinds: Iterable[Kind], extra: Mapping[str, FieldType], types: Mapping[str, str]
    ) -> None:
        self.name = f"{identifier(database)}.{identifier(name)}"
        self._where = f"database = {literal(database)} AND table = {literal(name)}"
        self._kinds = tuple(kinds)
        declared = {name: clickhouse_type(name, type_) for name, type_ in table_fields(self._kinds, {}).items()}
        added = {name: clickhouse_attribute(type_) for name, type_ in extra.items() if name not in declared}
        self.columns: Mapping[str, str] = {name: _with_codec(type_) for name, type_ in (declared | added).items()} | dict(types)

    def create(self, engine: str, ttl_days: int | None) -> str:
        """Makes the table where there is none."""
        listed = ",\n".join(f"  {identifier(name)} {type_}" for name, type_ in self.columns.items())
        first = [EVENT_NAME] if len(self._kinds) > 1 else []
        order = [*first, *(name for name in OFTEN_ASKED_FOR if name in self.columns), "timestamp"]
        lines = [
            f"CREATE TABLE IF NOT EXISTS {self.name} (\n{listed}\n) ENGINE = {engine}",
            "PARTITION BY toDate(`timestamp`)",
            f"ORDER BY ({', '.join(identifier(name) for name in order)})",
        ]
        settings = [f"non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}"]
        if ttl_days is not None:
            lines.append(f"TTL toDateTime(`timestamp`) + INTERVAL {ttl_days} DAY")
            settings.append("ttl_only_drop_parts = 1")
        return "\n".join([*lines, f"SETTINGS {', '.join(settings)}"])

    def missing(self) -> str:
        """Asks which columns the table lacks: one name a line."""
        names = ", ".join(literal(name) for name in self.columns)
        known = f"SELECT name FROM system.columns WHERE {self._where}"  # noqa: S608  quoted above
        return f"SELECT name FROM (SELECT arrayJoin([{names}]) AS name) WHERE name NOT IN ({known})"  # noqa: S608

    def add(self, names: Sequence[str]) -> str:
        """Adds columns to the table."""
        return f"ALTER TABLE {self.name} " + ", ".join(
            f"ADD COLUMN IF NOT EXISTS {identifier(name)} {self.columns[name]}" for name in names
        )

    def exists(self) -> str:
        """Asks whether the table is there: 1 or 0."""
        return f"EXISTS TABLE {self.name}"

    def insert(self) -> str:
        """What goes in front of the rows."""
        return f"INSERT INTO {self.name} FORMAT JSONEachRow"


def _with_codec(type_: str) -> str:
    return f"{type_} {CODECS[type_]}" if type_ in CODECS else type_


def wanted_settings(*, asynchronous: bool, deduplicate: bool) -> Mapping[str, str]:
    """Settings of an insert; a server that does not know one of them does without (``known_settings``)."""
    return {
        "input_format_skip_unknown_fields": "1",
        "date_time_input_format": "best_effort",
        # the row that an exception names is counted from the first one of the request
        "input_format_parallel_parsing": "0",
        "insert_deduplicate": str(int(deduplicate)),
        **({"async_insert": "1", "wait_for_async_insert": "1"} if asynchronous else {"async_insert": "0"}),
        **({"async_insert_deduplicate": str(int(deduplicate))} if asynchronous else {}),
    }


TOKEN = "insert_deduplication_token"  # noqa: S105  a setting of ClickHouse
"""By which an insert is recognised when it comes again, also where a column has a default such as ``now()``. One that never comes
again is what keeps a table that is not replicated from recognising the rows themselves: ``insert_deduplicate`` does not."""


def known_settings(names: Iterable[str]) -> str:
    """Asks which of these settings the server knows: one name a line."""
    return f"SELECT name FROM system.settings WHERE name IN ({', '.join(literal(name) for name in names)})"  # noqa: S608
