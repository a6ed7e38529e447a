"""Decode: records → ordered byte streams → HTTP messages → exchanges. Pure: no I/O, no clock, and nothing off the wire raises."""

from pipeline.decode.decoder import Decoder
from pipeline.decode.options import BodyOptions, DecodeOptions

__all__ = ["BodyOptions", "DecodeOptions", "Decoder"]
