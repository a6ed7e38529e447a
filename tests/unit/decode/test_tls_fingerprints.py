"""Fingerprints: the examples that their authors publish, and what they say of odd hellos."""

import hashlib

import msgspec
import pytest

from pipeline.decode.tls.client_hello import ClientHello
from pipeline.decode.tls.fingerprints import ja3, ja3s, ja4
from pipeline.decode.tls.server_hello import ServerHello

CHROME = ClientHello(
    0x0303,
    (0x1A1A, 0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014, 0x9C, 0x9D, 0x2F, 0x35),
    (0x2A2A, 27, 0, 51, 16, 0x4469, 23, 45, 13, 5, 35, 18, 43, 0xFF01, 11, 10, 0xFAFA, 21),
    "example.com",
    (b"h2", b"http/1.1"),
    (0x3A3A, 0x0304, 0x0303),
    (0xDADA, 29, 23, 24),
    b"\0",
    (0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601),
)
"""The example of JA4's specification, with GREASE where Chrome has it."""


def test_ja4_of_the_example_in_its_specification() -> None:
    """JA4.md of FoxIO-LLC/ja4: 15 ciphers, 16 extensions, no GREASE; the order of extensions does not matter."""
    assert ja4(CHROME) == "t13d1516h2_8daaf6152771_e5627efa2ab1"
    assert ja4(msgspec.structs.replace(CHROME, extensions=CHROME.extensions[::-1])) == ja4(CHROME)
    assert ja4(CHROME, "q") == "q13d1516h2_8daaf6152771_e5627efa2ab1"


@pytest.mark.parametrize(
    ("changes", "begin"),
    [
        ({"versions": ()}, "t12d1516h2"),
        ({"versions": (0x2A2A,), "version": 0x0301}, "t10d1516h2"),
        ({"versions": (0x0302, 0x0303)}, "t12d1516h2"),
        ({"version": 0x0300, "versions": ()}, "ts3d1516h2"),
        ({"version": 0x0305, "versions": ()}, "t00d1516h2"),
        ({"alpn": ()}, "t13d151600"),
        ({"alpn": (b"http/1.1",)}, "t13d1516h1"),
        ({"alpn": (b"x",)}, "t13d1516xx"),
        ({"alpn": (b"\xab",)}, "t13d1516ab"),
        ({"alpn": (b"\xab\xcd",)}, "t13d1516ad"),
        ({"alpn": (b"0\xab",)}, "t13d15163b"),
        ({"alpn": (b"01\xab\xcd",)}, "t13d15163d"),
        ({"alpn": (b"0\xab\xcd1",)}, "t13d151601"),
        ({"ciphers": tuple(range(300, 420))}, "t13d9916h2"),
        ({"extensions": (16, 43)}, "t13i1502h2"),
    ],
)
def test_the_first_part_of_ja4(changes: dict[str, object], begin: str) -> None:
    """Version, server name, counts up to 99, and the ends of the first protocol."""
    assert ja4(msgspec.structs.replace(CHROME, **changes)).partition("_")[0] == begin


def test_ja4_of_a_hello_that_offers_nothing() -> None:
    """Zeros stand for the hash of nothing; without signature algorithms nothing stands behind the extensions."""
    assert ja4(ClientHello(0x0303, ())) == "t12i000000_000000000000_000000000000"
    assert ja4(ClientHello(0x0303, (), (0, 16), alpn=(b"h2",))) == "t12d0002h2_000000000000_000000000000"
    extensions = hashlib.sha256(b"0005,002b").hexdigest()[:12]
    assert ja4(ClientHello(0x0303, (), (43, 5))) == f"t12i000200_000000000000_{extensions}"


def test_ja3_of_the_examples_of_its_authors() -> None:
    """README.md of salesforce/ja3."""
    hello = ClientHello(
        769, (47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4), (0, 10, 11), groups=(23, 24, 25), formats=b"\0"
    )
    assert ja3(hello) == "ada70206e40642a3e4461f35503241d5"
    assert ja3(ClientHello(769, (4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99))) == "de350869b8c85de67a350c8d186f11e6"


def test_ja3s_is_the_digest_of_version_cipher_and_extensions() -> None:
    """Its version is the one in the old field, also of TLS 1.3; tests/replay compares it with tshark's."""
    server = ServerHello(771, 772, 4865, (51, 43), b"", 29, retry=False)
    assert ja3s(server) == hashlib.md5(b"771,4865,51-43", usedforsecurity=False).hexdigest() == "eb1d94daa7e0344597e756a1fb6e7054"


def test_ja3_leaves_grease_out() -> None:
    """Two visits of one browser have one fingerprint."""
    other = msgspec.structs.replace(
        CHROME,
        ciphers=(0xCACA, *CHROME.ciphers[1:]),
        extensions=(0x0A0A, *CHROME.extensions[1:]),
        groups=(0x4A4A, *CHROME.groups[1:]),
    )
    assert ja3(other) == ja3(CHROME)
