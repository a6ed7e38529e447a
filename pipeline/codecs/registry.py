"""Codecs by the name that a pipeline file gives them. A codec is imported when it is asked for."""

from collections.abc import Sequence
from mmap import mmap
from typing import Protocol

from pipeline.codecs.options import DecodingOptions, EncodingOptions
from pipeline.codecs.selection import Selection
from pipeline.model.events.event import Event


class Codec(Protocol):
    """Event → bytes. ``text`` tells lines of text from binary; ``suffix`` and ``content_type`` name the format of a batch."""

    content_type: str
    suffix: str
    text: bool

    def encode(self, event: Event) -> bytes:
        """One event without framing. Never raises."""
        ...

    def encode_each(self, events: Sequence[Event]) -> list[bytes]:
        """Each event without framing, at the price of a batch. Never raises."""
        ...

    def encode_batch(self, events: Sequence[Event]) -> bytes | bytearray:
        """Events with framing, so that batches can follow each other in one stream. Never raises."""
        ...

    def whole_length(self, content: bytes | bytearray | mmap) -> int:
        """How many bytes at the beginning of a stream of batches are whole events: what follows was torn by a crash."""
        ...

    def may_begin(self, torn: bytes) -> bool:
        """Whether these bytes may be the beginning of an event that this codec has written, cut off anywhere."""
        ...


class Decoder(Protocol):
    """Bytes → event: the inverse of ``encode``."""

    def decode(self, data: bytes) -> Event:
        """One event without framing; raises ``DecodeError``."""
        ...


def codec(options: EncodingOptions | str = "json") -> Codec:
    """The codec of these options, or the one of this name without a selection of fields."""
    options = EncodingOptions.model_validate({"codec": options}) if isinstance(options, str) else options
    selection = Selection(options.only_fields, options.except_fields)
    match options.codec:
        case "json":
            from pipeline.codecs.json import JsonCodec  # noqa: PLC0415  start-up pays for the one that is used

            return JsonCodec(selection)
        case "ecs":
            from pipeline.codecs.ecs import EcsCodec  # noqa: PLC0415

            return EcsCodec(selection)
        case "protobuf":
            from pipeline.codecs.protobuf import ProtobufCodec  # noqa: PLC0415

            return ProtobufCodec(selection)


def decoder(options: DecodingOptions | str = "json") -> Decoder:
    """What reads the codec of these options, or of this name. ``ecs`` cannot be read back."""
    options = DecodingOptions.model_validate({"codec": options}) if isinstance(options, str) else options
    match options.codec:
        case "json":
            from pipeline.codecs.json import JsonCodec  # noqa: PLC0415

            return JsonCodec()
        case "protobuf":
            from pipeline.codecs.protobuf import ProtobufCodec  # noqa: PLC0415

            return ProtobufCodec()
