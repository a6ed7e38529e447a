"""The sink that the engine sees where ``isolation = "process"``: it hands everything to the sink in its process.

In: batches. Out: blocks of bytes to the process, and its outcome as if it had happened here. Each ``open`` starts a process, each
``aclose`` ends it, so the engine's way with a sink that failed (close, wait, open, write the same batch) is also the way with a
process that died or hangs.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import anyio

from pipeline.api import BackOff, BatchError, Context, Event, NotConnected, Reject, Sink
from pipeline.codecs import binary
from pipeline.isolation.messages import Start
from pipeline.isolation.process import ProcessDied, SinkProcess

CLOSE_SECS = 4.0
"""A little less than the engine gives a sink to close, so that the process is ended in good order."""

REACTION_SECS = 1.0
"""A process whose write was cancelled, for its time was over, says so within milliseconds if its loop is alive."""


class ProcessSink(Sink):
    """A sink in a process of its own. ``table`` is its table in the pipeline ``file``."""

    def __init__(self, file: str, table: Mapping[str, Any], context: Context) -> None:
        self._file = file
        self._table = dict(table)
        self._context = context
        self._process: SinkProcess | None = None

    async def open(self) -> None:
        """Start the process, make the sink in it and open it."""
        await self.aclose()
        process = self._process = SinkProcess(self._context)
        attributes = {name: str(kind.value) for name, kind in self._context.attributes.items()}
        level = getattr(self._context.log, "logger", self._context.log).getEffectiveLevel()
        await process.start(Start(self._file, self._context.id, self._table, attributes, level))
        await process.call("open")

    async def healthcheck(self) -> None:
        """As the sink's own."""
        await self._opened().call("healthcheck")

    async def write(self, batch: Sequence[Event]) -> None:
        """Delivered when the sink in the process says so."""
        modules = {kind.__module__ for kind in set(map(type, batch))}
        await self._opened().write(_block(batch), list(modules), self._context.delivery)

    async def aclose(self) -> None:
        """Close the sink and end its process; raises what the sink raises. A process that does not answer is killed.

        It is killed as well, and nothing said of it, where nobody waits for the answer any more.
        """
        process, self._process = self._process, None
        if process is None:
            return
        answered = silent = False
        try:
            answered, error = await _closed(process)
            silent = not answered
        finally:
            with anyio.CancelScope(shield=True):
                if silent:
                    fields = {"at": await process.where()}
                    self._context.log.error("its process does not respond; killing it", extra=fields)
                await process.end(kill=not answered)
        if error is not None:
            raise error

    def _opened(self) -> SinkProcess:
        if self._process is None:
            raise NotConnected("has no process")
        return self._process


async def _closed(process: SinkProcess) -> tuple[bool, Exception | None]:
    """Have the process close its sink: whether it has answered, and with what error."""
    if not await process.answers(REACTION_SECS):
        return False, None
    with anyio.move_on_after(CLOSE_SECS):
        try:
            if not process.gone:
                await process.call("aclose")
        except ProcessDied:
            return True, None
        except Exception as error:  # noqa: BLE001  the sink's, raised when its process is gone
            return True, error
        return True, None
    return False, None


def _block(batch: Sequence[Event]) -> bytes:
    """The batch in bytes. What a plugin put into an event and nothing can write down is rejected, and the rest comes again."""
    try:
        return binary.encode(batch)
    except Exception as error:
        bad = {index for index, event in enumerate(batch) if not binary.is_writable(event)}
        rejected: dict[int, Exception] = {index: Reject(f"cannot be handed to another process: {error}") for index in bad}
        raise BatchError({index: rejected.get(index, BackOff(0.0)) for index in range(len(batch))}) from error
