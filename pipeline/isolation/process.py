"""The process of a sink, as its parent has it: started, asked, and ended, by ``kill -9`` where it does not answer.

No task of its own: messages are dealt with as they come, so whatever becomes of the engine's tasks nothing is left behind.
"""

import asyncio
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Literal

import anyio
import msgspec
from anyio.to_thread import run_sync

from pipeline.api import Context, Delivery
from pipeline.delivery.signal import Signal
from pipeline.isolation.failures import CANCELLED, error_of
from pipeline.isolation.messages import STARTED, Answer, Call, Cancel, Counts, Failure, Line, Start, ToParent, Write
from pipeline.isolation.wire import Wire

ENDING_SECS = 1.0
"""From the end of the connection to the end of the process."""

STACK_SECS = 1.0
"""For faulthandler to write where the process stands; a host that is not busy takes a millisecond."""

MAX_ANSWER_BYTES = 64 << 20
"""An answer tells no more than what failed of one batch."""

PLACE = re.compile(r'File "([^"]+)", line (\d+) in (\S+)\n')


class ProcessDied(Exception):  # noqa: N818  says what happened
    """The process has ended although nobody asked it to. What it was asked has no answer."""


class SinkProcess:
    """One process. ``start`` once, then ``call`` and ``write``, then ``end``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._wire: Wire[ToParent] = Wire(msgspec.msgpack.Decoder(ToParent), self._received, self._lost, MAX_ANSWER_BYTES)
        self._process: subprocess.Popen[bytes] | None = None
        self._stacks = -1
        self._numbers = itertools.count(STARTED + 1)
        self._waiting: dict[int, asyncio.Future[Failure | None]] = {}
        self._abandoned: set[int] = set()
        self._answered = Signal()
        self._gone = False
        self._ending = False

    @property
    def gone(self) -> bool:
        """Whether it has ended, or hung up."""
        return self._gone

    async def start(self, start: Start) -> None:
        """Start it and have it make the sink. Raises what that raises."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._stacks = os.memfd_create("stacks")
        try:
            with theirs:
                self._process = _spawn(theirs.fileno(), self._stacks)
            await asyncio.get_running_loop().create_connection(lambda: self._wire, sock=ours)
        except BaseException:
            ours.close()
            raise
        await self._ask(STARTED, start)

    async def call(self, method: Literal["open", "healthcheck", "aclose"]) -> None:
        """Call a method of the sink. Raises what it raises, or ``ProcessDied``."""
        number = next(self._numbers)
        await self._ask(number, Call(number, method))

    async def write(self, block: bytes, modules: list[str], delivery: Delivery | None) -> None:
        """Have it write a batch. Raises what the sink raises, or ``ProcessDied``."""
        number = next(self._numbers)
        await self._ask(number, Write(number, block, modules, delivery))

    async def answers(self, within_secs: float) -> bool:
        """Whether it has, or has within this time, dealt with all that was cancelled: then its loop is alive."""
        with anyio.move_on_after(within_secs):
            while self._abandoned and not self._gone:
                await self._answered.wait()
        return not self._abandoned or self._gone

    async def where(self) -> str:
        """Where the sink's code stands; asked with a signal that is answered in C, whatever Python is doing there."""
        if self._process is None or self._gone:
            return ""
        self._process.send_signal(signal.SIGUSR1)
        with anyio.move_on_after(STACK_SECS):
            while (place := PLACE.search(os.pread(self._stacks, 65536, 0).decode(errors="replace"))) is None:  # noqa: ASYNC110  a file
                await anyio.sleep(0.01)
            file, line, function = place.groups()
            return f"{file}:{line} in {function}"
        return "unknown"

    async def end(self, *, kill: bool) -> None:
        """Hang up and wait until it is gone; ``kill`` does not wait first. Safe twice. Never raises, never takes long."""
        self._ending = True
        self._wire.close()
        process, self._process = self._process, None
        if process is not None:
            if kill:
                process.kill()
            with anyio.CancelScope(shield=True):
                await run_sync(_waited_for, process)
        if self._stacks >= 0:
            os.close(self._stacks)
            self._stacks = -1

    async def _ask(self, number: int, message: object) -> None:
        if self._gone:
            raise await self._death()
        answer: asyncio.Future[Failure | None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self._wire.send(message)
        try:
            failure = await answer
        except asyncio.CancelledError:
            if not self._gone:
                self._abandoned.add(number)
                self._wire.send(Cancel(number))
            raise
        finally:
            self._waiting.pop(number, None)
        if failure is not None:
            raise await self._death() if failure.kind == CANCELLED else error_of(failure)

    async def _death(self) -> ProcessDied:
        code = await run_sync(_waited_for, self._process) if self._process is not None else None
        return ProcessDied(f"its process {_ending(code)}")

    def _received(self, message: ToParent) -> None:
        match message:
            case Answer():
                self._abandoned.discard(message.number)
                self._answered.set()
                answer = self._waiting.get(message.number)
                if answer is not None and not answer.done():
                    answer.set_result(message.failure)
            case Line():
                self._context.log.log(message.level, "%s", message.text, extra=message.fields)
            case Counts():
                for name, by in message.counts.items():
                    self._context.count(name, by)

    def _lost(self) -> None:
        self._gone = True
        self._answered.set()
        if not self._waiting and not self._ending:
            self._context.log.warning("its process has exited; the next batch starts a new one")
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_result(Failure(CANCELLED, ""))


def _spawn(connection: int, stacks: int) -> subprocess.Popen[bytes]:
    """To be called in the loop's thread: the kernel kills the child when the thread that started it ends (prctl(2))."""
    module = ["-m", "pipeline.isolation.child", str(connection), str(stacks), str(os.getpid())]
    return subprocess.Popen(  # noqa: S603  our own module
        [sys.executable, *_flags(), *module],
        stdin=subprocess.DEVNULL,
        pass_fds=(connection, stacks),
        env={**os.environ, "PYDANTIC_DISABLE_PLUGINS": "__all__"},
        start_new_session=True,
    )


def _flags() -> list[str]:
    """The current folder is no place to import from; and no more is than in this process."""
    return ["-I"] if sys.flags.isolated else ["-P"]


def _waited_for(process: subprocess.Popen[bytes]) -> int:
    """In a thread: its exit status. One that does not end by itself is killed."""
    with suppress(subprocess.TimeoutExpired):
        return process.wait(ENDING_SECS)
    process.kill()
    return process.wait()


def _ending(code: int | None) -> str:
    if code is None:
        return "has ended"
    if code >= 0:
        return f"exited with {code}"
    names = {each.value: each.name for each in signal.Signals}
    return f"was killed by {names.get(-code, f'signal {-code}')}"
