"""Two snapshots of a run → the screen of `httpipe top`. Pure: no clock, no socket, no terminal."""

from dataclasses import dataclass, replace

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.codecs.text import visible
from pipeline.delivery.losses import CAPTURE_LOSSES, SHED
from pipeline.model.histogram import BOUNDS_SECS
from pipeline.model.snapshot import ComponentSnapshot, Snapshot
from pipeline.sinks.stdout.cells import shortened

BAR_WIDTH = 10
LOSSES = CAPTURE_LOSSES | SHED
"""Counters that stand for something that is missing."""

STATE_STYLES = {"ok": "green", "degraded": "yellow", "failed": "red", "finished": "dim"}

SHORT_STATES = {"starting": "init", "finished": "done"}
"""Of the others the first four letters say enough."""

TITLES = {"source": "SOURCES", "transform": "TRANSFORMS", "sink": "SINKS"}


def view(now: Snapshot, before: Snapshot | None, columns: int) -> RenderableType:
    """The whole screen. Rates are over the time between the two snapshots.

    On a terminal too narrow for the table numbers are rounded, states and bars are short, and long names are cut; the type of
    a component goes. No number is left out.
    """
    table = _table(now, before, WIDE)
    if _width(table) > columns:
        table = _table(now, before, NARROW)
        longest = max((len(each.id) for each in now.components), default=0)
        if (excess := _width(table) - columns) > 0:
            table = _table(now, before, replace(NARROW, name=max(longest - excess, NAME_LEAST)))
    return Group(_head(now), table, *_remarks(now))


def _width(table: Table) -> int:
    return Console(width=10_000).measure(table).maximum


@dataclass(frozen=True, slots=True)
class Style:
    """How much room there is. ``name``: cells for the names of components."""

    rounded: bool
    gap: int
    name: int = 1000


WIDE, NARROW = Style(rounded=False, gap=2), Style(rounded=True, gap=1)
NAME_LEAST = 6


def _head(now: Snapshot) -> RenderableType:
    state = "draining" if now.draining else "running" if now.ready else "starting"
    style = {"running": "bold green", "draining": "bold yellow", "starting": "bold"}[state]
    return Text.assemble(
        ("httpipe ", "bold"), (now.file, "bold cyan"), "  ", (state, style), f"  up {duration(now.uptime_secs)}\n"
    )


