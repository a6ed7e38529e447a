"""What sources said of connections before any of their bytes: that one was opened, and who owns an end. Bounded."""

from typing import Any, TypeVar

from pipeline.model.connection import Connection
from pipeline.model.records import FlowKey, Opened, Owner, reverse

Said = TypeVar("Said")
_OLD = object()


class Announced:
    """By direction; of at most ``most`` connections, the oldest go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._opened: dict[FlowKey, Opened] = {}
        self._owners: dict[FlowKey, Owner] = {}
        self._fresh: dict[FlowKey, None] = {}

    def add(self, record: Opened | Owner) -> None:
        """Remember it until the connection is followed or over."""
        if isinstance(record, Opened):
            self._put(self._opened, record.key, record)
            if not record.mid_stream:
                self._put(self._fresh, record.key, None)
                self._put(self._fresh, reverse(record.key), None)
        else:
            self._put(self._owners, record.key, record)

    @property
    def remembered(self) -> list[dict[FlowKey, Any]]:
        """All that is, by direction."""
        return [self._opened, self._owners, self._fresh]

    def __bool__(self) -> bool:
        """Whether anything is remembered."""
        return bool(self._opened or self._owners or self._fresh)

    def first_bytes(self, key: FlowKey) -> bool:
        """Whether bytes are the first of a direction whose connection was opened before the eyes of its source. Asked once."""
        return self._fresh.pop(key, _OLD) is not _OLD

    def tell(self, connection: Connection) -> None:
        """Tell a connection that is followed from now on what is known of it."""
        key, back = connection.key, reverse(connection.key)
        opened = self._opened.pop(key, None) or self._opened.pop(back, None)
        if opened is not None:
            connection.opened(opened)
        for each in (key, back):
            self._fresh.pop(each, None)
            owner = self._owners.pop(each, None)
            if owner is not None:
                connection.owned(owner)

    def drop(self, key: FlowKey) -> None:
        """The connection is over."""
        for each in (key, reverse(key)):
            self._opened.pop(each, None)
            self._owners.pop(each, None)
            self._fresh.pop(each, None)

    def _put(self, known: dict[FlowKey, Said], key: FlowKey, record: Said) -> None:
        known[key] = record
        if len(known) > 2 * self._most:
            del known[next(iter(known))]
