"""What compiled expressions call at run time. Arguments come off the wire: every function is total and bounded."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from operator import attrgetter
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote_plus

from pipeline.model.events.event import Event
from pipeline.model.events.exchange import BY_NAME, FAMILIES, FIELDS, Exchange
from pipeline.model.events.fields import Field, FieldType
from pipeline.model.events.kinds import kinds

LONGEST_NUMBER = 18
"""Digits of the longest text taken for a number: what fits 64 bits, and no quadratic conversion."""

LONGEST_ADDRESS = 45
"""Characters of the longest text of an IPv6 address: an embedded IPv4 address included."""

CIDR_CACHE = 4096
"""Addresses whose verdict is remembered per ``cidr()``: parsing one costs 1.5 µs, looking it up 0.06."""

PYTHON_TYPES: dict[FieldType, tuple[type, ...]] = {
    FieldType.STRING: (str,),
    FieldType.INT: (int,),
    FieldType.FLOAT: (float, int),
    FieldType.BOOL: (bool,),
    FieldType.STRINGS: (tuple,),
    FieldType.TIMESTAMP: (str,),
}
"""The exact classes an attribute of a type may have: ``True`` is not an int here."""


@lru_cache(maxsize=256)
def _shared(kind: type[Event]) -> tuple[tuple[str, tuple[type, ...]], ...]:
    """What a class holds under the same name as an exchange does, and the classes that such a value may have."""
    held = set(kind.__struct_fields__) | set(dir(kind))
    fields = {field.attribute: PYTHON_TYPES[field.type] for field in FIELDS if field.type is not FieldType.TIMESTAMP}
    headers = {family.attribute: (dict, MappingProxyType) for family in FAMILIES}
    return tuple((name, classes) for name, classes in (fields | headers).items() if name in held)


def as_exchange(event: Event) -> Exchange:
    """Any other event, seen as an exchange: fields it has under the same name, else attributes with the name of a field.

    So one compiled expression serves every kind of event; those that are not exchanges pay about 2 µs.
    """
    found: dict[str, Any] = {}
    for name, classes in _shared(event.__class__):
        value = getattr(event, name)
        if value.__class__ in classes:
            found[name] = value
    for name, value in event.attributes.items():
        field = BY_NAME.get(name)
        if field is not None and value.__class__ in PYTHON_TYPES[field.type] and field.type is not FieldType.TIMESTAMP:
            found.setdefault(field.attribute, value)
    return Exchange(timestamp_ns=event.timestamp_ns, attributes=event.attributes, **found)


def reader_of(field: Field) -> Callable[[Event], Any]:
    """A function that gives a field of other kinds than exchanges: from the class that holds it, else from the attributes.

    None where an event has it not, the empty tuple where a list is wanted.
    """
    held = frozenset(kind.type for kind in kinds() if field.name in kind.by_name)
    classes, name = PYTHON_TYPES[field.type], field.name
    missing = () if field.type is FieldType.STRINGS else None
    get = attrgetter(field.attribute)

    def read(event: Event) -> Any:  # noqa: ANN401  the field's own type
        if event.__class__ in held:
            return get(event)
        value = event.attributes.get(name)
        return value if value.__class__ in classes else missing

    return read


def combined(values: Sequence[str] | None) -> str | None:
    """The values of one header as one text: RFC 9110, section 5.3. None where the header is absent."""
    if not values:
        return None
    return values[0] if len(values) == 1 else ", ".join(values)


def query_parameter(query: str | None, name: str) -> str | None:
    """The first value of a query parameter, percent-decoded (WHATWG URL, section 5.1); None where it is absent."""
    if query is None:
        return None
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if key == name or (("%" in key or "+" in key) and unquote_plus(key) == name):
            return unquote_plus(value)
    return None


def to_int(value: str | float) -> int | None:
    """A number of decimal digits as an int; None for everything else."""
    if isinstance(value, str):
        digits = value.strip()
        unsigned = digits[1:] if digits[:1] in ("-", "+") else digits
        return int(digits) if unsigned.isdecimal() and unsigned.isascii() and len(unsigned) <= LONGEST_NUMBER else None
    return int(value) if abs(value) < 10**LONGEST_NUMBER else None


def to_float(value: str | float) -> float | None:
    """A decimal number as a float; None for everything else, infinities and NaN included."""
    if isinstance(value, str) and len(value) > 2 * LONGEST_NUMBER:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) <= 1e300 else None


def to_str(value: object) -> str:
    """A value as text, the way JSON writes it."""
    if value is True or value is False:
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, tuple) else str(value)


Network = IPv4Network | IPv6Network


def cidr_test(networks: Sequence[Network]) -> Callable[[str], bool]:
    """Is this text an address within one of the networks? IPv4 addresses mapped into IPv6 count as IPv4."""

    @lru_cache(maxsize=CIDR_CACHE)
    def within(text: str) -> bool:
        address = parse_address(text)
        return address is not None and any(address in network for network in networks if network.version == address.version)

    def test(text: str) -> bool:
        return len(text) <= LONGEST_ADDRESS and within(text)

    return test


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address from its text, or None where it is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
