"""QUIC's Initials: the specification's own numbers, and datagrams from orderly and from hostile hands."""

import random
from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest

from pipeline.decode import DecodeOptions, Decoder
from pipeline.decode.tls.quic import aes
from pipeline.decode.tls.quic.connections import MAX_CONNECTIONS, MAX_DECRYPTED
from pipeline.decode.tls.quic.frames import parse
from pipeline.decode.tls.quic.packets import VERSIONS, Keys, initials, keys_of, unprotect
from pipeline.model.events.event import Event
from pipeline.model.events.tls_handshake import TlsHandshake
from pipeline.model.records import Datagram, FlowKey, reverse
from pipeline.testing.packets import START_NS, flow_key

DESTINATION = bytes.fromhex("8394c8f03e515708")
CRYPTO = bytes.fromhex(
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010000e00"
    "000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e00050005010000000000330026002400"
    "1d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e04030503060302030804"
    "08050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394"
    "c8f03e51570806048000ffff"
)
"""RFC 9001, appendix A.2: the CRYPTO frame of a client."""
HELLO = CRYPTO[4:]
V2 = 0x6B3343CF


def number(value: int) -> bytes:
    """A number of two bytes, as QUIC writes it."""
    return (0x4000 | value).to_bytes(2, "big")


def crypto(place: int, piece: bytes) -> bytes:
    """A CRYPTO frame."""
    return b"\6" + number(place) + number(len(piece)) + piece


def protected(frames: bytes, version: int = 1, *, client: bool = True, packet: int = 2, source: bytes = b"") -> bytes:
    """An Initial with these frames (RFC 9001, section 5), padded to 1200 bytes."""
    keys = keys_of(version, DESTINATION, client=client)
    frames = frames.ljust(1162 - len(source), b"\0")
    destination = DESTINATION if client else b""
    head = bytes([0xC3 | VERSIONS[version].initial << 4]) + version.to_bytes(4, "big")
    head += bytes([len(destination)]) + destination + bytes([len(source)]) + source + b"\0" + number(len(frames) + 20)
    nonce = (int.from_bytes(keys.iv, "big") ^ packet).to_bytes(12, "big")
    body = aes.decrypt_gcm(keys.key, nonce, frames)  # counter mode is its own inverse
    body += aes.tag(keys.key, nonce, head + packet.to_bytes(4, "big"), body)
    mask = aes.encrypt(keys.mask, body[:16])
    hidden = bytes(left ^ right for left, right in zip(packet.to_bytes(4, "big"), mask[1:5], strict=True))
    return bytes([head[0] ^ mask[0] & 0x0F]) + head[1:] + hidden + body


def datagrams(*payloads: bytes, key: FlowKey | None = None, step_ns: int = 1_000_000) -> list[Datagram]:
    """From one client."""
    key = key or flow_key(server_port=443)
    return [Datagram(key, START_NS + place * step_ns, payload, len(payload)) for place, payload in enumerate(payloads)]


def decode(records: Sequence[Datagram]) -> tuple[list[TlsHandshake], Counter[str]]:
    """The handshakes, and what was counted."""
    counts: Counter[str] = Counter()
    decoder = Decoder(DecodeOptions(tls_handshakes=True), source="test", count=lambda name, by: counts.update({name: by}))
    events: list[Event] = [*decoder.feed(records), *decoder.finish()]
    assert counts["decoder_internal_errors"] == decoder.held_exchanges == decoder.held_bytes == 0
    return [event for event in events if isinstance(event, TlsHandshake)], counts


def test_aes_of_the_standard() -> None:
    """FIPS 197, appendices B and C.1, and NIST SP 800-38A, F.1.1 and F.5.1."""
    for key, plain, cipher in (
        ("000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff", "69c4e0d86a7b0430d8cdb78070b4c55a"),
        ("2b7e151628aed2a6abf7158809cf4f3c", "3243f6a8885a308d313198a2e0370734", "3925841d02dc09fbdc118597196a0b32"),
        ("2b7e151628aed2a6abf7158809cf4f3c", "6bc1bee22e409f96e93d7e117393172a", "3ad77bb40d7a3660a89ecaf32466ef97"),
        ("2b7e151628aed2a6abf7158809cf4f3c", "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", "ec8cdf7398607cb0f2d21675ea9ea1e4"),
    ):
        assert aes.encrypt(bytes.fromhex(key), bytes.fromhex(plain)).hex() == cipher


