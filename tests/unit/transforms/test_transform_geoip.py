"""``geoip``: real databases in MaxMind's format, written by mmdb_writer, read by maxminddb through a memory map."""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import netaddr
import pytest
from mmdb_writer import MMDBWriter

from pipeline.api import Context, Event
from pipeline.errors import ConfigError
from pipeline.runtime.units.files import FileReader
from pipeline.testing.transforms import SECOND, START_NS, exchange
from pipeline.transforms.geoip import Geoip

CITY: Mapping[str, Any] = {
    "continent": {"code": "NA"},
    "country": {"iso_code": "CA", "names": {"en": "Canada"}},
    "subdivisions": [{"iso_code": "QC"}],
    "city": {"names": {"en": "Montreal", "fr": "Montréal"}},
    "location": {"latitude": 45.5, "longitude": -73.6},
    "postal": {"code": "H2X"},
}
PLACE = {
    "client.geo.continent.code": "NA",
    "client.geo.country.iso_code": "CA",
    "client.geo.region.iso_code": "CA-QC",
    "client.geo.locality.name": "Montreal",
    "client.geo.postal_code": "H2X",
    "client.geo.location.lat": 45.5,
    "client.geo.location.lon": -73.6,
}


def write(path: Path, networks: Mapping[str, Any], version: int = 6) -> None:
    """A database, put in its place by renaming, as geoipupdate does it."""
    writer = MMDBWriter(version, "it", languages=["en"], ipv4_compatible=version == 6)
    for network, record in networks.items():
        writer.insert_network(netaddr.IPSet([network]), record)
    new = path.with_suffix(".new")
    writer.to_db_file(str(new))
    new.rename(path)


