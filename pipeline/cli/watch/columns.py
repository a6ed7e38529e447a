"""What stands in the columns of each table: text that can hurt no terminal, and its style. Pure."""

from collections.abc import Sequence
from itertools import pairwise

from pipeline.api import Event, Exchange
from pipeline.cli.top_view import duration, rate, short
from pipeline.cli.watch.layout import Cell, Column
from pipeline.live.rows import row
from pipeline.live.summary import Call, Endpoint
from pipeline.sinks.stdout.clock import time_of_day

STATUS_STYLES = {1: "dim", 2: "green", 3: "cyan", 4: "yellow", 5: "bold red"}
"""By the first digit."""

OUTCOME_STYLES = {"open": "dim", "failed": "bold red", "refused": "yellow", "success": "green", "redirect": "cyan"}
"""As ``live.rows`` says it of what has no status."""

EXCHANGES = (
    Column("time", "TIME", 8, most=115),
    Column("time", "TIME", 12, least=116),
    Column("status", "ST", 3),
    Column("method", "METHOD", 7),
    Column("url", "HOST/PATH", 0, most=115),
    Column("host", "HOST", 0, least=116),
    Column("path", "PATH", 0, least=116, share=2),
    Column("remarks", "", 8, most=115),
    Column("remarks", "REMARKS", 20, least=116),
    Column("took", "TOOK", 8, right=True),
    Column("ttfb", "WAIT", 8, right=True, least=156),
    Column("size", "SIZE", 7, right=True),
    Column("client", "CLIENT", 28, least=156),
    Column("server", "SERVER", 28, least=156),
)

PENDING = (
    Column("time", "SINCE", 8),
    Column("age", "AGE", 7, right=True),
    Column("method", "METHOD", 7),
    Column("url", "HOST/PATH", 0),
    Column("client", "CLIENT", 26, least=116),
    Column("server", "SERVER", 26, least=116),
)

ENDPOINTS = (
    Column("endpoint", "ENDPOINT", 0),
    Column("requests", "REQUESTS", 9, right=True),
    Column("rate", "REQ/s", 6, right=True),
    Column("errors", "ERRORS", 7, right=True),
    Column("p50", "P50", 7, right=True),
    Column("p95", "P95", 7, right=True, least=100),
    Column("p99", "P99", 7, right=True),
    Column("bytes", "BYTES", 7, right=True, least=100),
    Column("trend", "15 MINUTES", 20, least=116, most=155),
    Column("trend", "15 MINUTES", 60, least=156),
)

CALLS = (
    Column("client", "CLIENT", 0),
    Column("server", "SERVER", 0),
    Column("requests", "REQUESTS", 9, right=True),
    Column("rate", "REQ/s", 6, right=True),
    Column("errors", "ERRORS", 7, right=True),
    Column("p95", "P95", 7, right=True),
)

BARS = " ▁▂▃▄▅▆▇█"


def exchange(number: int, event: Event | None, columns: Sequence[Column]) -> list[Cell]:
    """A row of the first table; what the store has dropped is a row without text."""
    if event is None:
        return [("", "")] * len(columns)
    _, _, method, status, host, path, client, server, size, took, ttfb, error, marks, _, outcome = row(number, event)
    wide = any(column.name == "path" for column in columns)
    remarks = ",".join(filter(None, (marks, error))) if wide else error or marks
    state = str(status) if status is not None else error[:3] if error and not isinstance(event, Exchange) else "---"
    style = STATUS_STYLES.get((status or 0) // 100) or OUTCOME_STYLES.get(outcome, "magenta")
    values: dict[str, Cell] = {
        "time": (time_of_day(event.timestamp_ns, 3 if wide else 0), "dim"),
        "status": (state, style),
        "method": (method, ""),
        "url": (host + path, ""),
        "host": (host, ""),
        "path": (path, ""),
        "took": (milliseconds(took), "" if took is None or took < 1000 else "bold"),
        "ttfb": (milliseconds(ttfb), ""),
        "size": (size_of(size), ""),
        "client": (client, "dim"),
        "server": (server, "dim"),
        "remarks": (remarks, "yellow"),
    }
    return [values[column.name] for column in columns]


def pending(number: int, event: Event | None, columns: Sequence[Column], now_ns: int) -> list[Cell]:
    """A request without an answer so far."""
    if event is None:
        return [("", "")] * len(columns)
    _, _, method, _, host, path, client, server, *_ = row(number, event)
    age = max(0.0, (now_ns - event.timestamp_ns) / 1e9)
    values: dict[str, Cell] = {
        "time": (time_of_day(event.timestamp_ns, 0), "dim"),
        "age": (duration(age), "bold red" if age >= 10 else "yellow" if age >= 1 else ""),
        "method": (method, ""),
        "url": (host + path, ""),
        "client": (client, "dim"),
        "server": (server, "dim"),
    }
    return [values[column.name] for column in columns]


def endpoint(each: Endpoint, columns: Sequence[Column]) -> list[Cell]:
    """A row of the endpoints."""
    width = next((column.width for column in columns if column.name == "trend"), 0)
    values: dict[str, Cell] = {
        "endpoint": (each.key, ""),
        "requests": (f"{each.requests:,}" if each.requests < 10_000_000 else short(each.requests), ""),
        "rate": (rate(each.rate), ""),
        "errors": _errors(each.errors, each.requests),
        "p50": (milliseconds(each.p50), ""),
        "p95": (milliseconds(each.p95), ""),
        "p99": (milliseconds(each.p99), ""),
        "bytes": (size_of(each.bytes), ""),
        "trend": (sparkline(each.counts, width), "green"),
    }
    return [values[column.name] for column in columns]


def call(each: Call, columns: Sequence[Column]) -> list[Cell]:
    """A row of who calls whom."""
    values: dict[str, Cell] = {
        "client": (each.client, ""),
        "server": (each.server, ""),
        "requests": (f"{each.requests:,}" if each.requests < 10_000_000 else short(each.requests), ""),
        "rate": (rate(each.rate), ""),
        "errors": _errors(each.errors, each.requests),
        "p95": (milliseconds(each.p95), ""),
    }
    return [values[column.name] for column in columns]


def _errors(errors: int, requests: int) -> Cell:
    share = errors / requests if requests else 0.0
    text = "0" if not errors else f"{share:.1%}" if share < 0.995 else f"{share:.0%}"
    return (text, "" if not errors else "bold red" if share >= 0.05 else "yellow")


def sparkline(counts: Sequence[int], width: int) -> str:
    """So many bars over all steps, the highest as high as can be."""
    if width <= 0 or not counts:
        return ""
    edges = [len(counts) * place // width for place in range(width + 1)]
    sums = [sum(counts[begin:end]) for begin, end in pairwise(edges)]
    most = max(sums) or 1
    return "".join(BARS[-(-each * (len(BARS) - 1) // most)] for each in sums)


def milliseconds(value: float | None) -> str:
    """``0.4ms``, ``12ms``, ``1.20s``, ``2m05s``; ``-`` where it is not known."""
    if value is None:
        return "-"
    if value < 99.95:
        return f"{value:.1f}ms"
    return f"{value:.0f}ms" if value < 1000 else f"{value / 1000:.2f}s" if value < 60_000 else duration(value / 1000)


def size_of(value: int | None) -> str:
    """``99B``, ``2.1kB``, ``34MB``."""
    if value is None:
        return "-"
    return f"{value}B" if value < 1000 else f"{rate(value).lower() if value < 1e6 else rate(value)}B"
