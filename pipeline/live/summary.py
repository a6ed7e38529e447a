"""Endpoints, and who calls whom, added up from the exchanges of a store. One thread adds (``update``); any thread may ask.

What untrusted peers can make many of is bounded: endpoints and calls beyond ``MOST`` count as one called ``{other}``.
"""

import re
import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from pipeline import native
from pipeline.api import Event, Exchange
from pipeline.codecs.text import visible
from pipeline.live.series import STEP_SECS, Point, Series
from pipeline.live.store import Store

MOST = 200
"""Endpoints, and calls: with 15 minutes of each some 20 MB."""
OTHER = "{other}"
TURN_EVENTS = 20_000
"""Events that one ``update`` adds, 3 µs each; what the store drops before it was added is counted in ``missed``."""
PART_EVENTS = 500
"""Events after which other threads may run."""
LONGEST = 200
"""Characters of a path or a name."""

_VARIES = re.compile(r"[0-9]+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|(?=[0-9a-fA-F]*[0-9])[0-9a-fA-F]{16,128}")
"""Segments that stand for one of many, as ``template_path`` recognizes them."""

_COLUMNS = [
    "timestamp_ns",
    "http_request_method",
    "server_address",
    "server_port",
    "url_path",
    "error_type",
    "http_response_size",
    "httpipe_duration_ms",
    "httpipe_client_process_executable_name",
    "client_address",
    "process_executable_name",
    "network_local_address",
    "network_local_port",
]


class Endpoint(NamedTuple):
    """Requests of one method, host and templated path in the last 15 minutes. Latencies in ms; ``counts``: of each step."""

    key: str
    requests: int
    rate: float
    errors: int
    p50: float | None
    p95: float | None
    p99: float | None
    bytes: int
    counts: Sequence[int]


class Call(NamedTuple):
    """Who calls whom, likewise."""

    client: str
    server: str
    requests: int
    rate: float
    errors: int
    p95: float | None


class Summary:
    """Of one store. ``now``: seconds since 1970; None: what is newest happens now, as in a capture file."""

    def __init__(self, store: Store, now: Callable[[], float] | None = time.time) -> None:
        self._store = store
        self._now = now
        self._after = 0
        self._endpoints: dict[str, Series] = {}
        self._calls: dict[tuple[str, str], Series] = {}
        self._lock = threading.Lock()
        self._newest = 0
        self.missed = 0

    def update(self) -> bool:
        """Add what is new, a bounded part of it. True where there is more."""
        batches = self._store.batches(self._after)
        if batches and batches[0].first > self._after + 1:
            self.missed += batches[0].first - self._after - 1
        added = 0
        for batch in batches:
            begin = max(0, self._after + 1 - batch.first)
            for at in range(begin, len(batch.events), PART_EVENTS):
                part = batch.events[at : at + PART_EVENTS]
                with self._lock:
                    for values in _rows(part):
                        self._add(values)
                added += len(part)
                self._after = batch.first + at + len(part) - 1
                time.sleep(0)
            if added >= TURN_EVENTS:
                return True
        step = self._step()
        with self._lock:
            _expire(self._endpoints, step)
            _expire(self._calls, step)
        return False

    def endpoints(self) -> list[Endpoint]:
        """Those with most requests first."""
        now = self._step()
        with self._lock:
            found = [(key, series, series.total) for key, series in self._endpoints.items()]
            return sorted(
                (
                    Endpoint(
                        key,
                        total.count,
                        series.rate(now),
                        total.errors,
                        total.quantile(0.5),
                        total.quantile(0.95),
                        total.quantile(0.99),
                        total.bytes,
                        series.counts(now),
                    )
                    for key, series, total in found
                ),
                key=lambda each: -each.requests,
            )

    def points(self, key: str) -> Sequence[Point]:
        """How one endpoint went; empty where nothing is known of it."""
        with self._lock:
            series = self._endpoints.get(key)
            return series.points(self._step()) if series is not None else ()

    def calls(self) -> list[Call]:
        """Those with most requests first."""
        now = self._step()
        with self._lock:
            return sorted(
                (
                    Call(*ends, series.total.count, series.rate(now), series.total.errors, series.total.quantile(0.95))
                    for ends, series in self._calls.items()
                ),
                key=lambda each: -each.requests,
            )

    def _step(self) -> int:
        return self._newest if self._now is None else int(self._now()) // STEP_SECS

    def _add(self, row: tuple[Any, ...]) -> None:
        """One exchange, by ``_COLUMNS``."""
        timestamp_ns, method, host, port, path, error, size, ms, client_name, client, server_name, server, server_port = row
        step = timestamp_ns // (STEP_SECS * 1_000_000_000)
        self._newest = max(self._newest, step)
        values: dict[str, Any] = {"error": error is not None, "size": size or 0, "ms": ms}
        where = host if port in (None, 80, 443) else f"{host}:{port}"
        _series(self._endpoints, _endpoint(method, where, path), OTHER).add(step, **values)
        called = _named(server_name, server) if server_name else _socket(server, server_port)
        _series(self._calls, (_named(client_name, client), called), (OTHER, OTHER)).add(step, **values)


def _expire(known: dict[Any, Series], step: int) -> None:
    for key, series in list(known.items()):
        series.expire(step)
        if not series.total.count:
            del known[key]


def _series(known: dict[Any, Series], key: object, other: object) -> Series:
    found = known.get(key)
    if found is None:
        key = key if len(known) < MOST else other
        found = known.setdefault(key, Series())
    return found


@lru_cache(maxsize=4096)
def _endpoint(method: str | None, host: str | None, path: str | None) -> str:
    return visible(f"{method or '-'} {host or ''}{template(path or '')}")[:LONGEST]


@lru_cache(maxsize=4096)
def _named(name: str | None, address: str | None) -> str:
    return visible(f"{name} {address or ''}".rstrip() if name else address or "?")[:LONGEST]


def _socket(address: str | None, port: int | None) -> str:
    if not address:
        return "?"
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def template(path: str) -> str:
    """``/users/{id}`` for ``/users/123``."""
    return "/".join("{id}" if _VARIES.fullmatch(each) else each for each in path[:2048].split("/"))


def _rows(events: Sequence[Event]) -> Sequence[tuple[Any, ...]]:
    """The columns of those that are exchanges."""
    if isinstance(events, native.EVENTS):
        rows = events.columns(_COLUMNS)
        if rows is not None:
            return rows
    return [tuple([getattr(event, name) for name in _COLUMNS]) for event in events if isinstance(event, Exchange)]
