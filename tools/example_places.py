"""Writes examples/transforms/places.mmdb, a database with made-up places. ``python -m tools.example_places``."""

from pathlib import Path
from typing import Any

import netaddr
from mmdb_writer import MMDBWriter

PATH = Path(__file__).resolve().parents[1] / "examples/transforms/places.mmdb"


def record(place: tuple[str, str, str, float, float], number: int, organization: str) -> dict[str, Any]:
    """As GeoLite2's City and ASN databases have it, in one."""
    continent, country, city, latitude, longitude = place
    return {
        "continent": {"code": continent},
        "country": {"iso_code": country},
        "city": {"names": {"en": city}},
        "location": {"latitude": latitude, "longitude": longitude},
        "autonomous_system_number": number,
        "autonomous_system_organization": organization,
    }


def main() -> None:
    """Two networks."""
    writer = MMDBWriter(6, "httpipe-example", languages=["en"], ipv4_compatible=True, description="Made-up places")
    utopia, anytown = ("EU", "DE", "Utopia", 52.5, 13.4), ("NA", "US", "Anytown", 40.7, -74.0)
    writer.insert_network(netaddr.IPSet(["5.6.0.0/16"]), record(utopia, 64500, "Example Net"))
    writer.insert_network(netaddr.IPSet(["7.8.0.0/16"]), record(anytown, 64501, "Example Cloud"))
    writer.to_db_file(str(PATH))


if __name__ == "__main__":
    main()
