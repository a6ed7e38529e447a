"""One client of the control socket: its request, and the answers until it hangs up or the run ends.

Lines of JSON in both directions. The client sends one request and nothing more; the server answers with lines.

``{"ask": "status", "every_secs": 1.0}``
    one line at once and then one each ``every_secs``: a ``runtime.status.Status``.
``{"ask": "tap", "id": "errors", "where": "status >= 500", "per_sec": 100}``
    ``{"tapping": "errors"}``, then ``{"event": {…}}`` for each event that passes (named as in JSON output), ``{"missed": 7}``
    where some passed unseen. ``id`` is a source, a transform, an output (``split.errors``), or a sink (what enters it); without
    it all sources. ``where`` may be left out. ``{"ended": true}`` says that nothing is missing between the last line and the
    end of the run; a client that is behind by then does not get it.
``{"ask": "reload"}``
    ``{"reloaded": "edge.toml"}`` when the pipeline file was read again and runs now, else ``{"error": "…", "problems": […]}``:
    then nothing has changed.
anything that cannot be answered
    ``{"error": "…"}``, then the server hangs up.

A client that stops reading waits in its own task and costs one answer; a tap counts meanwhile what passes unseen. There is no
time limit for it: a terminal that was stopped for an hour shows the rest when it goes on.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import anyio
import msgspec
from anyio.to_thread import run_sync

from pipeline.api import Event, FieldType
from pipeline.delivery.fanout import Fanout
from pipeline.errors import HttpipeError
from pipeline.runtime.connection import Connection
from pipeline.runtime.engine import Engine
from pipeline.runtime.tap import Tap

MAX_REQUEST_BYTES = 16 << 10
"""A condition that long takes a fifth of a second to compile."""
REQUEST_SECS = 5.0
"""A request that is not complete by then is not waited for."""
MIN_EVERY_SECS = 0.1
MAX_EVERY_SECS = 86_400.0
MAX_PER_SEC = 10_000

Encode = Callable[[Event], bytes]


class StatusRequest(msgspec.Struct, tag_field="ask", tag="status", forbid_unknown_fields=True):
    """Pictures of the pipeline."""

    every_secs: float = 1.0


class TapRequest(msgspec.Struct, tag_field="ask", tag="tap", forbid_unknown_fields=True):
    """What passes a component, or all sources."""

    id: str | None = None
    where: str | None = None
    per_sec: int = 100


class ReloadRequest(msgspec.Struct, tag_field="ask", tag="reload", forbid_unknown_fields=True):
    """Read the pipeline file again."""


Request = StatusRequest | TapRequest | ReloadRequest

Reload = Callable[[], Awaitable[Sequence[str]]]
"""Gives what is wrong; nothing when the file runs now."""

_requests = msgspec.json.Decoder(Request)


def line(answer: object) -> bytes:
    """An answer as it is sent."""
    return msgspec.json.encode(answer) + b"\n"


class ControlSession:
    """One connection. Raises ``OSError`` when the client goes, in a group where it happened beside the watching of the client."""

    def __init__(self, client: Connection, engine: Engine, reload: Reload) -> None:
        self._client = client
        self._engine = engine
        self._reload = reload

    async def run(self) -> None:
        """Until the client hangs up or the run ends."""
        try:
            answer = await self._understood(await self._request())
        except HttpipeError as error:
            await self._refuse(error)
            return
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch, group.cancel_scope)
            try:
                await answer()
            except HttpipeError as error:
                await self._refuse(error)
            group.cancel_scope.cancel()

    async def _refuse(self, error: HttpipeError) -> None:
        with anyio.move_on_after(REQUEST_SECS):
            await self._client.send(line({"error": str(error)}))

    async def _watch(self, scope: anyio.CancelScope) -> None:
        """A client says nothing after its request: what comes is its end, or no client of ours."""
        await self._client.something_comes()
        scope.cancel()

    async def _request(self) -> Request:
        received = bytearray()
        with anyio.fail_after(REQUEST_SECS):
            while b"\n" not in received:
                received += await self._client.receive()
                if len(received) > MAX_REQUEST_BYTES:
                    raise HttpipeError("the request is too long")
        try:
            request: Request = _requests.decode(received.partition(b"\n")[0])
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise HttpipeError(f"not understood: {error}") from error
        return request

    async def _understood(self, request: Request) -> Callable[[], Awaitable[None]]:
        """What answers the request. Raises ``HttpipeError``."""
        match request:
            case ReloadRequest():
                return self._reloaded
            case StatusRequest(every_secs=every_secs):
                return partial(self._status, min(MAX_EVERY_SECS, max(MIN_EVERY_SECS, every_secs)))
            case TapRequest(id=name, where=where, per_sec=per_sec):
                outputs = self._outputs(name)
                tap = Tap(await self._condition(where), max(1, min(MAX_PER_SEC, per_sec)))
                return partial(self._tap, tap, outputs, name or ", ".join(self._engine.sources))

    async def _reloaded(self) -> None:
        """A client that goes meanwhile does not call it off."""
        with anyio.CancelScope(shield=True):
            problems = await self._reload()
        answer = {"error": "not reloaded", "problems": problems} if problems else {"reloaded": self._engine.plan.file}
        await self._client.send(line(answer))

    async def _status(self, every_secs: float) -> None:
        while True:
            await self._client.send(line(self._engine.status()))
            await anyio.sleep(every_secs)

    async def _tap(self, tap: Tap, outputs: Sequence[Fanout], name: str) -> None:
        from pipeline.codecs.registry import codec  # noqa: PLC0415  only those who tap pay for it

        encode = codec("json").encode
        await self._client.send(line({"tapping": name}))
        tap.attach(outputs)
        sending = False
        try:
            while True:
                events, missed = await tap.take()
                sending = True
                await self._client.send(b"".join(_seen(events, missed, encode)))
                sending = False
        finally:
            tap.detach()
            if not sending:
                self._last_words(_seen(*tap.rest(), encode))

    def _last_words(self, seen: Sequence[bytes]) -> None:
        """What a tap still holds when the run ends, as far as its client takes it at once: nobody waits for it any more."""
        for each in (*seen, line({"ended": True})):
            if not self._client.send_now(each):
                return

    def _outputs(self, name: str | None) -> Sequence[Fanout]:
        engine = self._engine
        if name is None:
            return [engine.outputs.of(each) for each in engine.sources]
        if name in engine.sinks:
            return [engine.outputs.of(each) for each in engine.plan.sinks[name].inputs]
        named = [f"{spec.id}.{output}" for spec in engine.plan.transforms.values() for output in spec.outputs]
        if name in engine.sources or name in engine.transforms or name in named:
            return [engine.outputs.of(name)]
        known = sorted([*engine.sources, *engine.transforms, *engine.sinks, *named])
        raise HttpipeError(f'nothing here is called "{name}"; there are {", ".join(known)}')

    async def _condition(self, where: str | None) -> Callable[[Event], bool] | None:
        """Compiled beside the loop: a long one takes its time."""
        if not where:
            return None
        from pipeline.expressions import ExpressionError, compile_filter  # noqa: PLC0415  only those who tap pay for it

        try:
            return await run_sync(compile_filter, where, self._attributes())
        except ExpressionError as error:
            raise HttpipeError(f"where: {error}") from error

    def _attributes(self) -> Mapping[str, FieldType]:
        """What the transforms of this pipeline add."""
        known: dict[str, FieldType] = {}
        for transform in self._engine.plan.transforms.values():
            known.update(transform.attributes)
        for sink in self._engine.plan.sinks.values():
            known.update(sink.attributes)
        for unit in self._engine.transforms.values():
            if unit.node.transform is not None:
                known.update(unit.node.transform.adds)
        return known


def _seen(events: Sequence[Event], missed: int, encode: Encode) -> list[bytes]:
    lines = [b'{"event":' + encode(event) + b"}\n" for event in events]
    return [*lines, line({"missed": missed})] if missed else lines
