"""Events as files to take away, in pieces, so that a large one costs neither much memory nor a long turn of Python's lock."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import NamedTuple

from pipeline.api import Event, Exchange
from pipeline.codecs import har
from pipeline.codecs.curl import curl
from pipeline.codecs.registry import codec

MOST_EVENTS = 10_000
"""Of what fits a filter the newest; whoever wants all has sinks."""
PIECE_EVENTS = 200

Pieces = Callable[[Sequence[Event]], Iterator[bytes]]


class Format(NamedTuple):
    """A kind of file."""

    suffix: str
    content_type: str
    pieces: Pieces


def _json(events: Sequence[Event]) -> Iterator[bytes]:
    encode = codec("json").encode_batch
    for run in _runs(events):
        yield bytes(encode(run))


def _har(events: Sequence[Event]) -> Iterator[bytes]:
    yield har.beginning(version("httpipe"))
    first = True
    for run in _runs(events):
        text = har.entries(run, first=first)
        first = first and not text
        yield text
    yield har.END


def _curl(events: Sequence[Event]) -> Iterator[bytes]:
    for run in _runs(events):
        yield "".join([f"{curl(event)}\n" for event in run if isinstance(event, Exchange)]).encode("utf-8", "replace")


def _runs(events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    return (events[at : at + PIECE_EVENTS] for at in range(0, len(events), PIECE_EVENTS))


FORMATS: Mapping[str, Format] = {
    "har": Format("har", "application/json", _har),
    "curl": Format("sh", "text/plain", _curl),
    "json": Format("jsonl", "application/jsonl", _json),
}
PACKETS = "pcapng"
PACKETS_TYPE = "application/x-pcapng"
"""The type that Wireshark is registered for (shared-mime-info)."""
