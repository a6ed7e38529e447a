"""Logs: sentences with fields, as text or JSON, on standard error; repeated ones are limited. Changes of state, never exchanges.

A log call is ``log.warning("cannot deliver", extra={"error": …})``: the sentence is constant, what varies is a field. What
came off the wire may be in a field, so control characters never reach the terminal.
"""

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TextIO

ROOT = "httpipe"
"""Every logger of httpipe is this one or below it."""

BURST = 5
"""So many equal lines in one window are written…"""
WINDOW_SECS = 60.0
"""…then the rest of the window is only counted."""
MAX_KINDS = 1000
"""Kinds of lines that are remembered; the sentences are constants, so only a plugin can come near this."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "component", "suppressed"}


class ComponentLog(logging.LoggerAdapter[logging.Logger]):
    """Names the component in every line and keeps the fields of the call (the standard adapter would replace them)."""

    def __init__(self, component: str) -> None:
        super().__init__(logging.getLogger(ROOT), {"component": component})

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:  # noqa: ANN401  as the base
        """Merge the fields."""
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **(self.extra or {})}
        return msg, kwargs


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """What was given as ``extra``, and how many equal lines were left out before this one."""
    fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    suppressed = getattr(record, "suppressed", 0)
    return {**fields, "suppressed": suppressed} if suppressed else fields


class TextFormatter(logging.Formatter):
    """``12:00:00.123 WARNING bus: cannot deliver  error="…" attempt=3``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, plus a traceback where one was asked for."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        component = _component(record)
        head = f"{clock}.{int(record.msecs):03d} {record.levelname:<7} "
        sentence = f"{component}: {record.getMessage()}" if component else record.getMessage()
        fields = "".join(f" {name}={_plain(value)}" for name, value in fields_of(record).items())
        trace = "\n" + self.formatException(record.exc_info) if record.exc_info else ""
        return head + _printable(sentence) + (" " + fields if fields else "") + trace


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The object; field names are as in the text."""
        fields = fields_of(record)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json_line(record.levelname, record.getMessage(), fields, _component(record), record.created)


def json_line(level: str, message: str, fields: Mapping[str, object], component: str = "", created: float | None = None) -> str:
    """A line as the log has it, for what the command says itself."""
    seconds, nanos = divmod(int((time.time() if created is None else created) * 1e6) * 1000, 1_000_000_000)
    line = {
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanos:09d}Z",
        "level": level.lower(),
        "component": component,
        "message": message,
        **fields,
    }
    return json.dumps(line, default=str)


class RateLimit(logging.Filter):
    """Lets the first few of equal lines through; says with the first of the next window how many it kept back."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write the line. Equal: same component, same sentence."""
        key = (getattr(record, "component", ""), str(record.msg))
        now = self._monotonic()
        began, count = self._seen.get(key, (now, 0))
        if now - began >= WINDOW_SECS:
            record.suppressed = max(0, count - BURST)
            began, count = now, 0
        elif key not in self._seen and len(self._seen) >= MAX_KINDS:
            self._seen.pop(next(iter(self._seen)))
        self._seen[key] = (began, count + 1)
        return count < BURST


class _Handler(logging.StreamHandler[TextIO]):
    """Ours: told apart from those that others put on the root logger."""


def configure(level: str, style: str, stream: TextIO | None = None) -> None:
    """Send httpipe's logs, and what libraries warn of, to ``stream`` (standard error). Safe to call again: a reload does."""
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    handler.addFilter(RateLimit())
    logger, libraries = logging.getLogger(ROOT), logging.getLogger()
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    libraries.handlers[:] = [*(each for each in libraries.handlers if not isinstance(each, _Handler)), handler]
    logging.captureWarnings(True)


def speaks_json() -> bool:
    """Whether ``configure`` was given ``json``: then nothing else may be on standard error."""
    return any(isinstance(each.formatter, JsonFormatter) for each in logging.getLogger(ROOT).handlers)


def _component(record: logging.LogRecord) -> str:
    """The component that speaks, or the library."""
    named = getattr(record, "component", None)
    return str(named) if named is not None else "" if record.name == ROOT else record.name


def _plain(value: object) -> str:
    """A field's value: bare where that is unambiguous, else quoted."""
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    return text if text and text.isalnum() and text.isascii() else json.dumps(text)


def _printable(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)[1:-1]
