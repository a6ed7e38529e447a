"""JSON lines → a Parquet file, by arro3: Arrow's and Parquet's Rust libraries, a tenth of pyarrow's size.

Columns have the names of the fields; their types follow from the field tables. It keeps the interpreter for 3 ms in each 1,000
events, in whichever thread it runs. Pure but for the import.
"""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.api import NotConnected
from pipeline.model.events.fields import FieldType
from pipeline.sinks.compression import Compression

if TYPE_CHECKING:
    from arro3.core import DataType
    from arro3.core import Schema as ArrowSchema

INSTALL = 'Parquet needs the package arro3-io; type: pip install "httpipe[parquet]"'
"""Shown where the optional dependency is missing."""

SUFFIX = ".parquet"
CONTENT_TYPE = "application/vnd.apache.parquet"
_CODECS: Mapping[Compression, str] = {"none": "uncompressed", "gzip": "gzip(4)", "zstd": "zstd(3)"}
ROWS = 65_536
"""Rows that are read from JSON at a time."""


class ParquetWriter:
    """Files with these columns. Construct it when the sink is opened: it imports the library. Raises ``NotConnected``."""

    def __init__(self, columns: Mapping[str, FieldType], compression: Compression) -> None:
        try:
            from arro3.core import Field, Schema  # noqa: PLC0415  an optional dependency: only who uses it pays
        except ImportError as error:
            raise NotConnected(INSTALL) from error
        types = _types()
        self._schema: ArrowSchema = Schema([Field(name, types[type_], nullable=True) for name, type_ in columns.items()])
        self._compression = _CODECS[compression]

    def file(self, lines: bytes | bytearray) -> bytes:
        """The same lines always make the same bytes. Raises ``ValueError`` where a value is not of its column's type."""
        from arro3.io import read_json, write_parquet  # noqa: PLC0415  as above

        out = io.BytesIO()
        try:
            write_parquet(read_json(bytes(lines), self._schema, batch_size=ROWS), out, compression=self._compression)
        except Exception as error:  # the library's are plain ones
            raise ValueError(str(error).rpartition("error: ")[2]) from error
        return out.getvalue()


def _types() -> Mapping[FieldType, "DataType"]:
    from arro3.core import DataType, Field  # noqa: PLC0415  as above

    return {
        FieldType.STRING: DataType.utf8(),
        FieldType.INT: DataType.int64(),
        FieldType.FLOAT: DataType.float64(),
        FieldType.BOOL: DataType.bool(),
        FieldType.STRINGS: DataType.list(Field("element", DataType.utf8(), nullable=True)),
        # Spark reads no nanoseconds
        FieldType.TIMESTAMP: DataType.timestamp("us", tz="UTC"),
    }
