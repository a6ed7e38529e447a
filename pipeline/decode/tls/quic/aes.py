"""AES-128 (FIPS 197), encryption alone: all that reading an Initial needs (RFC 9001, section 5), for masks and in GCM.

Written here because an Initial needs one cipher in one direction, for packets of which a connection has two, and the
``cryptography`` package is 5 MB and 60 ms of import. It is not for secrets: it does not take the same time for every key, and the
keys of Initials are public.
"""

from functools import lru_cache
from struct import Struct

_WORDS = Struct(">4I")
_ROUNDS = 10
_TEN_ROUNDS = range(_ROUNDS - 1)


def _double(value: int) -> int:
    """Multiplication by x in the field of AES (FIPS 197, section 4.2.1)."""
    return (value << 1) ^ (0x11B if value & 0x80 else 0)


def _substitutions() -> list[int]:
    """The S-box (section 5.1.1): the inverse in the field, then an affine map."""
    box = [0x63] * 256
    power, inverse = 1, 1
    while True:
        power ^= _double(power) & 0xFF  # times 3, which generates all
        inverse = _over_three(inverse)
        turned = inverse
        for shift in range(1, 5):
            turned ^= (inverse << shift | inverse >> 8 - shift) & 0xFF
        box[power & 0xFF] = turned ^ 0x63
        if power == 1:
            return box


def _over_three(value: int) -> int:
    """Division by 3: multiplication by 0xF6."""
    product, factor = 0, 0xF6
    while factor:
        if factor & 1:
            product ^= value
        value, factor = _double(value), factor >> 1
    return product


_BOX = _substitutions()
_FIRST = [(_double(s) << 24 | s << 16 | s << 8 | _double(s) ^ s) & 0xFFFFFFFF for s in _BOX]
_SECOND = [each >> 8 | (each & 0xFF) << 24 for each in _FIRST]
_THIRD = [each >> 8 | (each & 0xFF) << 24 for each in _SECOND]
_FOURTH = [each >> 8 | (each & 0xFF) << 24 for each in _THIRD]
"""What SubBytes, ShiftRows and MixColumns together make of a byte, by its row."""


@lru_cache(maxsize=64)
def _schedule(key: bytes) -> tuple[tuple[int, int, int, int], ...]:
    """The round keys (section 5.2)."""
    words = list(_WORDS.unpack(key))
    constant = 1
    for at in range(4, 4 * (_ROUNDS + 1)):
        word = words[at - 1]
        if at % 4 == 0:
            word = (
                _BOX[word >> 16 & 255] << 24 | _BOX[word >> 8 & 255] << 16 | _BOX[word & 255] << 8 | _BOX[word >> 24]
            ) ^ constant << 24
            constant = _double(constant) & 0xFF
        words.append(words[at - 4] ^ word)
    return tuple([(words[at], words[at + 1], words[at + 2], words[at + 3]) for at in range(0, len(words), 4)])


def encrypt(key: bytes, block: bytes) -> bytes:
    """One block of 16 bytes."""
    first, *middle, last = _schedule(key)
    one, two, three, four = _WORDS.unpack(block)
    a, b, c, d = one ^ first[0], two ^ first[1], three ^ first[2], four ^ first[3]
    t0, t1, t2, t3 = _FIRST, _SECOND, _THIRD, _FOURTH
    for w, x, y, z in middle:
        a, b, c, d = (
            t0[a >> 24] ^ t1[b >> 16 & 255] ^ t2[c >> 8 & 255] ^ t3[d & 255] ^ w,
            t0[b >> 24] ^ t1[c >> 16 & 255] ^ t2[d >> 8 & 255] ^ t3[a & 255] ^ x,
            t0[c >> 24] ^ t1[d >> 16 & 255] ^ t2[a >> 8 & 255] ^ t3[b & 255] ^ y,
            t0[d >> 24] ^ t1[a >> 16 & 255] ^ t2[b >> 8 & 255] ^ t3[c & 255] ^ z,
        )
    box = _BOX
    return _WORDS.pack(
        (box[a >> 24] << 24 | box[b >> 16 & 255] << 16 | box[c >> 8 & 255] << 8 | box[d & 255]) ^ last[0],
        (box[b >> 24] << 24 | box[c >> 16 & 255] << 16 | box[d >> 8 & 255] << 8 | box[a & 255]) ^ last[1],
        (box[c >> 24] << 24 | box[d >> 16 & 255] << 16 | box[a >> 8 & 255] << 8 | box[b & 255]) ^ last[2],
        (box[d >> 24] << 24 | box[a >> 16 & 255] << 16 | box[b >> 8 & 255] << 8 | box[c & 255]) ^ last[3],
    )


@lru_cache(maxsize=64)
def _products(key: bytes) -> tuple[int, ...]:
    """What each byte, as the first one of a block, gives times the hash's own key (NIST SP 800-38D, section 6.3)."""
    found = [0] * 256
    power, bit = int.from_bytes(encrypt(key, bytes(16)), "big"), 0x80
    while bit:
        for other in range(0, 256, 2 * bit):
            found[other + bit] = found[other] ^ power
        power, bit = _shift(power), bit >> 1
    return tuple([_combined(found, byte) for byte in range(256)])


def _combined(found: list[int], byte: int) -> int:
    """The product of a byte, which is the sum of those of its bits."""
    total = 0
    for place in range(8):
        total ^= found[byte & 1 << place]
    return total


def _shift(value: int) -> int:
    """A block times x: its bits stand the other way round (section 6.3)."""
    return value >> 1 ^ (0xE1 << 120 if value & 1 else 0)


def _reduction(byte: int) -> int:
    for _ in range(8):
        byte = _shift(byte)
    return byte


_REDUCED = [_reduction(byte) for byte in range(256)]
"""What the last byte of a block gives when the block is shifted by eight."""


def tag(key: bytes, nonce: bytes, head: bytes, data: bytes) -> bytes:
    """The tag of what is sent in clear (``head``) and encrypted (``data``): NIST SP 800-38D, section 7.2.

    Anybody can make one, as the keys of Initials are public: so it shows that these are the keys, and that no byte has changed.
    """
    products, reduced, total = _products(key), _REDUCED, 0
    lengths = (8 * len(head)).to_bytes(8, "big") + (8 * len(data)).to_bytes(8, "big")
    hashed = head + bytes(-len(head) % 16) + data + bytes(-len(data) % 16) + lengths
    for at in range(0, len(hashed), 16):
        block = total ^ int.from_bytes(hashed[at : at + 16], "big")
        total = 0
        for byte in block.to_bytes(16, "little"):
            total = total >> 8 ^ reduced[total & 255] ^ products[byte]
    return (total ^ int.from_bytes(encrypt(key, nonce + b"\0\0\0\1"), "big")).to_bytes(16, "big")


def decrypt_gcm(key: bytes, nonce: bytes, data: bytes) -> bytes:
    """Galois/counter mode (NIST SP 800-38D, section 7.2) with a nonce of 12 bytes; without its tag, see ``tag``."""
    blocks = -(-len(data) // 16)
    stream = b"".join([encrypt(key, nonce + counter.to_bytes(4, "big")) for counter in range(2, blocks + 2)])
    return (int.from_bytes(data, "big") ^ int.from_bytes(stream[: len(data)], "big")).to_bytes(len(data), "big")
