"""The ``pcapng`` sink: the packets of the connections of events, in a file that Wireshark, tshark and httpipe read."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import anyio
import anyio.to_thread
from pydantic import BaseModel, Field

from pipeline.api import Config, ConfigError, Context, Event, NotConnected, PathOption, Sink
from pipeline.errors import Problem
from pipeline.model.file_names import FileNames
from pipeline.model.packet import Packet
from pipeline.sinks.file.paths import too_long
from pipeline.sinks.file.rotation import LONGEST_SUFFIX, rotated_names
from pipeline.sinks.pcapng.capture_file import CaptureFile
from pipeline.sinks.pcapng.packets_of_events import KEEP_BYTES, PacketsOfEvents


class PcapngConfig(Config):
    """Options of the `pcapng` sink."""

    path: PathOption
    """File to write; folders are made. With a file that httpipe wrote before it goes on."""
    mode: Annotated[str, Field(pattern=r"^0?[0-7]{3}$")] = "0600"
    """Permissions of new files, octal, whatever the umask. Packets hold everything that was on the wire, secrets too."""
    max_bytes: Annotated[int, Field(ge=4096)] = 1 << 30
    """Before the file gets larger it is renamed to `<path>.<time>` and a new one begun."""
    keep_bytes: Annotated[int, Field(ge=1 << 16, le=1 << 34)] = KEEP_BYTES
    """How much of the newest packets is kept in memory to choose from. What is gone when its exchange comes is counted."""


class PcapngSink(Sink):
    """Writes the packets of the connections of events to a pcapng file, which Wireshark and tshark read."""

    api_version = 1
    Config = PcapngConfig

    def __init__(self, config: PcapngConfig, context: Context) -> None:
        if (wrong := too_long(config.path, LONGEST_SUFFIX)) is not None:
            raise ConfigError([Problem("path", wrong)])
        names = FileNames.literal(config.path)
        self.writes = (names, rotated_names(names))
        habits = {"mode": int(config.mode, 8), "max_bytes": config.max_bytes}
        self._file = CaptureFile(Path(config.path), **habits, now_ns=context.now_ns)
        self._packets = PacketsOfEvents(context)
        self._unwritten: list[Packet] = []  # taken, and not in the file yet: it could not be written
        self._lock = anyio.Lock()  # one write at a time, whatever max_in_flight says

    @classmethod
    def wants_packets(cls, config: BaseModel) -> int:
        """As much as its options say."""
        return config.keep_bytes if isinstance(config, PcapngConfig) else 0

    async def open(self) -> None:
        """Open or make the file."""
        await self._in_thread(self._file.open)

    async def write(self, batch: Sequence[Event]) -> None:
        """Put the packets that the batch asks for into the file: all of them, or none, and then they come with the next write."""
        await self._in_thread(self._write, batch)

    async def aclose(self) -> None:
        """Write what followed on the connections, and close the file, which is whole."""
        await self._in_thread(self._close)

    def _write(self, batch: Sequence[Event]) -> None:
        if self._unwritten:
            self._put(())  # first, so that it does not grow with every attempt
        self._put(self._packets.take(batch))

    def _put(self, packets: Sequence[Packet]) -> None:
        self._unwritten += packets
        self._file.append(self._unwritten)
        self._unwritten = []

    def _close(self) -> None:
        try:
            if self._file.is_open:  # else there was an error, and it is opened again
                self._put(self._packets.rest())
        finally:
            self._file.close()

    async def _in_thread(self, function: Callable[..., None], *arguments: object) -> None:
        # Never abandoned: a write that goes on behind the engine's back would be in the file twice.
        async with self._lock:
            try:
                await anyio.to_thread.run_sync(function, *arguments)
            except OSError as error:
                raise NotConnected(f"{error.filename}: {error.strerror}") from error
