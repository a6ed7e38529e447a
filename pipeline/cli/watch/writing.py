"""What is listed, taken away: a HTTP Archive, JSON lines or packets in a new file of the folder in which the command began."""

import os
import time
from collections.abc import Sequence
from importlib.metadata import version

from pipeline.api import Event, Exchange
from pipeline.codecs.har import document
from pipeline.codecs.registry import codec
from pipeline.live.store import Store
from pipeline.packets.export import capture_of
from pipeline.packets.store import PacketStore

MOST = 10_000
"""Events in a file, the newest: an archive is made in memory."""


def write(store: Store, numbers: Sequence[int], ending: str) -> tuple[str, int]:
    """Returns the name of the file and how many events are in it. It is new, and its owner's only. Raises ``OSError``."""
    events = [event for number in sorted(numbers)[-MOST:] if (event := store.event(number)) is not None]
    events = [event for event in events if isinstance(event, Exchange)] if ending == "har" else events
    return _new_file(document(events, version("httpipe")) if ending == "har" else _lines(events), ending), len(events)


def write_packets(store: Store, packets: PacketStore, numbers: Sequence[int]) -> tuple[str, str]:
    """The packets of their connections. Returns the name of the file, and in words what is in it. Raises ``OSError``."""
    events = [event for number in sorted(numbers)[-MOST:] if (event := store.event(number)) is not None]
    content, remark = capture_of(events, packets)
    return _new_file(b"".join(content), "pcapng"), remark


def _new_file(data: bytes, ending: str) -> str:
    name = f"httpipe-{time.strftime('%Y%m%d-%H%M%S')}.{ending}"
    with open(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:  # noqa: PTH123  a descriptor
        file.write(data)
    return name


def _lines(events: Sequence[Event]) -> bytes:
    encode = codec("json").encode
    return b"".join([encode(event) + b"\n" for event in events])
