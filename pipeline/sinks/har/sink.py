"""The ``har`` sink: exchanges in an HTTP Archive, a file that the network tabs of browsers open."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import anyio
import anyio.to_thread
from pydantic import Field

from pipeline.api import Config, ConfigError, Context, Event, NotConnected, PathOption, Sink
from pipeline.errors import Problem
from pipeline.model.file_names import FileNames
from pipeline.sinks.file.paths import too_long
from pipeline.sinks.file.rotation import LONGEST_SUFFIX, rotated_names
from pipeline.sinks.har.archive import Archive


class HarConfig(Config):
    """Options of the `har` sink."""

    path: PathOption
    """File to write; folders are made. With a file that httpipe wrote before it goes on."""
    mode: Annotated[str, Field(pattern=r"^0?[0-7]{3}$")] = "0640"
    """Permissions of new files, octal, whatever the umask."""
    max_bytes: Annotated[int, Field(ge=4096)] = 134_217_728
    """Before the file gets larger it is renamed to `<path>.<time>` and a new one begun: a browser holds all of it in memory."""
    show_secrets: bool = False
    """Write credentials, cookies and secret query values of heads as they were captured."""


class HarSink(Sink):
    """Writes exchanges to an HTTP Archive (HAR 1.2), which browsers open."""

    api_version = 1
    Config = HarConfig
    needs_heads = True

    def __init__(self, config: HarConfig, context: Context) -> None:
        if (wrong := too_long(config.path, LONGEST_SUFFIX)) is not None:
            raise ConfigError([Problem("path", wrong)])
        names = FileNames.literal(config.path)
        self.writes = (names, rotated_names(names))
        habits = {"mode": int(config.mode, 8), "max_bytes": config.max_bytes}
        self._archive = Archive(Path(config.path), **habits, show_secrets=config.show_secrets, now_ns=context.now_ns)
        self._lock = anyio.Lock()  # one write at a time, whatever max_in_flight says

    async def open(self) -> None:
        """Open or make the file."""
        await self._in_thread(self._archive.open)

    async def write(self, batch: Sequence[Event]) -> None:
        """Put the batch into the archive: all of it, or none."""
        await self._in_thread(self._archive.append, batch)

    async def aclose(self) -> None:
        """Close the file, which is whole."""
        await self._in_thread(self._archive.close)

    async def _in_thread(self, function: Callable[..., None], *arguments: object) -> None:
        # Never abandoned: a write that goes on behind the engine's back would be in the file twice.
        async with self._lock:
            try:
                await anyio.to_thread.run_sync(function, *arguments)
            except OSError as error:
                raise NotConnected(f"{error.filename}: {error.strerror}") from error