class Running:
    """The transform as the engine makes it, over files of a folder."""

    def __init__(self, folder: Path, *files: str, **options: Any) -> None:
        self.counts: Counter[str] = Counter()
        self.now = START_NS
        files_read = FileReader()
        context = Context(
            "geoip",
            count=lambda name, by: self.counts.update({name: by}),
            map_file=files_read.map,
        )
        config = {"files": [str(folder / each) for each in files or ("city.mmdb",)], **options}
        self.transform = Geoip(Geoip.Config.model_validate(config), context)

    def of(self, address: str | None, **fields: Any) -> Mapping[str, Any]:
        """What an event from there gets."""
        (found,) = self.transform.process([exchange(client_address=address, **fields)])[""]
        return found.attributes

    def refresh(self) -> None:
        """The engine's tick, a second later."""
        self.now += SECOND
        self.transform.flush(self.now, last=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A city database and one of networks."""
    write(
        tmp_path / "city.mmdb", {"8.8.0.0/16": CITY, "2a00:1450::/32": {"country": {"iso_code": "IE"}}, "9.9.9.0/24": {"odd": 1}}
    )
    write(tmp_path / "asn.mmdb", {"8.8.8.0/24": {"autonomous_system_number": 15169, "autonomous_system_organization": "GOOGLE"}})
    return tmp_path


def test_place_and_network(folder: Path) -> None:
    """Each database adds what it has; both families of addresses, one of them within the other too."""
    it = Running(folder, "city.mmdb", "asn.mmdb")
    network = {"client.autonomous_system.number": 15169, "client.autonomous_system.organization.name": "GOOGLE"}
    assert it.of("8.8.8.8") == {**PLACE, **network}
    assert it.of("::ffff:8.8.8.8") == {**PLACE, **network}
    assert it.of("8.8.4.4") == PLACE
    assert it.of("2a00:1450::1") == {"client.geo.country.iso_code": "IE"}
    assert set(it.of("8.8.8.8")) == set(it.transform.adds)
    assert it.counts["found"] == 5


@pytest.mark.parametrize(
    ("address", "counter"),
    [
        ("10.0.0.1", "not_global"),
        ("192.168.1.1", "not_global"),
        ("100.64.0.1", "not_global"),
        ("127.0.0.1", "not_global"),
        ("fe80::1%eth0", "not_global"),
        ("::ffff:10.0.0.1", "not_global"),
        ("1.1.1.1", "not_found"),
        ("9.9.9.9", "not_found"),
        ("shop.example", "no_address"),
        ("8" * 10_000, "no_address"),
        ("", "no_address"),
        (None, "no_address"),
    ],
)
def test_what_has_no_place_goes_on_unchanged(folder: Path, address: str | None, counter: str) -> None:
    """And is counted by the reason."""
    it = Running(folder)
    assert it.of(address) == {}
    assert it.counts[counter] == 1


def test_a_database_of_ipv4_alone_says_nothing_of_ipv6(tmp_path: Path) -> None:
    """And it is not damaged for that."""
    write(tmp_path / "city.mmdb", {"8.8.0.0/16": CITY}, version=4)
    it = Running(tmp_path)
    assert it.of("8.8.8.8") == PLACE
    assert it.of("2a00:1450::1") == {}
    assert it.counts == {"found": 1, "not_found": 1}


def test_language_prefix_and_another_address(folder: Path) -> None:
    """Such as the first proxy's, of a header; the language falls back to English."""
    it = Running(folder, language="fr", prefix="source", address="attributes['forwarded']")
    found = it.of("1.1.1.1", attributes={"forwarded": "8.8.8.8"})
    assert found["source.geo.locality.name"] == "Montréal"
    assert found["forwarded"] == "8.8.8.8"
    assert Running(folder, language="de").of("8.8.8.8")["client.geo.locality.name"] == "Montreal"


def test_a_database_that_is_replaced_is_read_again(folder: Path) -> None:
    """What was remembered of the old one is forgotten."""
    it = Running(folder)
    assert it.of("8.8.8.8") == PLACE
    write(folder / "city.mmdb", {"8.8.0.0/16": {"country": {"iso_code": "FR"}}})
    it.refresh()
    assert it.of("8.8.8.8") == {"client.geo.country.iso_code": "FR"}
    it.refresh()
    assert it.counts["reloaded"] == 1


@pytest.mark.parametrize("then", ["garbage", "nothing", "no file"])
def test_one_that_cannot_be_used_changes_nothing(folder: Path, then: str) -> None:
    """The last good one stays, and the next good one is taken."""
    it = Running(folder)
    other = folder / "other"
    other.write_bytes(b"x" * 100_000 if then == "garbage" else b"")
    if then == "no file":
        (folder / "city.mmdb").unlink()
    else:
        other.rename(folder / "city.mmdb")
    it.refresh()
    assert it.of("8.8.8.8") == PLACE
    assert it.counts["reload_failed"] == 1
    write(folder / "city.mmdb", {"8.8.0.0/16": {"country": {"iso_code": "FR"}}})
    it.refresh()
    assert it.of("8.8.8.8") == {"client.geo.country.iso_code": "FR"}


def test_the_file_is_mapped_not_read(folder: Path) -> None:
    """A large database costs what is looked up of it; the old one is let go of."""
    it = Running(folder)
    assert str(folder / "city.mmdb") in Path("/proc/self/maps").read_text()
    write(folder / "city.mmdb", {"8.8.0.0/16": CITY})
    it.refresh()
    assert f"{folder}/city.mmdb (deleted)" not in Path("/proc/self/maps").read_text()


def test_damage_within_a_database_ends_no_event(folder: Path) -> None:
    """Its head is whole and its data are not: whatever is looked up, events go on."""
    path = folder / "city.mmdb"
    data = bytearray(path.read_bytes())
    begin = data.rindex(b"\xab\xcd\xefMaxMind.com")
    at = begin - 200
    data[at:begin] = os.urandom(7) * 28 + b"\xff\xff\xff\xff"
    path.write_bytes(data)
    it = Running(folder)
    for number in range(256):
        it.of(f"8.8.{number}.8")
        it.of(f"9.9.9.{number}")
        it.of(f"2a00:1450::{number:x}")
    assert sum(it.counts[name] for name in ("found", "not_found")) == 768
    assert it.counts["no_address"] == 0


def test_events_from_one_address_share_their_attributes(folder: Path) -> None:
    """Encoders write them once for many."""
    it = Running(folder)
    events: list[Event] = [exchange(number, client_address="8.8.8.8") for number in range(2)]
    first, second = it.transform.process(events)[""]
    assert first.attributes is second.attributes
    assert first.memory_bytes > events[0].memory_bytes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"files": ["none.mmdb"]}, r'files\.0: ".*none.mmdb" cannot be read: No such file'),
        ({"files": ["text.mmdb"]}, r"files\.0: .* is not a database in MaxMind's format"),
        ({"files": ["city.mmdb", "none.mmdb", "text.mmdb"]}, r"(?s)files\.1: .*No such file.*files\.2: .* is not a database"),
        ({"files": ["city.mmdb"], "address": "client.port"}, "gives int, the text of an address is wanted"),
        ({"files": ["city.mmdb"], "address": "nonsense("}, "address"),
    ],
)
def test_what_cannot_work_is_said_before_anything_runs(folder: Path, options: dict[str, Any], message: str) -> None:
    """By `httpipe validate`, too."""
    (folder / "text.mmdb").write_text("country,city\n")
    with pytest.raises(ConfigError, match=message):
        Running(folder, *options.pop("files"), **options)
