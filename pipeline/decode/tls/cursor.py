"""A place in some bytes, and the ways in which TLS writes numbers and vectors there (RFC 8446, section 3)."""


class ShortError(Exception):
    """More is asked for than there is: a message that contradicts itself. Never leaves this folder."""


class Cursor:
    """Reads ``data`` from its beginning on. What lies beyond it raises ``ShortError``."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def __bool__(self) -> bool:
        """Whether anything is left."""
        return self.at < len(self.data)

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        end = self.at + count
        if end > len(self.data):
            raise ShortError
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def number(self, width: int) -> int:
        """The next ``width`` bytes as a number in network byte order."""
        return int.from_bytes(self.take(width), "big")

    def vector(self, width: int) -> bytes:
        """A vector whose length is written in ``width`` bytes in front of it."""
        return self.take(self.number(width))


def numbers(data: bytes) -> tuple[int, ...]:
    """All numbers of two bytes; a last odd byte is none."""
    return tuple([data[at] << 8 | data[at + 1] for at in range(0, len(data) - 1, 2)])


def text(data: bytes) -> str:
    r"""What should be ASCII as text; other bytes stand there as ``\xNN``."""
    return data.decode("ascii", "backslashreplace")
