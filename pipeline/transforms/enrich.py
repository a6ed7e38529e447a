"""``enrich``: attributes from a table, by a key of the event: the team of a service, the name of a tenant."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field

from pipeline.api import DEFAULT, NOTHING, AttributeValue, Config, Context, Event, FieldType, Outputs, PathOption, Transform
from pipeline.errors import ConfigError, Problem
from pipeline.expressions.helpers import to_str
from pipeline.transforms.changes import NOWHERE, place
from pipeline.transforms.files import FileError, WatchedFile
from pipeline.transforms.options import Compiled

MOST_ROWS = 1_000_000
"""Rows of a table: about 500 MB of memory at the very most, for small rows."""

Table = Mapping[str, Mapping[str, AttributeValue]]


class EnrichConfig(Config):
    """Add attributes from a table."""

    file: PathOption
    """Path of the table; it is read again when it changes."""
    format: Literal["csv", "json"] | None = None
    """`csv` with a header line, or `json`: an array of flat objects or an object of them by key. Default: by the ending."""
    key: str
    """Expression whose value is looked up, such as `server.address`."""
    key_column: str = "key"
    """Column of the table that holds the key."""
    columns: Annotated[Mapping[str, str], Field(min_length=1)]
    """Column and the attribute that takes its value, such as `columns.team = "service.team"`."""


class Enrich(Transform):
    """Adds attributes from a CSV or JSON table.

    An event whose key is not in the table goes on unchanged. All values are texts, JSON's numbers and booleans too.

    Counters: `unknown_key`, `reloaded`, `reload_failed`; `missing_field`, how often an expression met a field that the event
    lacks.
    """

    api_version = 1
    Config = EnrichConfig

    def __init__(self, config: EnrichConfig, context: Context) -> None:
        self.count = context.count
        self.config = config
        with Compiled(context) as options:
            self.key = options.value("key", config.key).of
            for column, name in config.columns.items():
                if not options.of(f"columns.{column}", NOWHERE, place, name).is_attribute:
                    options.refuse(f"columns.{column}", f'"{name}" is a field; choose the name of an attribute')
            file_format = config.format or {".csv": "csv", ".json": "json"}.get(PurePath(config.file).suffix.lower())
            if file_format is None:
                raise ConfigError([Problem("format", f'"{config.file}" does not end in .csv or .json; say which it is')])
            understand = self._csv if file_format == "csv" else self._json
            self.table: WatchedFile[Table] = WatchedFile(config.file, understand, {}, context)
        self.count_misses, self.reads = options.count_misses, options.reads
        self.adds = dict.fromkeys(config.columns.values(), FieldType.STRING)

    def process(self, batch: Sequence[Event]) -> Outputs:
        """A new event for each that the table knows."""
        table = self.table.content
        enriched: list[Event] = []
        unknown = 0
        for event in batch:
            key = self.key(event)
            row = None if key is None else table.get(key if isinstance(key, str) else to_str(key))
            unknown += row is None
            enriched.append(event if row is None else event.with_all_attributes({**event.attributes, **row}))
        self.count_misses()
        if unknown:
            self.count("unknown_key", unknown)
        return {DEFAULT: enriched}

    def flush(self, now_ns: int, *, last: bool) -> Outputs:
        """Read the table again if it has changed."""
        if not last:
            self.table.refresh(now_ns)
        return NOTHING

    def _csv(self, data: bytes) -> Table:
        reader = csv.DictReader(io.StringIO(_text(data), newline=""), strict=True)
        try:
            wanted = {self.config.key_column, *self.config.columns}
            if missing := sorted(wanted - set(reader.fieldnames or ())):
                raise FileError(f"has no column {', '.join(missing)}; its columns are {', '.join(reader.fieldnames or ())}")
            return self._table(reader)
        except csv.Error as error:
            raise FileError(f"line {reader.line_num}: {error}") from error

    def _json(self, data: bytes) -> Table:
        try:
            decoded = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise FileError(f"not JSON: {error}") from error
        if isinstance(decoded, dict):
            decoded = [{self.config.key_column: key, **row} for key, row in decoded.items() if isinstance(row, dict)]
        if not isinstance(decoded, list) or not all(isinstance(row, dict) for row in decoded):
            raise FileError("neither an array of objects nor an object of objects")
        return self._table(decoded)

    def _table(self, rows: Any) -> Table:  # noqa: ANN401  an iterable of rows as csv or JSON give them
        table: dict[str, Mapping[str, AttributeValue]] = {}
        for row in rows:
            key = row.get(self.config.key_column)
            if key is None or isinstance(key, dict | list):
                continue
            if len(table) >= MOST_ROWS:
                raise FileError(f"has more than {MOST_ROWS} rows")
            table[to_str(key)] = {
                name: to_str(value)
                for column, name in self.config.columns.items()
                if (value := row.get(column)) is not None and not isinstance(value, dict | list)
            }
        return table


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"not UTF-8 at byte {error.start}") from error
