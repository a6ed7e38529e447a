"""Numbers of TLS → the names that IANA's registries and OpenTelemetry give them. What has no name stands there as its number."""

from pipeline.decode.tls.cipher_suites import CIPHER_SUITES

VERSIONS = {0x0002: "2", 0x0300: "3", 0x0301: "1.0", 0x0302: "1.1", 0x0303: "1.2", 0x0304: "1.3"}
"""OpenTelemetry's ``tls.protocol.version``: those below 1.0 are of SSL."""
TLS_1_0, TLS_1_3 = 0x0301, 0x0304
_DRAFTS_OF_1_3 = 0x7F00

GROUPS = {
    1: "sect163k1", 2: "sect163r1", 3: "sect163r2", 4: "sect193r1", 5: "sect193r2", 6: "sect233k1", 7: "sect233r1",
    8: "sect239k1", 9: "sect283k1", 10: "sect283r1", 11: "sect409k1", 12: "sect409r1", 13: "sect571k1", 14: "sect571r1",
    15: "secp160k1", 16: "secp160r1", 17: "secp160r2", 18: "secp192k1", 19: "secp192r1", 20: "secp224k1", 21: "secp224r1",
    22: "secp256k1", 23: "secp256r1", 24: "secp384r1", 25: "secp521r1", 26: "brainpoolP256r1", 27: "brainpoolP384r1",
    28: "brainpoolP512r1", 29: "x25519", 30: "x448", 31: "brainpoolP256r1tls13", 32: "brainpoolP384r1tls13",
    33: "brainpoolP512r1tls13", 34: "GC256A", 35: "GC256B", 36: "GC256C", 37: "GC256D", 38: "GC512A", 39: "GC512B",
    40: "GC512C", 41: "curveSM2", 256: "ffdhe2048", 257: "ffdhe3072", 258: "ffdhe4096", 259: "ffdhe6144", 260: "ffdhe8192",
    512: "MLKEM512", 513: "MLKEM768", 514: "MLKEM1024", 4587: "SecP256r1MLKEM768", 4588: "X25519MLKEM768",
    4589: "SecP384r1MLKEM1024", 25497: "X25519Kyber768Draft00", 25498: "SecP256r1Kyber768Draft00",
    65281: "arbitrary_explicit_prime_curves", 65282: "arbitrary_explicit_char2_curves",
}  # fmt: skip
"""IANA, "TLS Supported Groups"."""

ALERTS = {
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 21: "decryption_failed", 22: "record_overflow",
    30: "decompression_failure", 40: "handshake_failure", 41: "no_certificate", 42: "bad_certificate",
    43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown",
    47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error", 51: "decrypt_error",
    52: "too_many_cids_requested", 60: "export_restriction", 70: "protocol_version", 71: "insufficient_security",
    80: "internal_error", 86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation",
    109: "missing_extension", 110: "unsupported_extension", 111: "certificate_unobtainable", 112: "unrecognized_name",
    113: "bad_certificate_status_response", 114: "bad_certificate_hash_value", 115: "unknown_psk_identity",
    116: "certificate_required", 117: "general_error", 120: "no_application_protocol", 121: "ech_required",
}  # fmt: skip
"""IANA, "TLS Alerts"."""


def is_grease(number: int) -> bool:
    """Whether it is one of the 16 values that mean nothing and keep servers tolerant (RFC 8701): 0x0A0A, 0x1A1A … 0xFAFA."""
    return number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF


def without_grease(numbers: tuple[int, ...]) -> list[int]:
    """In their order."""
    return [each for each in numbers if not is_grease(each)]


def _number(number: int) -> str:
    return f"0x{number:04x}"


def version_name(number: int) -> str:
    """Such as ``1.2``; a draft of TLS 1.3 counts as that."""
    return VERSIONS.get(number) or (VERSIONS[TLS_1_3] if number & 0xFF00 == _DRAFTS_OF_1_3 else _number(number))


def cipher_name(number: int) -> str:
    """Such as ``TLS_AES_128_GCM_SHA256``."""
    return CIPHER_SUITES.get(number) or _number(number)


def group_name(number: int) -> str:
    """Such as ``x25519``."""
    return GROUPS.get(number) or _number(number)


def alert_name(number: int) -> str:
    """Such as ``handshake_failure``."""
    return ALERTS.get(number) or str(number)
