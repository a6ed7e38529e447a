"""``geoip``: where an address is, and whose network it is in, by databases in MaxMind's format (GeoLite2, GeoIP2, DB-IP).

What was found for an address is remembered: clients come back, and a look-up costs ten times as much.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import Field

from pipeline import native
from pipeline.api import (
    DEFAULT,
    NOTHING,
    AttributeValue,
    Config,
    Context,
    Event,
    Exchange,
    FieldType,
    Outputs,
    PathOption,
    Transform,
)
from pipeline.errors import ConfigError, Problem
from pipeline.model.events.attributes import OF_PLACE
from pipeline.model.events.kinds import field_named
from pipeline.transforms.additions import Addition, addition, give_each, over, remembered
from pipeline.transforms.changes import NOWHERE, place
from pipeline.transforms.mmdb import DamagedError, Database
from pipeline.transforms.options import Compiled

REMEMBERED_ADDRESSES = 16_384
"""Addresses whose place is remembered: 20 MB at most, and far less where many share a place."""

LONGEST_ADDRESS = 64
"""Characters; an IPv6 address with its zone has up to 61."""


class GeoipConfig(Config):
    """Find the place and the network of an address."""

    files: Annotated[tuple[PathOption, ...], Field(min_length=1, max_length=8)]
    """Databases, such as `["GeoLite2-City.mmdb", "GeoLite2-ASN.mmdb"]`; each adds what it has. One is opened again when it has
    been replaced by renaming, as geoipupdate does it; one that is overwritten in place can end httpipe (SIGBUS)."""
    address: str = "client.address"
    """Expression of the address."""
    prefix: Annotated[str, Field(min_length=1, max_length=128)] = "client"
    """What stands before the names: with `client` they are `client.geo.country.iso_code` and so on."""
    language: Annotated[str, Field(min_length=1, max_length=16)] = "en"
    """Language of `geo.locality.name`, where the database has it; else English."""


class Geoip(Transform):
    """Finds the place and the network of an address in databases in MaxMind's format.

    An event whose address is not in them goes on unchanged, and so does one whose address is private, or reserved otherwise.

    Counters: `found`, `not_found`, `not_global` (private and reserved addresses), `no_address` (there is none, or something else
    than an address); `reloaded`, `reload_failed`; `damaged`, look-ups that a damaged database ended; `missing_field`, how often
    an expression met a field that the event lacks.
    """

    api_version = 1
    Config = GeoipConfig

    def __init__(self, config: GeoipConfig, context: Context) -> None:
        self.count, self.language = context.count, config.language
        self.names = {field.name: f"{config.prefix}.{field.name}" for field in OF_PLACE}
        with Compiled(context) as options:
            address = options.value("address", config.address)
            if address.type is not FieldType.STRING:
                options.refuse("address", f'"{config.address}" gives {address.type.value}, the text of an address is wanted')
            for name in self.names.values():
                if not options.of("prefix", NOWHERE, place, name).is_attribute:
                    options.refuse("prefix", f'"{name}" is a field; choose the names of attributes')
        self.count_misses, self.reads, self.address = options.count_misses, options.reads, address.of
        self.column, self.merge = _column(config.address), remembered(over)
        self.adds = {self.names[field.name]: field.type for field in OF_PLACE}
        self.databases = _opened(config.files, context)
        self._known: Callable[[str], tuple[str, Addition | None]] = lru_cache(REMEMBERED_ADDRESSES)(self._find)

    def process(self, batch: Sequence[Event]) -> Outputs:
        """A new event for each whose address is found."""
        addresses = self._addresses(batch)
        self.count_misses()
        outcomes: dict[str, int] = {}
        rows: list[Addition | None] = []
        for text in addresses:
            outcome, row = self._known(text) if isinstance(text, str) and len(text) <= LONGEST_ADDRESS else ("no_address", None)
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            rows.append(row)
        for outcome, number in outcomes.items():
            self.count(outcome, number)
        return {DEFAULT: give_each(batch, rows, self.merge)}

    def flush(self, now_ns: int, *, last: bool) -> Outputs:
        """Open what has been replaced."""
        if not last and sum(database.refresh(now_ns) for database in self.databases):
            self._known = lru_cache(REMEMBERED_ADDRESSES)(self._find)
        return NOTHING

    def _addresses(self, batch: Sequence[Event]) -> list[AttributeValue | None]:
        """The address of each event; of a batch in native memory without making an object of every event."""
        if self.column and isinstance(batch, native.EVENTS) and (columns := batch.columns([self.column])) is not None:
            return [address for (address,) in columns]
        return [self.address(event) for event in batch]

    def _find(self, text: str) -> tuple[str, Addition | None]:
        """What is to be counted of an address, and what its events get."""
        try:
            address = ip_address(text.partition("%")[0])
        except ValueError:
            return "no_address", None
        address = getattr(address, "ipv4_mapped", None) or address
        if not address.is_global:
            return "not_global", None
        found: dict[str, AttributeValue] = {}
        for database in self.databases:
            try:
                record = database.record(address)
            except DamagedError:
                self.count("damaged", 1)
                continue
            found |= {self.names[name]: value for name, value in attributes_of(record, self.language)}
        return ("found", addition(found)) if found else ("not_found", None)


def _opened(files: Sequence[str], context: Context) -> list[Database]:
    """Each of them. Raises ``ConfigError`` with what is wrong with all of them."""
    found: list[Database] = []
    problems: list[Problem] = []
    for index, path in enumerate(files):
        try:
            found.append(Database(path, context, f"files.{index}"))
        except ConfigError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise ConfigError(problems)
    return found


def _column(text: str) -> str | None:
    """The attribute of exchanges that holds what an expression asks for, where it is nothing but the name of such a field."""
    field = field_named(text.strip())
    return field.attribute if field is not None and field.attribute in Exchange.__struct_fields__ else None


Record = Mapping[str, Any]


def attributes_of(record: Record, language: str) -> list[tuple[str, AttributeValue]]:
    """What a database says of an address, by our names; values of another type than the format has are left out.

    The fields are those of MaxMind's City, Country and ASN databases ("GeoIP2 Binary Database Formats"); others have the same.
    """
    country = _at(record, "country", "iso_code")
    region = _at(record, "subdivisions", 0, "iso_code")
    found: list[tuple[str, type, AttributeValue | None]] = [
        ("geo.continent.code", str, _at(record, "continent", "code")),
        ("geo.country.iso_code", str, country),
        ("geo.region.iso_code", str, f"{country}-{region}" if isinstance(country, str) and isinstance(region, str) else None),
        ("geo.locality.name", str, _at(record, "city", "names", language) or _at(record, "city", "names", "en")),
        ("geo.postal_code", str, _at(record, "postal", "code")),
        ("geo.location.lat", float, _at(record, "location", "latitude")),
        ("geo.location.lon", float, _at(record, "location", "longitude")),
        ("autonomous_system.number", int, record.get("autonomous_system_number")),
        ("autonomous_system.organization.name", str, record.get("autonomous_system_organization")),
    ]
    return [(name, value) for name, kind, value in found if value is not None and type(value) is kind]


def _at(value: Any, *path: str | int) -> Any:  # noqa: ANN401  whatever the database holds
    """What stands at a place in nested maps and arrays; None where there is nothing."""
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value
