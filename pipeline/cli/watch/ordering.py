"""In which order a table stands: by which column, in which direction, and what comes next. Pure."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

ASCENDING = frozenset({"time", "method", "host", "url", "path", "client", "server", "endpoint"})
"""Texts begin with A and times with the oldest; of numbers people look for the largest."""
ATTRIBUTES = {"endpoint": "key", "trend": "requests"}
"""Of an endpoint or a call, where a column is not called as what it shows."""


class Order(NamedTuple):
    """By a column of this name."""

    column: str
    descending: bool

    @classmethod
    def by(cls, column: str) -> Self:
        """In the direction that comes first."""
        return cls(column, column not in ASCENDING)

    def reversed(self) -> "Order":
        """The other direction."""
        return Order(self.column, not self.descending)


def beside(order: Order | None, columns: Sequence[str], step: int) -> Order:
    """By the column so many further on; by the first or the last one where there was none."""
    at = columns.index(order.column) if order is not None and order.column in columns else -1 if step > 0 else 0
    return Order.by(columns[(at + step) % len(columns)])


def arranged(rows: Sequence[Any], order: Order) -> list[Any]:
    """Endpoints or calls, in this order. Errors by their share; what is not known is least."""
    name = ATTRIBUTES.get(order.column, order.column)

    def key(row: Any) -> Any:  # noqa: ANN401  an Endpoint or a Call
        value = row.errors / max(1, row.requests) if name == "errors" else getattr(row, name)
        return -1.0 if value is None else value

    return sorted(rows, key=key, reverse=order.descending)
