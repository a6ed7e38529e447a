"""What requests of every version name: methods, hosts, targets. Bytes off the wire → text."""

import re

from pipeline.model.secrets import redact_query

KNOWN_METHODS = frozenset(
    # RFC 9110 section 9, RFC 5789 (PATCH), the HTTP QUERY method, RFC 2068 section 19.6.1 (LINK and UNLINK)
    b"GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH QUERY LINK UNLINK "
    # WebDAV and its extensions: RFC 4918, 3253, 3648, 3744, 4437, 4791, 5323, 5842
    b"PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK VERSION-CONTROL REPORT CHECKOUT CHECKIN UNCHECKOUT MKWORKSPACE UPDATE "
    b"LABEL MERGE BASELINE-CONTROL MKACTIVITY ORDERPATCH ACL MKREDIRECTREF UPDATEREDIRECTREF MKCALENDAR SEARCH BIND REBIND "
    b"UNBIND".split()
)
"""The kernel's program has the same ones (``bpf/classify/methods.h``); a test compares the two."""
OTHER_METHOD = "_OTHER"
"""OpenTelemetry's name for a method that is not in the list of known ones."""

METHODS = {name: name.decode() for name in KNOWN_METHODS}
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(?::(\d{0,5}))?\Z")


def text(raw: bytes) -> str:
    """Bytes off the wire as text: UTF-8 where they are, else Latin-1, so that no byte is lost."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def split_host(host: str) -> tuple[str | None, int | None]:
    """``Host`` or authority → address without brackets, port (RFC 9110, section 7.2). None for what is not there."""
    match = _HOST.match(host.strip())
    if match is None:
        return host.strip() or None, None
    port = int(match[2]) if match[2] else None
    return match[1].strip("[]") or None, port if port is None or port < 65536 else None


def split_query(target: str, path: str) -> tuple[str, str, str | None]:
    """Target, path and query, secrets in the query replaced; ``path`` is the target, or what follows its authority."""
    path, mark, query = path.partition("?")
    if not mark:
        return target, path, None
    clean = redact_query(query)
    return (target if clean == query else target.replace(query, clean)), path, clean
