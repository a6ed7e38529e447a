"""Which captures a path or glob names, and in which order: that of their first packets."""

import stat
from pathlib import Path

from pipeline.errors import InputError
from pipeline.sources.files.inputs import READ_BYTES, matching
from pipeline.sources.pcap.reader import CaptureReader

PROBE_BYTES = 4 * 1024 * 1024
"""How far to look for the first packet."""


def find(pattern: str) -> list[tuple[Path, int]]:
    """The captures that a path or glob names, each with the time of its first packet, in order of that time.

    Raises ``InputError`` for the first that is not a capture, so that this is known before anything starts. Of a glob, files
    without a packet are left out: a rotating tcpdump has just begun them.
    """
    paths = matching(pattern)
    begins = [(path, first_packet_ns(path)) for path in paths]
    if len(paths) == 1:
        return [(paths[0], begins[0][1] or 0)]
    return sorted(((path, first) for path, first in begins if first is not None), key=lambda found: found[1])


def first_packet_ns(path: Path) -> int | None:
    """The time of the first packet; None for a capture without packets, and for a pipe, which cannot be looked into."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        reader = CaptureReader()
        with path.open("rb") as file:
            while reader.first_ns is None and not reader.damage and file.tell() < PROBE_BYTES:
                data = file.read(READ_BYTES)
                if not data:
                    reader.finish()
                    break
                for _ in reader.frames(data):
                    pass
    except OSError as error:
        raise InputError(f"cannot read capture file {path.absolute()}: {error.strerror}") from error
    if reader.damage and not reader.begun:
        raise InputError(f"{path}: {reader.damage}")
    return reader.first_ns
