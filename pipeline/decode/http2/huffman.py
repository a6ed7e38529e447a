"""The Huffman code of HPACK (RFC 7541, appendix B): coded bytes → text. Raises ``HuffmanError`` for what is no such code.

The code is canonical: codes of a length are consecutive numbers in the order of their symbols, and follow from the lengths alone.
"""

_LENGTHS = bytes.fromhex(
    "0d171c1c1c1c1c1c1c181e1c1c1e1c1c1c1c1c1c1c1c1e1c1c1c1c1c1c1c1c1c060a0a0c0d06080b0a0a080b080606060505050606060606060607080f060c0a"
    "0d06070707070707070707070707070707070707070707070807080d130d0e060f05060506050606060507070606060506070605050607070707070f0b0e0d1c"
    "141614141616161716171717171718171818161718171717171516171617171816151416161717151716161815161717151516151716171714161616171616171a"
    "1a1413161716191a1a1a1b1b1a181913151a1b1b1a1b1815151a1a1c1b1b1b14181415161515171616191918181a171a1b1a1a1b1b1b1b1b1c1b1b1b1b1b1a1e"
)
"""Bits of the code of each symbol; the last one is EOS."""
_EOS = 256
_SHORT = 256
"""Longer strings hardly come twice."""
_REMEMBERED = 4096
"""Strings that are kept with their text: user agents, paths. At most 1.5 MB, commonly 0.2."""

Step = tuple[int, bytes]


class HuffmanError(Exception):
    """Bytes that no encoder writes (RFC 7541, section 5.2)."""


def _tree() -> list[list[int]]:
    """Nodes with two branches each: another node, or ``-1 - symbol``."""
    nodes = [[0, 0]]
    code = before = 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(_LENGTHS)):
        code, before = code << length - before, length
        node = 0
        for place in range(length - 1, 0, -1):
            bit = code >> place & 1
            if not nodes[node][bit]:
                nodes.append([0, 0])
                nodes[node][bit] = len(nodes) - 1
            node = nodes[node][bit]
        nodes[node][code & 1] = -1 - symbol
        code += 1
    return nodes


_NODES = _tree()
_STEPS: list[dict[int, Step]] = [{} for _ in _NODES]
"""By the node at which a byte begins: where it ends, and the text that it completes. Made when first needed."""


def _ends() -> frozenset[int]:
    """Where a string may end: padding is the beginning of EOS, which is all ones, and shorter than a byte."""
    found, node = [0], 0
    for _ in range(7):
        node = _NODES[node][1]
        found.append(node)
    return frozenset(found)


_ENDS = _ends()
_known: dict[bytes, bytes] = {}


def decode(raw: bytes) -> bytes:
    """The text that ``raw`` stands for."""
    text = _known.get(raw)
    if text is None:
        text = _decode(raw)
        if len(raw) <= _SHORT:
            if len(_known) >= _REMEMBERED:
                _known.clear()
            _known[raw] = text
    return text


def _decode(raw: bytes) -> bytes:
    node, parts = 0, []
    for byte in raw:
        step = _STEPS[node].get(byte) or _step(node, byte)
        node = step[0]
        parts.append(step[1])
    if node not in _ENDS:
        raise HuffmanError("the padding is not the beginning of EOS")
    return b"".join(parts)


def _step(start: int, byte: int) -> Step:
    node, text = start, bytearray()
    for place in range(7, -1, -1):
        node = _NODES[node][byte >> place & 1]
        if node < 0:
            if node == -1 - _EOS:
                raise HuffmanError("EOS inside a string")
            text.append(-1 - node)
            node = 0
    step = _STEPS[start][byte] = node, bytes(text)
    return step
