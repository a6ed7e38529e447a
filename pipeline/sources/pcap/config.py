"""The options of the ``pcap`` source."""

from typing import Literal

from pydantic import Field

from pipeline.api import Config, GlobOption

STANDARD_INPUT = "-"


class PcapConfig(Config):
    """Capture files or a pipe: pcap or pcapng, also compressed with gzip or zstd."""

    path: GlobOption = Field(min_length=1)
    """A capture file, a glob of files (`"/var/cap/*.pcap*"`, read in order of time), a named pipe, or `"-"`: standard input."""

    speed: Literal["max", "realtime"] = "max"
    """`"max"` reads as fast as the pipeline takes it; `"realtime"` keeps the pauses between the packets."""
