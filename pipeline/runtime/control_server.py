"""The control socket: what `httpipe top` and `httpipe tap` ask a running pipeline. A local socket, for its owner only (0600).

Lines of JSON in both directions. The client sends one request, the server answers with lines until one of them hangs up:

``{"ask": "status", "every_secs": 1.0}``
    one line at once and then one each ``every_secs``: a ``runtime.status.Status``.
``{"ask": "tap", "id": "errors", "where": "status >= 500", "per_sec": 100}``
    ``{"event": {…}}`` for each event that passes (named as in JSON output), ``{"missed": 7}`` where some passed unseen.
    ``id`` is a source, a transform, an output (``split.errors``), or a sink (what enters it). ``where`` may be left out.
anything that cannot be answered
    ``{"error": "…"}``, then the server hangs up.
"""

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import msgspec
from anyio.abc import SocketListener, SocketStream

from pipeline.api import FieldType
from pipeline.delivery.fanout import Fanout
from pipeline.errors import HttpipeError
from pipeline.runtime.engine import Engine
from pipeline.runtime.tap import Tap

MAX_CLIENTS = 8
"""Each may cost some milliseconds a second."""
MAX_REQUEST_BYTES = 64 << 10
REQUEST_SECS = 5.0
SEND_SECS = 10.0
"""A client that does not read for so long is hung up on."""
MIN_EVERY_SECS = 0.1
MAX_PER_SEC = 10_000


class StatusRequest(msgspec.Struct, tag_field="ask", tag="status", forbid_unknown_fields=True):
    """Pictures of the pipeline."""

    every_secs: float = 1.0


class TapRequest(msgspec.Struct, tag_field="ask", tag="tap", forbid_unknown_fields=True):
    """What passes a component."""

    id: str
    where: str | None = None
    per_sec: int = 100


Request = StatusRequest | TapRequest

_requests = msgspec.json.Decoder(Request)


class ControlServer:
    """Answers on ``path``. Taps are taken off when their client goes."""

    def __init__(self, path: str, engine: Engine, *, asked_for: bool = True) -> None:
        self.path = path
        self._asked_for = asked_for
        self._engine = engine
        self._clients = anyio.Semaphore(MAX_CLIENTS)

    async def run(self) -> None:
        """Listen until cancelled. The pipeline runs without a socket too: whoever named one is warned, others need not care."""
        try:
            listener = await self._listen()
        except OSError as error:
            tell = self._engine.log.warning if self._asked_for else self._engine.log.debug
            tell("no control socket: top and tap will not work", extra={"path": self.path, "error": str(error)})
            return
        try:
            async with listener:
                await listener.serve(self._serve)
        finally:
            Path(self.path).unlink(missing_ok=True)  # noqa: ASYNC240  one system call at the end

    async def _listen(self) -> SocketListener:
        if _somebody_answers(self.path):
            raise OSError("another httpipe uses this socket; name one in [process] control_socket")
        Path(self.path).unlink(missing_ok=True)  # noqa: ASYNC240  a socket that a crash left behind
        # Never open to others, not even for a moment: anyio binds, changes the mode, and listens only then; until a socket
        # listens, whoever connects is refused (unix(7)). A umask would be the whole process's, and other threads write files.
        return await anyio.create_unix_listener(self.path, mode=0o600)

    async def _serve(self, client: SocketStream) -> None:
        async with client:
            try:
                async with self._clients:
                    request = await self._request(client)
                    match request:
                        case StatusRequest():
                            await self._status(client, request)
                        case TapRequest():
                            await self._tap(client, request)
            except HttpipeError as error:
                with anyio.move_on_after(SEND_SECS):
                    await _send(client, {"error": str(error)})
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, TimeoutError):
                return  # the client has gone

    async def _request(self, client: SocketStream) -> Request:
        line = bytearray()
        with anyio.fail_after(REQUEST_SECS):
            while b"\n" not in line:
                line += await client.receive()
                if len(line) > MAX_REQUEST_BYTES:
                    raise HttpipeError("the request is too long")
        try:
            request: Request = _requests.decode(line.partition(b"\n")[0])
        except msgspec.MsgspecError as error:
            raise HttpipeError(f"not understood: {error}") from error
        return request

    async def _status(self, client: SocketStream, request: StatusRequest) -> None:
        while True:
            await _send(client, self._engine.status())
            await anyio.sleep(max(MIN_EVERY_SECS, request.every_secs))

    async def _tap(self, client: SocketStream, request: TapRequest) -> None:
        from pipeline.codecs.registry import codec  # noqa: PLC0415  only those who tap pay for it
        from pipeline.expressions import ExpressionError, compile_filter  # noqa: PLC0415

        encode = codec("json").encode
        where = None
        if request.where:
            try:
                where = compile_filter(request.where, self._attributes())
            except ExpressionError as error:
                raise HttpipeError(f"where: {error}") from error
        tap = Tap(where, max(1, min(MAX_PER_SEC, request.per_sec)))
        tap.attach(self._outputs(request.id))
        try:
            await _send(client, {"tapping": request.id})
            async with anyio.create_task_group() as group:
                group.start_soon(_cancel_when_gone, client, group.cancel_scope)
                while True:
                    events, missed = await tap.take()
                    lines = [b'{"event":' + encode(event) + b"}\n" for event in events]
                    if missed:
                        lines.append(b'{"missed":%d}\n' % missed)
                    with anyio.fail_after(SEND_SECS):
                        await client.send(b"".join(lines))
        finally:
            tap.detach()

    def _outputs(self, name: str) -> Sequence[Fanout]:
        engine = self._engine
        if name in engine.sinks:
            return [engine.outputs.of(each) for each in engine.plan.sinks[name].inputs]
        if name in engine.sources or name in engine.transforms or name in engine.plan.consumers:
            return [engine.outputs.of(name)]
        known = sorted({*engine.sources, *engine.transforms, *engine.sinks, *engine.plan.consumers})
        raise HttpipeError(f'nothing here is called "{name}"; there are {", ".join(known)}')

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


async def _cancel_when_gone(client: SocketStream, scope: anyio.CancelScope) -> None:
    """A client says nothing after its request: what comes is its end."""
    try:
        while True:
            await client.receive()
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
        scope.cancel()


async def _send(client: SocketStream, answer: object) -> None:
    with anyio.fail_after(SEND_SECS):
        await client.send(msgspec.json.encode(answer) + b"\n")


def _somebody_answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(path) == 0
