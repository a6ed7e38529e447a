"""Events as rows: which columns there are, the statements for them, and the values of an event. No I/O."""

from collections import Counter
from collections.abc import Mapping

from psycopg import sql
from psycopg.types.json import Jsonb

from httpipe import FIELDS, ConfigError, Event, FieldType, Problem, flat

SQL_TYPES = {
    FieldType.STRING: "text",
    FieldType.INT: "bigint",
    FieldType.FLOAT: "double precision",
    FieldType.BOOL: "boolean",
    FieldType.STRINGS: "text[]",
    FieldType.TIMESTAMP: "timestamptz",
}
DECLARED = {field.name: field.type for field in FIELDS}
REST = "attributes"


class Table:
    """A table with a column for each of ``names`` (default: everything known) and one for the rest."""

    def __init__(self, name: str, names: tuple[str, ...] | None, attributes: Mapping[str, FieldType]) -> None:
        types = DECLARED | dict(attributes)
        self.names = tuple(types) if names is None else names
        columns = [*(name.replace(".", "_") for name in self.names), REST]
        problems = [
            f'"{each}" is not a field, and no transform before this sink adds it' for each in self.names if each not in types
        ]
        problems += [f'"{column}" would be the name of {n} columns' for column, n in Counter(columns).items() if n > 1]
        if problems:
            raise ConfigError([Problem("columns", problem) for problem in problems])
        table, *identifiers = sql.Identifier(*name.split(".")), *map(sql.Identifier, columns)
        kinds = [*(SQL_TYPES[types[each]] for each in self.names), "jsonb NOT NULL"]
        made = [sql.SQL("{} {}").format(*each) for each in zip(identifiers, map(sql.SQL, kinds), strict=True)]
        comma = sql.SQL(", ")
        self.create = sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(table, comma.join(made))
        self.check = sql.SQL("SELECT {} FROM {} LIMIT 0").format(comma.join(identifiers), table)
        self.copy = sql.SQL("COPY {} ({}) FROM STDIN").format(table, comma.join(identifiers))

    def row(self, event: Event) -> list[object]:
        """A value for each column, the last one holding what is left."""
        rest = {adapted(name): adapted(value) for name, value in flat(event).items()}
        return [*(rest.pop(name, None) for name in self.names), Jsonb(rest)]


def adapted(value: object) -> object:
    """What psycopg makes a column's value of: arrays are lists, and PostgreSQL's text cannot hold NUL."""
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return list(map(adapted, value)) if isinstance(value, tuple) else value
