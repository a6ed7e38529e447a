"""What a sink's process and its parent send each other: typed messages, as MessagePack.

``Start``, ``Call``, ``Write`` and ``Cancel`` go to the child; ``Answer``, ``Line`` and ``Counts`` come back. ``number`` ties an
answer to what was asked: several writes may be under way at once.
"""

from typing import Any, Literal

import msgspec

from pipeline.api import Delivery

STARTED = 0
"""Number of the answer to ``Start``."""


class Failure(msgspec.Struct, array_like=True):
    """An exception on its way to the parent; ``kind`` is the name of its class, the rest what some of these classes carry."""

    kind: str
    text: str
    secs: float | None = None
    failures: dict[int, "Failure"] = {}
    delivered: int = 0
    trace: str = ""


class Start(msgspec.Struct, array_like=True, tag=True):
    """Which sink to make: its table as it stands in the pipeline ``file``, beside which the trust list is looked for."""

    file: str
    id: str
    table: dict[str, Any]
    attributes: dict[str, str]
    log_level: int


class Call(msgspec.Struct, array_like=True, tag=True):
    """Call a method without arguments."""

    number: int
    method: Literal["open", "healthcheck", "aclose"]


class Write(msgspec.Struct, array_like=True, tag=True):
    """Write a batch: a block of ``codecs.binary``. ``modules`` define the kinds of events that are in it."""

    number: int
    block: bytes
    modules: list[str]
    delivery: Delivery | None


class Cancel(msgspec.Struct, array_like=True, tag=True):
    """Nobody waits for this answer any more; it is sent all the same, and shows that the process is alive."""

    number: int


class Answer(msgspec.Struct, array_like=True, tag=True):
    """It has returned, or raised."""

    number: int
    failure: Failure | None


class Line(msgspec.Struct, array_like=True, tag=True):
    """A line of the log, with its fields."""

    level: int
    text: str
    fields: dict[str, str | int | float | bool | None]


class Counts(msgspec.Struct, array_like=True, tag=True):
    """What was counted since the last time."""

    counts: dict[str, int]


ToChild = Start | Call | Write | Cancel
ToParent = Answer | Line | Counts
