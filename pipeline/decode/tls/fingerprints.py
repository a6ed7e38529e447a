"""Fingerprints of hellos. GREASE (RFC 8701) is left out of all of them, as their authors ask.

JA3 and JA3S: https://github.com/salesforce/ja3. JA4: https://github.com/FoxIO-LLC/ja4, technical_details/JA4.md.
"""

import hashlib
from collections.abc import Iterable

from pipeline.decode.tls.client_hello import ALPN, SERVER_NAME, ClientHello
from pipeline.decode.tls.names import without_grease
from pipeline.decode.tls.server_hello import ServerHello

_JA4_VERSIONS = {
    0x0002: "s2", 0x0300: "s3", 0x0301: "10", 0x0302: "11", 0x0303: "12", 0x0304: "13", 0xFEFF: "d1", 0xFEFD: "d2", 0xFEFC: "d3",
}  # fmt: skip
_NONE = "0" * 12
_MOST = 99
"""Counts have two digits."""


def ja3(hello: ClientHello) -> str:
    """MD5 of version, ciphers, extensions, groups and point formats, in decimal."""
    lists = (hello.ciphers, hello.extensions, hello.groups, tuple(hello.formats))
    return _md5(f"{hello.version},{','.join(['-'.join(map(str, without_grease(each))) for each in lists])}")


def ja3s(hello: ServerHello) -> str:
    """MD5 of version, cipher and extensions, in decimal."""
    return _md5(f"{hello.legacy_version},{hello.cipher},{'-'.join(map(str, without_grease(hello.extensions)))}")


def ja4(hello: ClientHello, transport: str = "t") -> str:
    """``transport``: ``t`` for TCP, ``q`` for QUIC."""
    ciphers, kinds = without_grease(hello.ciphers), without_grease(hello.extensions)
    version = _JA4_VERSIONS.get(max(without_grease(hello.versions), default=hello.version), "00")
    named = "d" if SERVER_NAME in kinds else "i"
    counts = f"{min(len(ciphers), _MOST):02d}{min(len(kinds), _MOST):02d}"
    hashed = ",".join(_hex(sorted(kind for kind in kinds if kind not in (SERVER_NAME, ALPN))))
    signatures = ",".join(_hex(without_grease(hello.signatures)))
    both = f"{hashed}_{signatures}" if signatures else hashed
    second = _sha256(",".join(_hex(sorted(ciphers)))) if ciphers else _NONE
    third = _sha256(both) if both else _NONE
    return f"{transport}{version}{named}{counts}{_ends(hello.alpn)}_{second}_{third}"


def _ends(alpn: tuple[bytes, ...]) -> str:
    """First and last character of the first protocol; of its hexadecimal digits where one of them is no letter or digit."""
    first = alpn[0] if alpn else b""
    if not first:
        return "00"
    ends = first[:1] + first[-1:]
    digits = first.hex()
    return ends.decode() if ends.isalnum() else digits[0] + digits[-1]


def _hex(numbers: Iterable[int]) -> list[str]:
    return [f"{number:04x}" for number in numbers]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
