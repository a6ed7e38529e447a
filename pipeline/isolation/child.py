"""What runs in the process of a sink: it makes the sink, calls it when asked to, and answers.

In: a socket to the parent, inherited, and the parent's process id. It ends when the parent hangs up, whatever happened to it. It
ignores the signals that the parent gets too: a terminal and systemd send theirs to both, and the parent decides when it is over.
"""

import asyncio
import faulthandler
import importlib
import logging
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio
import anyio.abc
import msgspec

from pipeline.api import ConfigError, Context, FieldType, Sink
from pipeline.cancellation import guarded
from pipeline.codecs import binary
from pipeline.config.document import Entry
from pipeline.isolation import host
from pipeline.isolation.failures import CANCELLED, failure_of
from pipeline.isolation.log import SendLines
from pipeline.isolation.loop import EventLoop
from pipeline.isolation.messages import STARTED, Answer, Call, Cancel, Counts, Failure, Start, ToChild, Write
from pipeline.isolation.wire import Wire
from pipeline.model.delivery import DELIVERY
from pipeline.plugins.discovery import discover
from pipeline.plugins.registry import Registry
from pipeline.plugins.trust import find_trust
from pipeline.telemetry.logs import ROOT, ComponentLog
from pipeline.topology.components import Mode, draft

COUNT_SECS = 1.0
"""How often counters are sent."""

MAX_BATCH_BYTES = (1 << 32) - 1
"""``batch.max_bytes`` may be 1 GiB of memory; this is what the length can say."""

CLOSE_SECS = 5.0
"""For a sink whose parent has hung up without closing it."""


def main() -> None:
    """``python -m pipeline.isolation.child SOCKET STACKS PARENT``: descriptors, and the parent's process id."""
    connection, stacks, parent = map(int, sys.argv[1:])
    host.end_with(parent)
    host.forgo_privileges()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # unlike SIG_IGN not inherited by what the sink starts
    faulthandler.register(signal.SIGUSR1, file=stacks, all_threads=False)
    anyio.run(_serve, socket.socket(fileno=connection), backend_options={"loop_factory": EventLoop})


async def _serve(connection: socket.socket) -> None:
    await Child(connection).run()


class Child:
    """The sink and its connection to the parent."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._wire: Wire[ToChild] = Wire(msgspec.msgpack.Decoder(ToChild), self._received, self._lost, MAX_BATCH_BYTES)
        self._counts: Counter[str] = Counter()
        self._calls: dict[int, anyio.CancelScope] = {}
        self._sink: Sink | None = None
        self._over = anyio.Event()
        self._group: anyio.abc.TaskGroup | None = None

    async def run(self) -> None:
        """Until the parent hangs up."""
        async with anyio.create_task_group() as self._group:
            await asyncio.get_running_loop().create_connection(lambda: self._wire, sock=self._connection)
            self._group.start_soon(self._tell_counts)
            await self._over.wait()
            self._group.cancel_scope.cancel()
        if self._sink is not None:
            with anyio.move_on_after(CLOSE_SECS):
                await self._sink.aclose()

    def _received(self, message: ToChild) -> None:
        match message:
            case Start():
                self._begin(STARTED, partial(self._make, message))
            case Call():
                self._begin(message.number, partial(self._call, message.method))
            case Write():
                self._begin(message.number, partial(self._write, message))
            case Cancel() if message.number in self._calls:
                self._calls[message.number].cancel()

    def _lost(self) -> None:
        self._over.set()

    def _begin(self, number: int, work: Callable[[], Awaitable[None]]) -> None:
        if self._group is not None:
            self._calls[number] = anyio.CancelScope()
            self._group.start_soon(self._answer, number, work)

    async def _answer(self, number: int, work: Callable[[], Awaitable[None]]) -> None:
        failure: Failure | None = Failure(CANCELLED, "")
        with self._calls[number]:
            try:
                await guarded(work())
                failure = None
            except Exception as error:  # noqa: BLE001  whatever a sink raises is its outcome
                failure = failure_of(error)
        del self._calls[number]
        self._send_counts()
        self._wire.send(Answer(number, failure))

    async def _make(self, start: Start) -> None:
        """As the parent made it: the same table, checked by the same rules, and imported only if it is trusted now."""
        logger = logging.getLogger(ROOT)
        logger.setLevel(start.log_level)
        logger.handlers[:] = [SendLines(self._wire)]
        logger.propagate = False
        registry = Registry(discover(), find_trust(Path(start.file).parent))
        made, problems = draft(Entry("sinks", start.id, start.table), registry, Mode.STRICT, start.file)
        if problems or made.component is None or not issubclass(made.component, Sink):
            raise ConfigError(problems, file=start.file)
        attributes = {name: FieldType(value) for name, value in start.attributes.items()}
        context = Context(id=start.id, log=ComponentLog(start.id), count=self._count, attributes=attributes)
        self._sink = made.component(made.config, context)

    async def _call(self, method: str) -> None:
        if method != "aclose" or self._sink is not None:
            await getattr(self._made(), method)()

    async def _write(self, message: Write) -> None:
        for module in message.modules:  # a kind is known once its class is; the parent has imported it, so it is trusted
            importlib.import_module(module)
        DELIVERY.set(message.delivery)
        await self._made().write(binary.decode(message.block))

    def _made(self) -> Sink:
        if self._sink is None:
            raise RuntimeError("the sink was not made")
        return self._sink

    def _count(self, name: str, by: int) -> None:
        self._counts[name] += by

    def _send_counts(self) -> None:
        if self._counts:
            counts, self._counts = self._counts, Counter()
            self._wire.send(Counts(dict(counts)))

    async def _tell_counts(self) -> None:
        while True:
            await anyio.sleep(COUNT_SECS)
            self._send_counts()


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(os.EX_OK)  # a thread that the sink left behind keeps nobody