def _table(now: Snapshot, before: Snapshot | None, style: Style) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, style.gap, 0, 0))
    table.add_column("COMPONENT"[: style.name + 2], no_wrap=True)
    if not style.rounded:
        table.add_column("TYPE", no_wrap=True, style="dim")
    table.add_column("STATE", no_wrap=True)
    for name in ("IN/s", "OUT/s", "IN", "OUT", "DROP" if style.rounded else "DROPPED"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("QUEUE", no_wrap=True)
    for name in ("LAG", "P99≤" if style.rounded else "P99 ≤", "BUSY", "ERR" if style.rounded else "ERRORS"):
        table.add_column(name, justify="right", no_wrap=True)
    earlier = {each.id: each for each in before.components} if before else {}
    secs = now.uptime_secs - before.uptime_secs if before else 0.0
    kind = ""
    for each in now.components:
        if each.kind != kind:
            table.add_row(Text(TITLES[each.kind], style="bold"))
            kind = each.kind
        table.add_row(*_row(each, earlier.get(each.id), secs, style))
    return table


def _row(now: ComponentSnapshot, before: ComponentSnapshot | None, secs: float, style: Style) -> list[RenderableType]:
    known = before is not None and secs > 0
    into = (now.received - before.received) / secs if known and before else 0.0
    out = (now.sent - before.sent) / secs if known and before else 0.0
    busy = (now.busy_secs - before.busy_secs) / secs if known and before else 0.0
    source = now.kind == "source"
    count = short if style.rounded else "{:,}".format
    state = SHORT_STATES.get(now.state, now.state[:4]) if style.rounded else now.state
    return [
        f"  {shortened(now.id, style.name)}",
        *([] if style.rounded else [now.type]),
        Text(state, style=STATE_STYLES.get(now.state, "")),
        rate(into) if known else "",
        rate(out) if known and not source else "",
        count(now.received),
        "" if source else count(now.sent),
        Text(count(now.lost), style="bold red" if now.lost else "dim"),
        _queue(now, bar=not style.rounded),
        duration(now.lag_secs) if now.lag_secs >= 0.001 else "",
        _slowest(now),
        f"{min(busy, 9.99):.0%}" if known else "",
        Text(count(now.errors), style="yellow" if now.errors else "dim"),
    ]


def _slowest(now: ComponentSnapshot) -> str:
    """The bound below which 99 of 100 latencies lie; what is read from a file was captured long ago, beyond every bound."""
    secs = now.latency.quantile(0.99) if now.latency is not None else None
    if secs is None:
        return ""
    return duration(secs) if secs <= BOUNDS_SECS[-1] else f">{duration(BOUNDS_SECS[-1])}"


def _queue(now: ComponentSnapshot, *, bar: bool) -> RenderableType:
    """How full: of events or of bytes, whichever is nearer to its bound."""
    if now.kind != "sink" or not now.max_events:
        return ""
    share = max(now.queued_events / now.max_events, now.queued_bytes / max(1, now.max_bytes))
    style = "green" if share < 0.5 else "yellow" if share < 0.9 else "red"
    if not bar:
        return Text(f"{share:4.0%}", style=style)
    filled = min(BAR_WIDTH, round(share * BAR_WIDTH))
    return Text.assemble(("█" * filled, style), ("░" * (BAR_WIDTH - filled), "dim"), f" {share:4.0%}")


def _remarks(now: Snapshot) -> list[RenderableType]:
    """Errors of components that are not well, reasons of drops, and what the components themselves count."""
    lines: list[RenderableType] = []
    for each in now.components:
        if each.error and each.state != "ok":
            lines.append(Text.assemble((f"{each.id}: ", "bold"), (visible(each.error), "yellow")))
        gone = [f"{drop.reason} {drop.events:,}" for drop in each.discarded if not drop.intentional and drop.events]
        if gone:
            lines.append(Text.assemble((f"{each.id} dropped: ", "bold"), (" · ".join(gone), "red")))
        counted = [(name, f"{name} {count:,}") for name, count in sorted(each.counters.items()) if count]
        if missing := [said for name, said in counted if name in LOSSES]:
            lines.append(Text.assemble((f"{each.id} not captured: ", "bold"), (" · ".join(missing), "red")))
        if others := [said for name, said in counted if name not in LOSSES]:
            lines.append(Text.assemble((f"{each.id}: ", "bold"), " · ".join(others)))
    return [Text(""), *lines] if lines else []


def rate(per_sec: float) -> str:
    """``12.3k``: three digits tell enough."""
    for unit in ("", "k", "M", "G", "T"):
        if per_sec < 999.5 or unit == "T":
            return f"{per_sec:.0f}{unit}" if per_sec >= 99.5 or per_sec == 0 else f"{per_sec:.1f}{unit}"
        per_sec /= 1000
    return ""


def short(count: int) -> str:
    """``12.3k``; below a thousand the number itself."""
    return str(count) if count < 1000 else rate(count)


def duration(secs: float) -> str:
    """``250ms``, ``1.5s``, ``2m05s``, ``3h04m``, ``2d03h``."""
    if secs < 1:
        return f"{secs * 1000:.0f}ms" if secs >= 0.01 else f"{secs * 1000:.1f}ms"
    if secs < 60:
        return f"{secs:.1f}s"
    for unit, smaller, size, part in (("m", "s", 60, 1), ("h", "m", 3600, 60), ("d", "h", 86_400, 3600)):
        if unit == "d" or secs < size * (60 if unit == "m" else 24):
            return f"{int(secs // size)}{unit}{int(secs % size // part):02d}{smaller}"
    return ""
