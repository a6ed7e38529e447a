"""Events → syslog messages: RFC 5424, or the older form that /dev/log and old receivers expect (RFC 3164). Pure; never raises.

What came off the wire is text to be shown: control characters are escaped, so a message is one line in every framing. A message
is never longer than it may be: the text is cut at its end, and before that structured data loses its last fields.
"""

import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from pipeline.codecs.flat import event_to_object
from pipeline.codecs.selection import Selection
from pipeline.codecs.text import visible, whole
from pipeline.codecs.timestamp import rfc3339
from pipeline.model.events.event import Event
from pipeline.model.events.kinds import name_of
from pipeline.sinks.severity import Severity, severity_of

FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert",
    "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip
SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""By number (RFC 5424, section 6.2.1), with the names of syslog(3)."""

BOM = b"\xef\xbb\xbf"
HOST, LONGEST_HOST, LONGEST_APP, LONGEST_ID, LONGEST_PARAM = "host.name", 255, 48, 32, 32
"""Characters that the fields of a header, and the names in structured data, may have (RFC 5424, section 6)."""

IN_THE_HEAD = {"event.name", "timestamp"}

_NOT_PRINTABLE = re.compile(r"[^\x21-\x7e]")
_NOT_IN_NAME = re.compile(r'[^\x21-\x7e]|[="\]]')
_SPECIAL = re.compile(r'["\\\]]')
_PLAIN = re.compile(r"[ !#-\[^-~]*")
_NOT_IN_TAG = re.compile(r"[^0-9A-Za-z_./-]")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Form(NamedTuple):
    """How messages are written.

    ``facility`` by number; ``severities`` the number for each severity of an event. ``host`` is what stands where an event names
    none; empty: no host at all, which old messages on a socket of this host do not have. ``sd_id`` empty: no structured data.
    ``text`` gives the message's text; ``bom`` marks it where it is not ASCII.
    """

    facility: int
    severities: dict[Severity, int]
    host: str
    app: str
    pid: int
    sd_id: str
    selection: Selection
    text: Callable[[Event], bytes]
    bom: bool
    largest: int
    old: bool


class Message(NamedTuple):
    """The bytes of a message, and whether something of the event was cut off."""

    data: bytes
    cut: bool


def message(event: Event, form: Form) -> Message:
    """The message of an event."""
    priority = form.facility * 8 + form.severities[severity_of(event)]
    host = event.attributes.get(HOST) if event.attributes else None
    name = form.host if host is None or not form.host else str(host)
    if form.old:
        at = f" {_printable(name, LONGEST_HOST)}" if name else ""
        head = f"<{priority}>{_old_time(event.timestamp_ns // 1_000_000_000)}{at} {_NOT_IN_TAG.sub('_', form.app)}[{form.pid}]: "
        return _with_text(head.encode(), event, form)
    head = (
        f"<{priority}>1 {rfc3339(event.timestamp_ns)[:26]}Z {_printable(name, LONGEST_HOST)} {_printable(form.app, LONGEST_APP)}"
        f" {form.pid} {_printable(name_of(event), LONGEST_ID)} "
    )
    if not form.sd_id:
        return _with_text(head.encode() + b"- ", event, form)
    data, cut = _structured(event, form, form.largest - len(head) - 1)
    whole_text = _with_text(head.encode() + data + b" ", event, form)
    return whole_text._replace(cut=whole_text.cut or cut)


def _with_text(head: bytes, event: Event, form: Form) -> Message:
    text = form.text(event)
    if form.bom and not text.isascii():
        text = BOM + text
    room = form.largest - len(head)
    if len(text) <= room:
        return Message(head + text, cut=False)
    return Message(head + text[: max(room, 0)].decode(errors="ignore").encode(), cut=True)


def _structured(event: Event, form: Form, room: int) -> tuple[bytes, bool]:
    """STRUCTURED-DATA of at most ``room`` bytes, and whether a field found no room."""
    pairs = [
        f' {_param(name)}="{_value(each)}"'
        for name, value in event_to_object(event, form.selection).items()
        if name not in IN_THE_HEAD
        for each in (value if isinstance(value, tuple | list) else (value,))
    ]
    data = f"[{form.sd_id}{''.join(pairs)}]".encode()
    cut = len(data) > room
    while len(data) > room and pairs:
        data = data[: -len(pairs.pop().encode()) - 1] + b"]"
    return data, cut


def _value(value: object) -> str:
    r"""A PARAM-VALUE: ``"``, ``\`` and ``]`` behind a backslash (RFC 5424, section 6.3.3), without control characters."""
    text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    if _PLAIN.fullmatch(text):  # nearly always
        return text
    return _SPECIAL.sub(r"\\\g<0>", visible(whole(text)))


@lru_cache(maxsize=1024)
def _param(name: str) -> str:
    """A PARAM-NAME: of a longer one what is most its own, the end."""
    text = _NOT_IN_NAME.sub("_", name) or "_"
    return text if len(text) <= LONGEST_PARAM else text.removeprefix("httpipe.")[-LONGEST_PARAM:]


@lru_cache(maxsize=1024)
def _printable(text: str, most: int) -> str:
    """A field of the header: printable ASCII without spaces, ``-`` for nothing."""
    return _NOT_PRINTABLE.sub("_", text)[:most] or "-"


@lru_cache(maxsize=64)
def _old_time(seconds: int) -> str:
    """``Jan  2 03:04:05``, local time (RFC 3164, section 4.1.2)."""
    try:
        at = time.localtime(seconds)
    except (OverflowError, ValueError, OSError):
        at = time.localtime(0)
    return f"{_MONTHS[at.tm_mon - 1]} {at.tm_mday:2d} {at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d}"
