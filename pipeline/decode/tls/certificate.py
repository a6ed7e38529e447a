"""A certificate (RFC 5280): DER → whose it is, who says so, and how long it holds. Nothing is verified.

A reader of our own and not the ``cryptography`` package: that is 5 MB and 60 ms of import for six fields, and it refuses
certificates that violate a rule (a negative serial number, an odd time), which are those that people look for.
"""

import hashlib
from functools import lru_cache
from ipaddress import ip_address

import msgspec

from pipeline.decode.tls import der
from pipeline.decode.tls.cursor import Cursor, ShortError, text

_KINDS = {
    "2.5.4.3": "CN", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.6": "C", "2.5.4.9": "STREET",
    "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
    "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.12": "title", "2.5.4.13": "description", "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode", "2.5.4.42": "GN", "2.5.4.97": "organizationIdentifier", "1.2.840.113549.1.9.1": "emailAddress",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL", "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}  # fmt: skip
"""RFC 4514, section 3, and behind these nine the names that OpenSSL prints for what else is common."""
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_ALTERNATIVE_NAMES = bytes.fromhex("551d11")
_MAIL, _HOST, _URI, _ADDRESS = 0x81, 0x82, 0x86, 0x87
_SPECIAL = frozenset('"+,;<>\\')
_MOST_NAMES = 100
"""Alternative names that are reported; large sites share a certificate among as many."""


class Certificate(msgspec.Struct, frozen=True, gc=False):
    """``subject`` and ``issuer`` as RFC 4514 writes them, times as RFC 3339, ``serial`` in hexadecimal."""

    sha256: str | None = None
    subject: str | None = None
    issuer: str | None = None
    not_before: str | None = None
    not_after: str | None = None
    serial: str | None = None
    names: tuple[str, ...] = ()


@lru_cache(maxsize=512)  # a server shows the same one again and again; 1 MB when full
def parse(encoded: bytes) -> Certificate:
    """What can be read of it. Where it contradicts itself its hash alone is known."""
    sha256 = hashlib.sha256(encoded).hexdigest().upper()
    try:
        return _parse(encoded, sha256)
    except (ShortError, ValueError):
        return Certificate(sha256)


def _parse(encoded: bytes, sha256: str) -> Certificate:
    signed = Cursor(der.expect(Cursor(der.expect(Cursor(encoded), der.SEQUENCE)), der.SEQUENCE))
    tag, held = der.element(signed)
    serial = held if tag != _VERSION else der.expect(signed, der.INTEGER)
    der.element(signed)  # the algorithm of the signature
    issuer = der.expect(signed, der.SEQUENCE)
    times = [der.time(*each) for each in der.elements(der.expect(signed, der.SEQUENCE))]
    subject = der.expect(signed, der.SEQUENCE)
    rest = dict(der.elements(signed.take(len(signed.data) - signed.at)))
    return Certificate(
        sha256,
        name(subject),
        name(issuer),
        times[0] if times else None,
        times[1] if len(times) > 1 else None,
        serial.hex().upper(),
        _alternative_names(rest.get(_EXTENSIONS, b"")),
    )


def name(held: bytes) -> str:
    """A distinguished name (RFC 4514, section 2): from the last element to the first."""
    parts = ["+".join([_pair(pair) for _, pair in der.elements(part)]) for _, part in der.elements(held)]
    return ",".join(reversed(parts))


def _pair(held: bytes) -> str:
    """An attribute and its value; a value that is no string as the hexadecimal digits of its encoding (section 2.4)."""
    cursor = Cursor(held)
    kind = der.oid(der.expect(cursor, der.OID))
    begin = cursor.at
    tag, value = der.element(cursor)
    shown = der.string(tag, value)
    return f"{_KINDS.get(kind, kind)}={f'#{held[begin : cursor.at].hex()}' if shown is None else _escaped(shown)}"


def _escaped(value: str) -> str:
    text_ = "".join([f"\\{each}" if each in _SPECIAL else "\\00" if each == "\0" else each for each in value])
    if text_[:1] in {" ", "#"}:
        text_ = f"\\{text_}"
    return f"{text_[:-1]}\\ " if len(text_) > 1 and text_.endswith(" ") else text_


def _alternative_names(held: bytes) -> tuple[str, ...]:
    """RFC 5280, section 4.2.1.6: hosts, addresses, mail addresses, URIs."""
    for _, extension in der.elements(der.expect(Cursor(held), der.SEQUENCE)) if held else ():
        parts = der.elements(extension)
        if parts[0] == (der.OID, _ALTERNATIVE_NAMES) and len(parts) > 1:
            names = der.elements(der.expect(Cursor(parts[-1][1]), der.SEQUENCE))
            return tuple([shown for tag, value in names[:_MOST_NAMES] if (shown := _alternative_name(tag, value))])
    return ()


def _alternative_name(tag: int, value: bytes) -> str | None:
    if tag == _ADDRESS:
        return str(ip_address(value)) if len(value) in {4, 16} else None
    return text(value) if tag in {_HOST, _MAIL, _URI} else None
