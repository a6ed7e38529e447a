"""What is answered: the page, and behind it JSON, server-sent events and files to save. Starlette; read-only.

``/api/exchanges`` is a stream of ``rows`` events. Each holds what came since the one before, the newest ``MOST_ROWS`` of it, and
how many were left out: a page, or a network, that is slow gets fewer rows and learns how many it missed. Writing waits for the
reader (uvicorn's own flow control), and nothing is collected meanwhile.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pipeline.api import Exchange
from pipeline.codecs.curl import curl
from pipeline.delivery.losses import CAPTURE_LOSSES, SHED
from pipeline.expressions.completion import begun, completions, words
from pipeline.expressions.condition import compile_filter
from pipeline.expressions.errors import ExpressionError
from pipeline.live.details import details
from pipeline.live.endpoint_filter import condition_of
from pipeline.live.rows import row
from pipeline.live.series import STEP_SECS
from pipeline.live.store import Wanted
from pipeline.live.view import View
from pipeline.packets.export import capture_of
from pipeline.ui.exports import FORMATS, MOST_EVENTS, PACKETS, PACKETS_TYPE

PAGE = Path(__file__).parent / "page"

MOST_ROWS = 500
"""In one event of a stream: more than anybody reads in the time."""
EVERY_SECS = 0.25
"""Between two events of a stream."""
ALIVE_SECS = 5.0
"""Between two signs of life where nothing comes."""
MAX_STREAMS = 8
"""Pages at a time."""
MAX_WORDS = 12
"""That a filter may go on with: as many as one looks over."""
MAX_WHERE = 4096
"""Characters of a filter: one takes a few ms to compile, once."""


def make_app(view: View, ending: asyncio.Event) -> Starlette:
    """The application; streams end when ``ending`` is set."""
    api = Api(view, ending)
    routes = [
        Route("/hello", api.hello),
        Route("/filter", api.filter),
        Route("/exchanges", api.exchanges),
        Route("/exchange/{number:int}", api.exchange),
        Route("/endpoints", api.endpoints),
        Route("/points", api.points),
        Route("/calls", api.calls),
        Route("/export", api.export),
        Route("/pipeline", api.pipeline),
    ]
    return Starlette(routes=[Mount("/api", routes=routes), Mount("/", StaticFiles(directory=PAGE, html=True))])


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


class Api:
    """One method for each path."""

    def __init__(self, view: View, ending: asyncio.Event) -> None:
        self._view = view
        self._ending = ending
        self._streams = 0
        self._compiled = lru_cache(maxsize=32)(lambda where: compile_filter(where, view.attributes()))
        self._store = view.store

    async def hello(self, _request: Request) -> Response:
        """What the page needs once."""
        formats = [*FORMATS, PACKETS] if self._view.packets is not None else list(FORMATS)
        return _json({"title": self._view.title, "version": version("httpipe"), "formats": formats})

    async def filter(self, request: Request) -> Response:
        """What is wrong with an expression, if anything; and words that the part of it in ``front`` of the cursor may end in."""
        error = None
        try:
            await self._wanted(request)
        except ExpressionError as problem:
            error = problem.message
        front = request.query_params.get("front", "")[:MAX_WHERE]
        fitting = completions(front, words(self._view.attributes()))
        more = max(0, len(fitting) - MAX_WORDS)
        return _json({"error": error, "begun": len(begun(front)), "words": fitting[:MAX_WORDS], "more": more})

    async def exchanges(self, request: Request) -> Response:
        """What passes, until the page goes."""
        try:
            wanted = await self._wanted(request)
        except ExpressionError as error:
            return _json({"error": error.message}, 400)
        if self._streams >= MAX_STREAMS:
            return _json({"error": f"{MAX_STREAMS} pages look already"}, 503)
        after = request.query_params.get("after", "0")
        begin = int(after) if after.isascii() and after.isdigit() and len(after) < 20 else 0
        return StreamingResponse(self._rows(wanted, begin), media_type="text/event-stream")

    async def _rows(self, wanted: Wanted | None, after: int) -> AsyncIterator[bytes]:
        self._streams += 1
        alive = 0.0
        try:
            while not self._ending.is_set():
                piece = await run_in_threadpool(self._store.since, after, MOST_ROWS, wanted)
                after = piece.after
                now = time.monotonic()
                if piece.events or piece.missed or now >= alive:
                    alive = now + ALIVE_SECS
                    yield _event(
                        {
                            "rows": [row(number, event) for number, event in piece.events],
                            "after": after,
                            "missed": piece.missed,
                            "kept": self._store.kept,
                            "seen": self._store.seen,
                            "ended": self._view.ended(),
                        }
                    )
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), EVERY_SECS)
        finally:
            self._streams -= 1

    async def exchange(self, request: Request) -> Response:
        """All that is known of one."""
        number = request.path_params["number"]
        event = await run_in_threadpool(self._store.event, number)
        if event is None:
            return _json({"error": "it is no longer kept"}, 404)
        known = details(number, event)
        return _json(known | {"curl": curl(event)} if isinstance(event, Exchange) else known)

    async def export(self, request: Request) -> Response:
        """A file: those whose numbers are asked for, or the newest that fit the filter."""
        name = request.query_params.get("format", "")
        form = FORMATS.get(name)
        if form is None and name != PACKETS:
            return _json({"error": f"there are the formats {', '.join((*FORMATS, PACKETS))}"}, 400)
        packets = self._view.packets
        if form is None and packets is None:
            return _json({"error": self._view.without_packets}, 400)
        try:
            wanted = await self._wanted(request)
        except ExpressionError as error:
            return _json({"error": error.message}, 400)
        if (ids := request.query_params.get("ids")) is not None:
            numbers = [int(each) for each in ids.split(",")[:MOST_ROWS] if each.isascii() and each.isdigit() and len(each) < 20]
            events = [event for number in numbers if (event := self._store.event(number)) is not None]
        else:
            piece = await run_in_threadpool(self._store.since, 0, MOST_EVENTS, wanted)
            events = [event for _, event in piece.events]
        if not events:
            return _json({"error": "there is nothing to save"}, 404)
        if form is not None:
            return _file(form.pieces(events), form.suffix, form.content_type)
        assert packets is not None  # noqa: S101  for the type checker: it was asked for above
        pieces, remark = await run_in_threadpool(capture_of, events, packets)
        return _file(pieces, PACKETS, PACKETS_TYPE, remark)

    async def endpoints(self, _request: Request) -> Response:
        """Rates, errors and latencies, with the filter that each stands for."""
        return await _asked(
            lambda: {"endpoints": [each._asdict() | {"where": condition_of(each.key)} for each in self._view.summary.endpoints()]}
        )

    async def points(self, request: Request) -> Response:
        """How one endpoint went in the last minutes."""
        key = request.query_params.get("key", "")
        return await _asked(lambda: {"points": self._view.summary.points(key), "step_secs": STEP_SECS})

    async def calls(self, _request: Request) -> Response:
        """Who calls whom."""
        return await _asked(lambda: {"calls": [each._asdict() for each in self._view.summary.calls()]})

    async def pipeline(self, _request: Request) -> Response:
        """The run's own state."""
        return await _asked(lambda: {"now": self._view.snapshot(), "losses": [*CAPTURE_LOSSES, *SHED]})

    async def _wanted(self, request: Request) -> Wanted | None:
        """The filter that is asked for. Raises ``ExpressionError``."""
        where = request.query_params.get("where", "").strip()
        if len(where) > MAX_WHERE:
            raise ExpressionError(f"has more than {MAX_WHERE} characters")
        return await run_in_threadpool(self._compiled, where) if where else None


def _file(pieces: Iterator[bytes], suffix: str, content_type: str, remark: str = "") -> Response:
    """To save; the page shows the remark."""
    headers = {"Content-Disposition": f'attachment; filename="httpipe-{time.strftime("%Y%m%d-%H%M%S")}.{suffix}"'}
    if remark:
        headers["X-Remark"] = remark
    return StreamingResponse(pieces, media_type=content_type, headers=headers)


def _event(content: dict[str, Any]) -> bytes:
    """A server-sent event (HTML Living Standard, section 9.2). JSON has no line end in it."""
    return b"event: rows\ndata: " + msgspec.json.encode(content) + b"\n\n"


async def _asked(make: Callable[[], dict[str, Any]]) -> Response:
    """JSON of what may take some ms, beside the loop."""
    return Response(await run_in_threadpool(lambda: msgspec.json.encode(make())), media_type="application/json")
