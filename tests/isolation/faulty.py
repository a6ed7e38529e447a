"""A plugin that does what plugins must not do, once or always: its source, its transform and its sink, all called `faulty`."""
# ruff: noqa: ASYNC230  what plugins must not do

import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import anyio

from pipeline.api import (
    DEFAULT,
    BackOff,
    BatchError,
    Config,
    Context,
    Delivery,
    Event,
    EventBatch,
    Finished,
    NotConnected,
    Outputs,
    Reject,
    Sink,
    Source,
    Transform,
)
from pipeline.codecs.registry import codec


class FaultyConfig(Config):
    """What it does, where, and how often."""

    way: str = "none"
    """Name of a function below, or an error to raise."""
    at: str = "write"
    """The method in which it does it."""
    times: int = 1_000_000
    """How often, counted by the lines of `count`, over all processes."""
    count: str = "times"
    """File with a line for each time that it was done."""
    out: str = "out.jsonl"
    """File that the sink appends to."""


def sleep() -> None:
    """Keeps the loop, and lets signals and threads work."""
    time.sleep(3600)


def spin() -> None:
    """Keeps the loop in Python."""
    while True:
        pass


def wait_in_c() -> None:
    """Keeps the main thread in C, where no handler in Python is run; other threads work."""
    mutex = ctypes.create_string_buffer(64)
    libc = ctypes.CDLL(None)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


def keep_the_lock() -> None:
    """Keeps Python's lock, so that nothing of Python works."""
    libc = ctypes.PyDLL(None)
    while True:
        libc.sleep(3600)


def shout() -> None:
    """Logs until nobody reads the log any more."""
    number = 0
    while True:
        number += 1
        logging.getLogger("httpipe").warning("%s %d" % ("x" * 1000, number))  # noqa: G002, UP031  each is another sentence


def leave() -> None:
    """What scripts do."""
    sys.exit(3)


def die() -> None:
    """As the OOM killer has it."""
    os.kill(os.getpid(), signal.SIGKILL)


def crash() -> None:
    """A bug in C."""
    ctypes.string_at(0)


def hang() -> None:
    """Waits for ever without keeping the loop: done in `write`, which is async."""


ERRORS: dict[str, Exception] = {
    "not_connected": NotConnected("the other end is gone"),
    "back_off": BackOff(0.01),
    "back_off_unsaid": BackOff(message="not now"),
    "reject": Reject(ValueError("never")),
    "finished": Finished("enough"),
    "partly": BatchError({1: Reject("too odd"), 2: NotConnected("gone"), 3: KeyError("k")}),
    "timeout": TimeoutError("too slow"),
    "fault": ZeroDivisionError("division by zero"),
}


class Faulty:
    """Does it when it is time to."""

    def __init__(self, config: FaultyConfig, context: Context) -> None:
        self.config = config
        self.context = context
        self.act("constructor")

    def act(self, place: str) -> None:
        """Nothing, or the fault."""
        if place != self.config.at or self.config.way == "none":
            return
        count = Path(self.config.count)
        done = count.read_text().splitlines() if count.exists() else []
        if len(done) >= self.config.times:
            return
        with count.open("a") as opened:
            opened.write(f"{os.getpid()}\n")
        if self.config.way in ERRORS:
            raise ERRORS[self.config.way]
        globals()[self.config.way]()


class FaultySource(Faulty, Source):
    """Ten events, one at a time."""

    api_version = 1
    Config = FaultyConfig

    async def batches(self) -> AsyncIterator[EventBatch]:
        """With the fault after the fifth; says when it is stopped."""
        try:
            for number in range(10):
                yield EventBatch([Event(timestamp_ns=number)])
                await anyio.sleep(0.001)
                if number == 4:
                    self.act("batches")
            await anyio.sleep_forever()
        finally:
            self.context.log.info("reads no more")


class FaultyTransform(Faulty, Transform):
    """Passes everything."""

    api_version = 1
    Config = FaultyConfig

    def process(self, batch: Sequence[Event]) -> Outputs:
        """With the fault before."""
        self.act("process")
        return {DEFAULT: batch}


class FaultySink(Faulty, Sink):
    """Appends events to a file."""

    api_version = 1
    Config = FaultyConfig

    async def open(self) -> None:
        """With the fault."""
        self.act("open")

    async def healthcheck(self) -> None:
        """With the fault."""
        self.act("healthcheck")

    async def write(self, batch: Sequence[Event]) -> None:
        """With the fault before it, or behind it, when everything is written but not yet told."""
        self.act("write")
        if self.config.way == "hang":
            await anyio.sleep_forever()
        delivery = self.context.delivery or Delivery("", 0)
        fields = {"events": len(batch), "attempt": delivery.attempt, "batch": delivery.batch, "pid": os.getpid()}
        self.context.log.info("wrote a batch", extra=fields)
        self.context.count("written", len(batch))
        with Path(self.config.out).open("ab") as opened:
            opened.write(codec("json").encode_batch(batch))
        self.act("written")

    async def aclose(self) -> None:
        """With the fault."""
        self.act("aclose")


def install(folder: Path) -> None:
    """Make it a distribution in this folder, trusted by the pipelines there; the folder must be on PYTHONPATH."""
    (folder / "faulty.py").write_text(Path(__file__).read_text())
    metadata = folder / "faulty-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    points = "".join(f"[httpipe.{kind}s]\nfaulty = faulty:Faulty{kind.title()}\n" for kind in ("source", "transform", "sink"))
    (metadata / "entry_points.txt").write_text(points)
    (folder / "plugins.toml").write_text("[trust.faulty]\n")
