"""Every kind of event: the one place where kinds are registered and looked up, ours and those of plugins."""

from collections.abc import Iterator

from pipeline.model.events.event import Event
from pipeline.model.events.exchange import EXCHANGE
from pipeline.model.events.fields import EVENT_NAME, Family, Field
from pipeline.model.events.firewall_decision import FIREWALL_DECISION
from pipeline.model.events.http_request import HTTP_REQUEST
from pipeline.model.events.kind import Kind
from pipeline.model.events.measurement import MEASUREMENT
from pipeline.model.events.tls_handshake import TLS_HANDSHAKE
from pipeline.model.events.websocket_message import WEBSOCKET_MESSAGE

EVENT = Kind(Event, "An event of a kind that is not known here: its time and its attributes.", ())

OURS: tuple[Kind, ...] = (EXCHANGE, HTTP_REQUEST, MEASUREMENT, TLS_HANDSHAKE, WEBSOCKET_MESSAGE, FIREWALL_DECISION)
"""In the order in which the documentation has them."""

_BY_NAME: dict[str, Kind] = {EVENT.name: EVENT}
_BY_TYPE: dict[type[Event], Kind] = {EVENT.type: EVENT}
_FIELDS: dict[str, Field] = {}
_ALIASES: dict[str, Field] = {}
_NUMBERS: dict[int, str] = {}


def kinds() -> tuple[Kind, ...]:
    """All kinds with a name of their own, in the order in which they were registered."""
    return tuple(kind for kind in _BY_NAME.values() if kind is not EVENT)


def kind_named(name: object) -> Kind | None:
    """The kind whose events have this name under ``event.name``."""
    return _BY_NAME.get(name) if isinstance(name, str) else None


def kind_of(event_type: type[Event]) -> Kind | None:
    """The kind that exactly this class stands for; None for a class that nobody registered."""
    return _BY_TYPE.get(event_type)


def name_of(event: Event) -> str:
    """The name of an event's kind; that of a kind that is not known here stands among the attributes."""
    if type(event) is not Event:
        return event.event_name
    name = event.attributes.get(EVENT_NAME)
    return name if isinstance(name, str) else Event.event_name


def field_named(name: str) -> Field | None:
    """The declared field of this name or short name, in whichever kind."""
    return _FIELDS.get(name) or _ALIASES.get(name)


def is_held(name: str) -> bool:
    """Whether the class of some kind holds a field of this name, so that it is not an attribute there."""
    return any(name in kind.by_name for kind in _BY_NAME.values())


def field_names() -> Iterator[str]:
    """Names and short names of the declared fields of every kind."""
    yield from _FIELDS
    yield from _ALIASES


def families() -> tuple[Family, ...]:
    """The families of every kind, each once."""
    return tuple(dict.fromkeys(family for kind in _BY_NAME.values() for family in kind.families))


def register(kind: Kind) -> Kind:
    """Make a kind known to encoders, decoders, expressions and schemas; done where its class is defined. Safe twice.

    Raises ``ValueError`` where a name means something else in another kind: its type, unit, short name and number must agree.
    """
    known = _BY_NAME.get(kind.name)
    if known is not None and known is not kind:
        raise ValueError(f"the kind of event {kind.name} is registered already, by {known.type.__module__}")
    for field in (*kind.fields, *kind.attributes):
        _agree(kind, field)
    for field in (*kind.fields, *kind.attributes):
        _FIELDS.setdefault(field.name, field)
        if field.alias:
            _ALIASES.setdefault(field.alias, field)
        if field.number:
            _NUMBERS.setdefault(field.number, field.name)
    _BY_NAME[kind.name] = kind
    _BY_TYPE[kind.type] = kind
    return kind


def _agree(kind: Kind, field: Field) -> None:
    other = _FIELDS.get(field.name)
    if other is not None and meaning(other) != meaning(field):
        raise ValueError(f"{kind.name}: {field.name} differs in type, unit, short name or number from the field of another kind")
    if field.alias and _ALIASES.get(field.alias, field).name != field.name:
        raise ValueError(f"{kind.name}: the short name {field.alias} stands for {_ALIASES[field.alias].name} already")
    if field.number and _NUMBERS.get(field.number, field.name) != field.name:
        raise ValueError(f"{kind.name}: the number {field.number} of {field.name} is that of {_NUMBERS[field.number]}")


def meaning(field: Field) -> tuple[object, ...]:
    """What has to be the same wherever a name is used."""
    return field.type, field.unit, field.alias, field.number, field.ecs, field.same_as, field.attribute


for _kind in OURS:
    register(_kind)
