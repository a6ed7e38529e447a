"""Requests of the bulk API and their answers. Pure.

A request is two lines of JSON for each event: what is to be done, then the document. The answer has a status for each, in the
same order (Elasticsearch and OpenSearch, API "bulk").
"""

import base64
import hashlib
from collections.abc import Sequence
from typing import Literal, NamedTuple

from pipeline.api import Event
from pipeline.codecs.errors import DecodeError
from pipeline.codecs.json import load

Action = Literal["create", "index"]

ANSWERED = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"
"""What of the answer is asked for (``filter_path``): 30 bytes an event in place of 200."""
LONGEST_ANSWER = 16 << 20
"""Bytes of an answer that are read: errors of 500 bytes for each of 30,000 events."""
CONFLICT = 409
"""A document with this id is there already."""

_OF_SETTINGS = (
    "validation_exception: Validation Failed: 1: this action would add [",  # more shards than the cluster may have
    "illegal_argument_exception: pipeline with id [",  # does not exist: that of a request, or an index's default
    "illegal_argument_exception: no write index is defined for alias",
)
"""How 400 begins for which no event is to blame (Elasticsearch 7 to 9, OpenSearch 1 to 3). Only the beginning is the server's:
what follows may quote the document, and so whoever sent the traffic."""

_DIGEST_BYTES = 10
_LAST_MOMENT = (1 << 63) - 1


class Item(NamedTuple):
    """What became of one event: a status as of a request of its own, and what the server says about it."""

    status: int
    said: str = ""


def document_id(timestamp_ns: int, document: bytes) -> str:
    """An id that the same document has again, so that the server takes it once: 24 characters of URL-safe base64.

    The time stands first: the server keeps such ids as 18 bytes in order, and finds out sooner that one is not there yet.
    """
    moment = min(max(timestamp_ns, 0), _LAST_MOMENT).to_bytes(8, "big")
    return base64.urlsafe_b64encode(moment + hashlib.blake2b(document, digest_size=_DIGEST_BYTES).digest()).decode()


def body_of(action: Action, events: Sequence[Event], documents: Sequence[bytes], indices: Sequence[str], *, ids: bool) -> bytes:
    """The bytes of a request: each document to the index at its place, with an id where ``ids``; else the server gives one."""
    lines: list[bytes] = []
    for event, document, index in zip(events, documents, indices, strict=True):
        # neither a name nor an id has anything that JSON would escape
        own = f',"_id":"{document_id(event.timestamp_ns, document)}"' if ids else ""
        lines.append(f'{{"{action}":{{"_index":"{index}"{own}}}}}'.encode())
        lines.append(document)
    lines.append(b"")
    return b"\n".join(lines)


def items_of(answer: bytes, count: int) -> list[Item] | None:
    """What became of each of ``count`` events; empty where all were taken, None where this is no answer of a bulk API."""
    try:
        found = load(answer)
        if found["errors"] is False:
            return []
        items = [_item(action) for each in found["items"] for action in each.values()]
    except (DecodeError, KeyError, TypeError, AttributeError):
        return None
    return items if len(items) == count else None


def is_of_settings(said: str) -> bool:
    """Whether somebody has to put the server right: until then it refuses every such event."""
    return said.startswith(_OF_SETTINGS)


def words_of(answer: bytes) -> bytes:
    """What the server says in an answer that is an error, without the JSON around it; the answer itself where that is none."""
    try:
        return _said(load(answer)["error"]).encode(errors="replace")
    except (DecodeError, KeyError):
        return answer


def _item(found: dict[str, object]) -> Item:
    status = found["status"]
    if not isinstance(status, int):
        raise TypeError(status)
    return Item(status, _said(found.get("error", "")))


def _said(error: object) -> str:
    """Type and reason of an error object; what is only compatible may have a text there."""
    if not isinstance(error, dict):
        return str(error)
    cause = error.get("caused_by")
    parts = [error.get("type"), error.get("reason"), cause.get("reason") if isinstance(cause, dict) else None]
    return ": ".join(str(part) for part in parts if part)
