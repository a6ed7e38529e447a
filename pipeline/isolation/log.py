"""The log of a sink's process: every line goes to the parent, which writes it as one of its own."""

import asyncio
import logging
import threading
from typing import Any

from pipeline.isolation.messages import Line
from pipeline.isolation.wire import Wire
from pipeline.telemetry.logs import fields_of

MAX_CHARS = 8000
"""Of one text or traceback."""

MAX_UNSENT_BYTES = 1 << 20
"""While the parent does not read, what comes beyond is dropped, and the next line that is sent says how much."""


class SendLines(logging.Handler):
    """To the parent, in the order of the lines, from any thread. Made in the thread of the loop."""

    def __init__(self, wire: Wire[Any]) -> None:
        super().__init__()
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Send it."""
        fields = {name: _plain(value) for name, value in fields_of(record).items()}
        if record.exc_info:
            fields["traceback"] = logging.Formatter().formatException(record.exc_info)[-MAX_CHARS:]
        line = Line(record.levelno, record.getMessage()[:MAX_CHARS], fields)
        if threading.get_ident() == self._thread:
            self._send(line)
        else:
            self._loop.call_soon_threadsafe(self._send, line)

    def _send(self, line: Line) -> None:
        if self._wire.unsent_bytes > MAX_UNSENT_BYTES:
            self._dropped += 1
            return
        if self._dropped:
            line.fields["dropped_lines"], self._dropped = self._dropped, 0
        self._wire.send(line)


def _plain(value: object) -> str | int | float | bool | None:
    return value if isinstance(value, int | float | bool | None) else str(value)[:MAX_CHARS]
