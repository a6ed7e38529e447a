"""Pseudonyms for IP addresses: other addresses in their place, by a key. Pure.

Both ways are one-to-one, so that different addresses stay apart and a count of clients stays right.

``pseudonym``
    A permutation of all addresses: a Feistel network of eight rounds whose round function is HMAC-SHA-256, over the two
    halves of the address (Luby and Rackoff 1988: four rounds of a pseudorandom function make a strong pseudorandom
    permutation). It tells nothing but which addresses are equal.

``prefix_preserving``
    Addresses that have their first n bits in common have pseudonyms with n first bits in common, and no more (Xu, Fan, Ammar
    and Moon 2002, known as Crypto-PAn): each bit is flipped or not by HMAC-SHA-256 of the bits before it. Networks stay
    networks. Whoever knows one address behind a pseudonym knows the first bits of its neighbours.
"""

import hmac
import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal

Way = Literal["pseudonym", "prefix_preserving"]

REMEMBERED = 16_384
"""Addresses whose pseudonym is remembered, some 3 MB: to make one takes 20 to 300 µs."""

ROUNDS = 8

_CANDIDATE = re.compile(r"[0-9A-Fa-f.:]{3,}")
_PORT = re.compile(r":[0-9]{1,5}$")


class Pseudonyms:
    """Other addresses for addresses. ``of`` takes an address as text, ``within`` a text that may hold some."""

    def __init__(self, way: Way, key: str) -> None:
        self._key = key.encode()
        self._permuted = _feistel if way == "pseudonym" else _bit_by_bit
        self.of: Callable[[str], str] = lru_cache(maxsize=REMEMBERED)(self._of)

    def within(self, text: str) -> str:
        """The text with a pseudonym for each address, with or without brackets and port."""
        return _CANDIDATE.sub(self._candidate, text)

    def _of(self, text: str) -> str:
        """As it is where it is not an address."""
        try:
            address = ip_address(text)
        except ValueError:
            return text
        if address.version == 6 and address.ipv4_mapped is not None:  # the same host, written in another way (RFC 4291, 2.5.5.2)
            return f"::ffff:{self.of(str(address.ipv4_mapped))}"
        packed = address.packed
        number = self._permuted(self._random, int(address), 8 * len(packed))
        return str(IPv4Address(number) if len(packed) == 4 else IPv6Address(number))

    def _candidate(self, match: re.Match[str]) -> str:
        text = match[0].rstrip(".")
        dots = match[0][len(text) :]
        port = _PORT.search(text) if text.count(":") == 1 else None
        return (self.of(text[: port.start()]) + port[0] if port is not None else self.of(text)) + dots

    def _random(self, what: bytes, bits: int) -> int:
        """So many bits that only the key tells from random ones, 256 at most."""
        return int.from_bytes(hmac.digest(self._key, what, "sha256"), "big") >> (256 - bits)


def _feistel(random: Callable[[bytes, int], int], number: int, bits: int) -> int:
    """One round swaps the halves and adds to the one a function of the other, which can be undone: hence one-to-one."""
    half = bits // 2
    left, right = number >> half, number & ((1 << half) - 1)
    for turn in range(ROUNDS):
        left, right = right, left ^ random(b"%d/%d/%x" % (bits, turn, right), half)
    return left << half | right


def _bit_by_bit(random: Callable[[bytes, int], int], number: int, bits: int) -> int:
    """``101…``: the first bit is flipped by f(""), the second by f("1"), the third by f("10"), and so on."""
    flipped = 0
    for place in range(bits):
        before = number >> (bits - place)
        flipped = flipped << 1 | random(b"prefix/%d/%d/%x" % (bits, place, before), 1)
    return number ^ flipped
