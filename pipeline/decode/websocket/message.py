"""A message while it is put together from frames, and the place in a frame. Nouns."""

import msgspec

from pipeline.decode.content import Collector


class Message(msgspec.Struct, gc=False):
    """``size`` counts payload as frames announce it. ``content`` keeps what is not compressed, where it was asked for.

    ``inflates``: it goes to the decompressor of its direction.
    """

    opcode: int
    start_ns: int
    compressed: bool = False
    inflates: bool = False
    size: int = 0
    fragments: int = 0
    marks: int = 0
    content: Collector | None = None


class Frame(msgspec.Struct, gc=False):
    """A frame whose payload is being read: ``left`` bytes of it are to come, ``done`` have been."""

    message: Message
    final: bool
    left: int
    key: bytes
    done: int = 0
