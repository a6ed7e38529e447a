"""An exchange → a command that sends its request again with curl. Pure.

The text is pasted into a shell: everything from the wire is quoted for it, and control characters are written as escapes
(``$'…'``, POSIX.1-2024, Shell Command Language, section 2.2.4), so that nothing of it is run or moves the cursor. Credentials
read ``REDACTED``, as wherever heads are shown.
"""

import re
from collections.abc import Iterable, Iterator

from pipeline.api import Event, Exchange
from pipeline.codecs.har import url
from pipeline.codecs.heads import fields_of, lines_of
from pipeline.codecs.text import whole

LEFT_OUT = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "http2-settings", "te"}
)
"""Fields that curl writes itself, or that belong to the connection."""

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def curl(event: Exchange) -> str:
    """The command, on one line."""
    method = event.http_request_method_original or event.http_request_method or "GET"
    parts = ["curl", "-i", "--path-as-is", "-g"]
    body = event.http_request_body_content or ""
    if method == "HEAD":
        parts.append("-I")
    elif method != ("POST" if body else "GET"):
        parts += ["-X", quoted(method)]
    if event.network_protocol_version == "1.0":
        parts.append("--http1.0")
    parts.append(quoted(url(event)))
    compressed = False
    for name, value in fields(event):
        if name.lower() == "accept-encoding":
            compressed = True
        elif name.lower() not in LEFT_OUT and _TOKEN.fullmatch(name):
            # a field without a value is written with a semicolon (curl(1), --header)
            parts += ["-H", quoted(f"{name}: {value}" if value else f"{name};")]
    if compressed:
        parts.append("--compressed")
    if not body:
        return " ".join(parts)
    if event.httpipe_request_body_encoding == "base64":
        return f"printf %s {quoted(body)} | base64 -d | {' '.join(parts)} --data-binary @-"
    return " ".join([*parts, "--data-raw", quoted(body)])


def commands(events: Iterable[Event]) -> bytes:
    """Those of the exchanges among them, a line each."""
    return "".join([f"{curl(event)}\n" for event in events if isinstance(event, Exchange)]).encode("utf-8", "replace")


def fields(event: Exchange) -> Iterator[tuple[str, str]]:
    """Those of the head where it was kept, else those that were asked for."""
    if event.request_head is not None:
        yield from fields_of(lines_of(event.request_head, show_secrets=False))
        return
    for name, values in event.http_request_headers.items():
        yield from ((name, value) for value in values)
    if event.user_agent_original and "user-agent" not in event.http_request_headers:
        yield "User-Agent", event.user_agent_original


def quoted(text: str) -> str:
    """One word of a shell's command line, whatever it holds."""
    text = whole(text)
    if _PLAIN.fullmatch(text):
        return text
    if text.isprintable():
        return "'" + text.replace("'", "'\\''") + "'"
    return "$'" + "".join(_escaped(character) for character in text) + "'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character == "\n":
        return "\\n"
    if character.isprintable():
        return character
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogatepass"))