def test_galois_counter_mode_of_its_specification() -> None:
    """McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 2 and 4."""
    assert aes.decrypt_gcm(bytes(16), bytes(12), bytes.fromhex("0388dace60b6a392f328c2b971b2fe78")) == bytes(16)
    key, nonce = bytes.fromhex("feffe9928665731c6d6a8f9467308308"), bytes.fromhex("cafebabefacedbaddecaf888")
    cipher = (
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
    )
    plain = (
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    assert aes.decrypt_gcm(key, nonce, bytes.fromhex(cipher)).hex() == plain
    head = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    assert aes.tag(key, nonce, head, bytes.fromhex(cipher)).hex() == "5bc94fbc3221a5db94fae95ae7121a47"


def test_keys_of_the_specifications() -> None:
    """RFC 9001, appendix A.1, and RFC 9369, appendix A.1."""
    assert keys_of(1, DESTINATION, client=True) == Keys(
        bytes.fromhex("1f369613dd76d5467730efcbe3b1a22d"),
        bytes.fromhex("fa044b2f42a3fd3b46fb255c"),
        bytes.fromhex("9f50449e04a0e810283a1e9933adedd2"),
    )
    assert keys_of(1, DESTINATION, client=False) == Keys(
        bytes.fromhex("cf3a5331653c364c88f0f379b6067e37"),
        bytes.fromhex("0ac1493ca1905853b0bba03e"),
        bytes.fromhex("c206b8d9b9f0f37644430b490eeaa314"),
    )
    assert keys_of(V2, DESTINATION, client=True) == Keys(
        bytes.fromhex("8b1a0bc121284290a29e0971b5cd045d"),
        bytes.fromhex("91f73e2351d8fa91660e909f"),
        bytes.fromhex("45b95e15235d6f45a6b19cbcb0294ba9"),
    )


def test_the_client_initial_of_the_specification() -> None:
    """RFC 9001, appendix A.2: protected it begins as there, and what it says is found again."""
    packet = protected(CRYPTO)
    assert packet.hex().startswith(
        "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9bd8bab936b47d92ec356c0bab7df5976d27cd449f63300099f399"
    )
    assert packet.hex().endswith("e221af44860018ab0856972e194cd934")
    assert len(packet) == 1200
    (initial,) = initials(packet)
    assert unprotect(initial, keys_of(1, DESTINATION, client=True)) == CRYPTO.ljust(1162, b"\0")
    assert unprotect(initial, keys_of(1, b"other", client=True)) is None
    (event,), _ = decode(datagrams(packet))
    assert (event.tls_client_server_name, event.httpipe_tls_client_alpn) == ("example.com", ("alpn",))
    assert (event.network_transport, event.server_address, event.client_port) == ("quic", "example.com", 40000)
    assert event.httpipe_tls_client_ja4 is not None
    assert event.httpipe_tls_client_ja4.startswith("q13d0211an_")


@pytest.mark.parametrize("version", [1, V2, 0xFF00001D, 0xFF000018, 0xFF000016, 0xFACEB002])
def test_versions_differ_in_their_keys_alone(version: int) -> None:
    """Versions 1 and 2, and drafts."""
    (event,), _ = decode(datagrams(protected(CRYPTO, version)))
    assert event.tls_client_server_name == "example.com"


@pytest.mark.parametrize("seed", range(5))
def test_a_hello_in_pieces_over_several_packets(seed: int) -> None:
    """As browsers send it: in any order, with PING and PADDING between, some pieces twice, two packets in one datagram."""
    chance = random.Random(seed)
    cuts = sorted(chance.sample(range(1, len(HELLO)), 9))
    pieces = [crypto(begin, HELLO[begin:end]) for begin, end in zip([0, *cuts], [*cuts, len(HELLO)], strict=True)]
    chance.shuffle(pieces)
    first, second = b"\1\0\0".join(pieces[:5] + pieces[:1]), b"\0\1".join(pieces[5:])
    packets = [protected(first, packet=0), protected(second, packet=1)]
    for payloads in (packets, packets[::-1], [packets[0] + packets[1]], [*packets, *packets]):
        (event,), _ = decode(datagrams(*payloads))
        assert event.tls_client_server_name == "example.com"


def test_the_server_answers_with_the_keys_of_the_client_s_destination() -> None:
    """RFC 9001, section 5.2; what follows is not read."""
    server_hello = bytes.fromhex("020000260303" + "11" * 32 + "00" + "1301" + "00")
    client = protected(CRYPTO)
    server = protected(b"\2\0\0\0\0" + crypto(0, server_hello), client=False, source=b"server")
    key = flow_key(server_port=443)
    records = [*datagrams(client, key=key), Datagram(reverse(key), START_NS + 5_000_000, server, len(server))]
    (event,), _ = decode(records)
    assert (event.tls_cipher, event.httpipe_ttfb_ms) == ("TLS_AES_128_GCM_SHA256", 5.0)
    assert len(decode([*records, *records])[0]) == 1


def test_a_connection_given_up_in_its_initials() -> None:
    """RFC 9001, section 4.8: an alert is a CONNECTION_CLOSE."""
    close = b"\x1c" + number(0x100 + 120) + b"\6" + b"\3abc"
    key = flow_key(server_port=443)
    server = protected(close, client=False)
    (event,), _ = decode([*datagrams(protected(CRYPTO), key=key), Datagram(reverse(key), START_NS + 1, server, len(server))])
    assert (event.error_type, event.httpipe_tls_alert_from, event.tls_established) == ("no_application_protocol", "server", False)


def test_damaged_datagrams_are_nothing() -> None:
    """Cut anywhere, or with any byte changed: never an error, and nothing is reported, as the tag does not fit."""
    packet, chance = protected(CRYPTO), random.Random(1)
    payloads = [packet[:size] for size in (1, 5, 6, 14, 20, 30, 1199)]
    for _ in range(150):
        changed = bytearray(packet)
        changed[chance.choice((chance.randrange(40), chance.randrange(1200)))] ^= 1 << chance.randrange(8)
        payloads.append(bytes(changed))
    for place, payload in enumerate(payloads):
        events, _ = decode(datagrams(payload, chance.randbytes(1200), key=flow_key(client_port=1000 + place)))
        assert events == []
    for _ in range(2000):
        assert (found := parse(chance.randbytes(60))) is None or found.crypto is not None


def test_what_is_decrypted_is_bounded() -> None:
    """So many packets a second, and so many connections at a time."""
    packet = protected(crypto(0, HELLO[:50]))
    flood = [
        Datagram(flow_key(client_port=port, client=f"10.0.{port >> 8 & 255}.{port & 255}"), START_NS + port, packet, len(packet))
        for port in range(MAX_DECRYPTED + 50)
    ]
    events, counts = decode(flood)
    assert (events, counts["decoder_quic_not_read"]) == ([], 50)
    assert MAX_CONNECTIONS > MAX_DECRYPTED * 3


def test_a_hello_without_an_answer_is_reported_after_a_while() -> None:
    """When time goes on, not only at the end."""
    decoder = Decoder(DecodeOptions(tls_handshakes=True), source="test")
    assert decoder.feed(datagrams(protected(CRYPTO))) == []
    assert len(decoder.expire(START_NS + 4_000_000_000)) == 1
    assert decoder.finish() == []


def test_datagrams_are_nothing_where_nobody_asks() -> None:
    """The option is off."""
    decoder = Decoder(DecodeOptions(), source="test")
    assert [*decoder.feed(datagrams(protected(CRYPTO))), *decoder.finish()] == []
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(datagrams(b"a")[0]))[0] == "Datagram"
