"""Heads as they were captured, in lines, without the credentials in them. Pure; any bytes will do.

Of HTTP/2 a head has no start line: what would stand there are pseudo fields, such as ``:path`` (RFC 9113, section 8.3).
"""

import re
from collections.abc import Sequence

from pipeline.model.secrets import REDACTED, SENSITIVE_FIELDS, is_sensitive_parameter

LINE_END = re.compile(r"\r\n|\n|\r")
_PARAMETER = re.compile(r"([?&;])([^=&;\s?#]{1,256})=([^&;\s#]+)")
_USER_INFO = re.compile(r"(//)[^/?#@\s]+@")


def lines_of(head: bytes, *, show_secrets: bool) -> Sequence[str]:
    """The start line and the fields. UTF-8 where it is valid, else Latin-1: every byte stays to be seen."""
    try:
        text = head.decode()
    except UnicodeDecodeError:
        text = head.decode("latin-1")
    lines = LINE_END.split(text.rstrip("\r\n"))
    return lines if show_secrets else without_secrets(lines)


def start_of(lines: Sequence[str]) -> str:
    """The start line; empty where there is none."""
    return "" if not lines or lines[0].startswith(":") else lines[0]


def fields_of(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Names and values behind the start line; a folded line joins the one before it (RFC 9112, section 5.2)."""
    fields: list[tuple[str, str]] = []
    for line in lines[1 if start_of(lines) else 0 :]:
        if line[:1] in (" ", "\t") and fields:
            name, value = fields[-1]
            fields[-1] = name, f"{value} {line.strip()}"
            continue
        if line:
            name, _, value = line[1:].partition(":")  # behind the colon of a pseudo field
            fields.append((line[:1] + name, value.strip()))
    return fields


def without_secrets(lines: Sequence[str]) -> list[str]:
    """The lines of a head with ``REDACTED`` for secret fields, secret query parameters and credentials in URLs."""
    kept: list[str] = []
    secret = False
    for line in lines:
        if line[:1] in (" ", "\t"):  # continues the line before it
            if secret:
                continue
        else:
            name, colon, _ = line.partition(":")
            secret = bool(colon) and name.strip().lower() in SENSITIVE_FIELDS
            if secret:
                kept.append(f"{name}: {REDACTED}")
                continue
        kept.append(_PARAMETER.sub(_redacted, _USER_INFO.sub(rf"\1{REDACTED}@", line)))
    return kept


def _redacted(match: re.Match[str]) -> str:
    mark, name, _ = match.groups()
    return f"{mark}{name}={REDACTED}" if is_sensitive_parameter(name) else match[0]
