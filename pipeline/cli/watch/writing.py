"""What is listed, taken away in a new file of the folder in which the command began: HAR, JSON lines, curl commands, packets."""

import errno
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version

from pipeline.api import Event, Exchange
from pipeline.codecs.curl import commands
from pipeline.codecs.har import document
from pipeline.codecs.registry import codec
from pipeline.live.store import Store
from pipeline.packets.export import capture_of
from pipeline.packets.store import PacketStore

MOST = 10_000
"""Events in a file, the newest: an archive is made in memory."""
MOST_A_SECOND = 99
"""Files of one second: whoever holds the key down writes about thirty."""


def write(store: Store, numbers: Sequence[int], ending: str) -> tuple[str, str]:
    """As ``har``, ``jsonl``, or ``sh``: a command a line. Returns the name of the file and in words how much is in it.

    It is new, and its owner's only. Raises ``OSError``.
    """
    events = [event for number in sorted(numbers)[-MOST:] if (event := store.event(number)) is not None]
    if ending == "jsonl":
        return _new_file(_lines(events), ending), _many(len(events), "event")
    exchanges = [event for event in events if isinstance(event, Exchange)]
    content = document(exchanges, version("httpipe")) if ending == "har" else commands(exchanges)
    return _new_file(content, ending), _many(len(exchanges), "exchange")


def write_packets(store: Store, packets: PacketStore, numbers: Sequence[int]) -> tuple[str, str]:
    """The packets of their connections. Returns the name of the file, and in words what is in it. Raises ``OSError``."""
    events = [event for number in sorted(numbers)[-MOST:] if (event := store.event(number)) is not None]
    content, remark = capture_of(events, packets)
    return _new_file(b"".join(content), "pcapng"), remark


def _new_file(data: bytes, ending: str) -> str:
    """Named by the second, with a number behind it where that name is taken already."""
    now = f"httpipe-{time.strftime('%Y%m%d-%H%M%S')}"
    names = [f"{now}.{ending}", *(f"{now}-{number}.{ending}" for number in range(2, MOST_A_SECOND + 1))]
    for name in names:
        with suppress(FileExistsError):
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123  a descriptor
                file.write(data)
            return name
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), names[-1])


def _lines(events: Sequence[Event]) -> bytes:
    encode = codec("json").encode
    return b"".join([encode(event) + b"\n" for event in events])


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
