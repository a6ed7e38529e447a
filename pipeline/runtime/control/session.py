"""One client of the control socket: its request, and the answers until it hangs up or the run ends.

Lines of JSON in both directions. The client sends one request and nothing more; the server answers with lines.

``{"ask": "status", "every_secs": 1.0}``
    one line at once and then one each ``every_secs``: a ``Snapshot`` (``model.snapshot``).
``{"ask": "tap", "id": "errors", "where": "status >= 500", "per_sec": 100}``
    ``{"tapping": "errors"}``, then ``{"event": {…}}`` for each event that passes (named as in JSON output), ``{"missed": 7}``
    where some were not shown. ``id`` is a source, a transform, an output (``split.errors``), or a sink (what enters it); without
    it all sources. ``where`` may be left out. ``{"ended": true}`` means that nothing is missing between the last line and the
    end of the run; a client that is behind by then does not get it. With ``"heads": true`` an exchange of which the heads are
    kept comes as ``{"event": {…}, "heads": [request, response]}``, each a text of Latin-1, as captured, or null.
``{"ask": "reload"}``
    ``{"reloaded": "edge.toml"}`` when the pipeline file was read again and runs now, else ``{"error": "…", "problems": […]}``:
    then nothing has changed.
anything that cannot be answered
    ``{"error": "…"}``, then the server hangs up.

A client that stops reading waits in its own task and costs one answer; a tap counts meanwhile what passes unseen. There is no
time limit for it: a terminal that was stopped for an hour shows the rest when it goes on.
"""

from collections.abc import Callable, Sequence

import anyio
import msgspec

from pipeline.api import Event, Exchange
from pipeline.errors import HttpipeError
from pipeline.runtime.control.connection import Connection
from pipeline.runtime.control.service import ControlService

MAX_REQUEST_BYTES = 16 << 10
"""A condition that long takes a fifth of a second to compile."""
REQUEST_SECS = 5.0
"""A request that is not complete by then is not waited for."""
MIN_EVERY_SECS = 0.1
MAX_EVERY_SECS = 86_400.0

Encode = Callable[[Event], bytes]


class StatusRequest(msgspec.Struct, tag_field="ask", tag="status", forbid_unknown_fields=True):
    """Snapshots of the run, one after the other."""

    every_secs: float = 1.0


class TapRequest(msgspec.Struct, tag_field="ask", tag="tap", forbid_unknown_fields=True):
    """What passes a component, or all sources."""

    id: str | None = None
    where: str | None = None
    per_sec: int = 100
    heads: bool = False


class ReloadRequest(msgspec.Struct, tag_field="ask", tag="reload", forbid_unknown_fields=True):
    """Read the pipeline file again."""


Request = StatusRequest | TapRequest | ReloadRequest

_requests = msgspec.json.Decoder(Request)


def line(answer: object) -> bytes:
    """An answer as it is sent."""
    return msgspec.json.encode(answer) + b"\n"


class ControlSession:
    """One connection. Raises ``OSError`` when the client goes, in a group where it happened beside the watching of the client."""

    def __init__(self, client: Connection, service: ControlService) -> None:
        self._client = client
        self._service = service

    async def run(self) -> None:
        """Until the client hangs up or the run ends."""
        try:
            request = await self._request()
        except HttpipeError as error:
            await self._refuse(error)
            return
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch, group.cancel_scope)
            try:
                await self._answer(request)
            except HttpipeError as error:
                await self._refuse(error)
            group.cancel_scope.cancel()

    async def _refuse(self, error: HttpipeError) -> None:
        with anyio.move_on_after(REQUEST_SECS):
            await self._client.send(line({"error": str(error)}))

    async def _watch(self, scope: anyio.CancelScope) -> None:
        """A client sends nothing after its request: what comes is its end, or not from a client of ours."""
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

    async def _answer(self, request: Request) -> None:
        """Raises ``HttpipeError`` where it cannot be answered."""
        match request:
            case ReloadRequest():
                await self._reload()
            case StatusRequest(every_secs=every_secs):
                await self._snapshots(min(MAX_EVERY_SECS, max(MIN_EVERY_SECS, every_secs)))
            case TapRequest():
                await self._tap(request)

    async def _reload(self) -> None:
        problems = await self._service.reload()
        answer = {"error": "not reloaded", "problems": problems} if problems else {"reloaded": self._service.snapshot().file}
        await self._client.send(line(answer))

    async def _snapshots(self, every_secs: float) -> None:
        while True:
            await self._client.send(line(self._service.snapshot()))
            await anyio.sleep(every_secs)

    async def _tap(self, request: TapRequest) -> None:
        from pipeline.codecs.registry import codec  # noqa: PLC0415  only those who tap pay for it

        encode = codec("json").encode
        async with self._service.tap(request.id, request.where, request.per_sec) as tap:
            await self._client.send(line({"tapping": request.id or self._all_sources()}))
            sending = False
            try:
                while True:
                    events, missed = await tap.take()
                    sending = True
                    await self._client.send(b"".join(_lines(events, missed, encode, heads=request.heads)))
                    sending = False
            finally:
                if not sending:
                    self._send_rest(_lines(*tap.rest(), encode, heads=request.heads))

    def _all_sources(self) -> str:
        return ", ".join(each.id for each in self._service.snapshot().components if each.kind == "source")

    def _send_rest(self, lines: Sequence[bytes]) -> None:
        """What a tap still holds when the run ends, as far as its client takes it at once: nobody waits for it any more."""
        for each in (*lines, line({"ended": True})):
            if not self._client.send_now(each):
                return


def _lines(events: Sequence[Event], missed: int, encode: Encode, *, heads: bool) -> list[bytes]:
    lines = [b'{"event":' + encode(event) + (_heads(event) if heads else b"") + b"}\n" for event in events]
    return [*lines, line({"missed": missed})] if missed else lines


def _heads(event: Event) -> bytes:
    if not isinstance(event, Exchange) or (event.request_head is None and event.response_head is None):
        return b""
    both = [None if head is None else head.decode("latin-1") for head in (event.request_head, event.response_head)]
    return b',"heads":' + msgspec.json.encode(both)
