"""All that is known of one event, as a text for the terminal. Pure: an event and a width in, styled text out."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from pipeline.api import Event, Exchange
from pipeline.cli.watch.columns import STATUS_STYLES, milliseconds, size_of
from pipeline.codecs.text import visible
from pipeline.live.details import MARKS, details
from pipeline.sinks.stdout.clock import time_of_day

MOST_BODY = 200_000
"""Characters of a body that are shown."""
LABEL = 16
ERRORS: Mapping[str, str] = {
    "reset": "The connection was reset before the whole answer.",
    "closed": "The connection was closed before the whole answer.",
    "timeout": "No whole answer was seen in time.",
}
"""``error.type`` in words."""
SHOWN = ("http.request.body.content", "http.response.body.content")
"""Fields that stand in sections of their own."""


def text_of(number: int, event: Event, width: int) -> Text:
    """Everything, in sections."""
    known = details(number, event)
    text = Text(no_wrap=False, overflow="fold")
    _title(text, known, event)
    if isinstance(event, Exchange):
        _timing(text, event, width)
    _remarks(text, known, event)
    _section(text, "Connection")
    _pairs(text, known["ends"])
    if isinstance(event, Exchange):
        for side, name in (("request", "Request"), ("response", "Response")):
            _message(text, name, known[f"{side}_head"], known[f"{side}_body"])
    _section(text, "Fields")
    _pairs(text, [(name, _plain(value)) for name, value in known["event"].items() if name not in SHOWN], wide=True)
    return text


def _title(text: Text, known: Mapping[str, Any], event: Event) -> None:
    status = getattr(event, "http_response_status_code", None)
    text.append(visible(str(known["title"])), f"bold {STATUS_STYLES.get((status or 0) // 100, 'magenta')}")
    text.append(f"  {visible(str(known['url']))}\n", "bold")
    text.append(f"{time_of_day(event.timestamp_ns, 6)}\n", "dim")


def _timing(text: Text, event: Exchange, width: int) -> None:
    """Until the first byte of the answer, and until the last."""
    total, wait = event.httpipe_duration_ms, event.httpipe_ttfb_ms
    text.append("\n")
    if total is None or wait is None:
        text.append("No whole answer was seen: how long it took is not known.\n", "dim")
        return
    room = max(10, min(width - 2, 72))
    waited = min(room, max(1 if wait else 0, round(room * wait / total))) if total else room
    text.append("█" * waited, "yellow")
    text.append("▒" * (room - waited), "green")
    text.append("\n")
    text.append("█ ", "yellow")
    text.append(f"request and wait {milliseconds(wait)} ")
    text.append("  ▒ ", "green")
    text.append(f"response {milliseconds(max(0.0, total - wait))}   whole {milliseconds(total)}\n")


def _remarks(text: Text, known: Mapping[str, Any], event: Event) -> None:
    error = str(getattr(event, "error_type", ""))
    marks: Sequence[tuple[str, str]] = known["marks"]
    if not marks and error not in ERRORS:
        return
    _section(text, "Remarks")
    for name, meaning in marks:
        text.append(f"{visible(name)}: ", "yellow")
        text.append(f"{meaning or MARKS.get(name, '')}\n")
    if error in ERRORS:
        text.append(f"{error}: ", "yellow")
        text.append(f"{ERRORS[error]}\n")


def _message(text: Text, name: str, head: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    """A head and a body."""
    _section(text, name)
    if head["start"]:
        text.append(f"{head['start']}\n", "bold")
    for field, value in head["fields"]:
        text.append(f"{field}: ", "cyan")
        text.append(f"{value}\n")
    if not head["start"] and not head["fields"]:
        text.append("The head was not kept.\n", "dim")
    text.append("\n")
    if body["text"] is None:
        said = "No body.\n" if body["size"] == 0 else f"Body: {size_of(body['size'])}, not kept (--bodies 64KiB keeps bodies).\n"
        text.append(said, "dim")
        return
    text.append(f"Body: {size_of(body['size'])}{', ' + body['note'] if body['note'] else ''}\n", "dim")
    shown = readable(str(body["text"]))
    text.append("\n".join(visible(line) for line in shown[:MOST_BODY].splitlines()) + "\n")
    if len(shown) > MOST_BODY:
        text.append(f"… {len(shown) - MOST_BODY:,} characters more\n", "dim")


def readable(body: str) -> str:
    """JSON indented; anything else as it is."""
    if body[:1] not in ("{", "["):
        return body
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body


def _section(text: Text, name: str) -> None:
    text.append(f"\n{name}\n", "bold underline")


def _pairs(text: Text, pairs: Sequence[tuple[str, str]], *, wide: bool = False) -> None:
    width = max((len(name) for name, _ in pairs), default=0) + 2 if wide else LABEL
    for name, value in pairs:
        text.append(f"{visible(name):<{width}}", "cyan")
        text.append(f"{visible(value)}\n")


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
