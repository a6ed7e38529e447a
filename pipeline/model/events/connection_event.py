"""What every event about one connection says beside its own: both ends, the process, and how it was seen."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from pipeline.model.events.event import Event
from pipeline.model.events.exchange import EXCHANGE
from pipeline.model.events.fields import Field


class ConnectionEvent(Event, frozen=True, gc=False):
    """Base of kinds that are seen on a connection and are not exchanges. ``None`` means not seen or not known, never zero."""

    server_address: str | None = None
    server_port: int | None = None
    client_address: str | None = None
    client_port: int | None = None
    network_local_address: str | None = None
    network_local_port: int | None = None
    network_type: str | None = None
    process_pid: int | None = None
    process_executable_name: str | None = None
    process_executable_path: str | None = None
    process_command_line: str | None = None
    container_id: str | None = None
    httpipe_client_process_pid: int | None = None
    httpipe_client_process_executable_name: str | None = None
    httpipe_client_process_executable_path: str | None = None
    httpipe_client_process_command_line: str | None = None
    httpipe_client_container_id: str | None = None
    httpipe_process_end: str | None = None
    httpipe_source: str | None = None
    httpipe_capture: str | None = None
    httpipe_connection: str | None = None
    httpipe_marks: tuple[str, ...] = ()


_OWN = [each.name for each in msgspec.structs.fields(ConnectionEvent) if each.name not in Event.__struct_fields__]
_MARKS = {"httpipe.marks": "What is not whole about the event."}


def as_in_exchanges(name: str, description: str = "") -> Field:
    """The field of this name as exchanges have it: type, unit, short name, number; with a description of its own."""
    field = EXCHANGE.by_name[name]
    return msgspec.structs.replace(field, description=description) if description else field


def connection_fields(descriptions: Mapping[str, str] = MappingProxyType({})) -> tuple[Field, ...]:
    """The fields of ``ConnectionEvent``, some described for one kind."""
    by_attribute = {field.attribute: field for field in EXCHANGE.fields if not field.same_as}
    names = [by_attribute[attribute].name for attribute in _OWN]
    return tuple(as_in_exchanges(name, {**_MARKS, **descriptions}.get(name, "")) for name in names)
