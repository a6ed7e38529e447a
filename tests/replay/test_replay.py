"""Captures of real clients and servers, decoded: the exchanges are those that the clients saw (``make.py`` made both)."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.codecs.json import JsonCodec
from pipeline.decode import BodyOptions, DecodeOptions, Decoder
from pipeline.model.records import FIN, PSH, RST, SYN, Record, Segment
from pipeline.sources.pcap.reader import read_segments

CAPTURES = Path(__file__).parent / "captures"
SMALL_BYTES = 12_000
CASES = sorted(path.stem for path in CAPTURES.glob("*.jsonl"))
FAULTS = sorted(f"faults/{path.stem}" for path in CAPTURES.glob("faults/*.jsonl"))


def capture(name: str) -> Path:
    """The capture of a case, in whichever container and compression it is stored."""
    (path,) = (path for path in CAPTURES.glob(f"{name}.*") if path.suffix != ".jsonl")
    return path


def expectation(name: str) -> list[dict[str, Any]]:
    """The exchanges of a case, each with the fields that must be right."""
    return [json.loads(line) for line in (CAPTURES / f"{name}.jsonl").read_text().splitlines()]


def exchanges(batches: Iterable[Sequence[Record]], options: DecodeOptions | None = None) -> list[dict[str, Any]]:
    """What httpipe reports, as the objects of its JSON lines; never an internal error."""
    counts: Counter[str] = Counter()
    decoder = Decoder(options or DecodeOptions(), source="test", count=lambda name, by: counts.update({name: by}))
    events = [event for batch in batches for event in decoder.feed(batch)]
    events += decoder.finish()
    assert "decoder_internal_errors" not in counts
    return [json.loads(JsonCodec().encode(event)) for event in events]


def stated(exchange: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """The fields that a case states. No body and an empty one are the same to a client; no marks are none."""
    absent: dict[str, Any] = {"http.request.body.size": 0, "http.response.body.size": 0, "httpipe.marks": []}
    return {name: exchange.get(name, absent.get(name)) for name in names}


def key(exchange: dict[str, Any]) -> str:
    """Comparable and readable."""
    return json.dumps(exchange, sort_keys=True)


def compare(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Each expected exchange is found once and nothing else; what is null in ``httpipe.marks`` is not stated."""
    left = list(found)
    for want in expected:
        names = {name for name, value in want.items() if not (name == "httpipe.marks" and value is None)}
        wanted = {name: want[name] for name in names}
        match = next((one for one in left if stated(one, names) == wanted), None)
        assert match is not None, f"missing {key(wanted)} among\n" + "\n".join(key(stated(one, names)) for one in left)
        left.remove(match)
    assert not left


@pytest.mark.parametrize("name", CASES)
def test_capture_gives_what_the_client_saw(name: str) -> None:
    """The exchanges of a capture are those that its client saw, no more and no fewer."""
    compare(exchanges(read_segments(capture(name))), expectation(name))


@pytest.mark.parametrize("name", FAULTS)
def test_capture_that_was_read_wrongly_once(name: str) -> None:
    """Captures on which decode was wrong give what is right, bodies asked for or not, whatever batches they come in."""
    options = DecodeOptions(bodies=BodyOptions(max_bytes=1 << 20))
    records = [record for batch in read_segments(capture(name)) for record in batch]
    for size in (1, 7, len(records)):
        batches = [records[at : at + size] for at in range(0, len(records), size)]
        compare(exchanges(batches, options), expectation(name))
        compare(exchanges(batches), expectation(name))


@pytest.mark.parametrize("name", [*CASES, *FAULTS])
def test_capture_without_its_order_of_batches(name: str) -> None:
    """Batches of one record each give the same exchanges as batches of hundreds."""
    batches = list(read_segments(capture(name)))
    one_by_one = [[segment] for batch in batches for segment in batch]
    assert list(map(key, exchanges(one_by_one))) == list(map(key, exchanges(batches)))


def pieces(segment: Segment, size: int) -> list[Segment]:
    """The same bytes in segments of a size; a FIN comes with the last. What the capture cut cannot be cut again."""
    if not segment.payload or segment.cut or segment.flags & SYN:
        return [segment]
    starts = range(0, segment.length, size)
    return [
        msgspec.structs.replace(
            segment,
            seq=segment.seq + at & 0xFFFFFFFF,
            payload=segment.payload[at : at + size],
            length=len(segment.payload[at : at + size]),
            flags=segment.flags if at == starts[-1] else segment.flags & ~(FIN | RST | PSH),
        )
        for at in starts
    ]


@pytest.mark.parametrize("name", CASES)
def test_capture_in_small_pieces(name: str) -> None:
    """However small the segments are in which the same bytes come, the exchanges are the same; small captures byte by byte."""
    batches = list(read_segments(capture(name)))
    size = 1 if sum(segment.length for batch in batches for segment in batch) < SMALL_BYTES else 97
    cut = [[piece for segment in batch for piece in pieces(segment, size)] for batch in batches]
    assert list(map(key, exchanges(cut))) == list(map(key, exchanges(batches)))


WHOLE = ("url.path", "http.request.method", "http.request.body.size", "http.response.status_code", "http.response.body.size")


@pytest.mark.parametrize("name", CASES)
def test_capture_without_each_segment_in_turn(name: str) -> None:
    """Whichever segment a capture is without: what is reported unmarked was so, and at most what that segment held is gone."""
    records = [record for batch in read_segments(capture(name)) for record in batch]
    complete = [stated(exchange, set(WHOLE)) for exchange in exchanges([records])]
    for dropped, gone in enumerate(records):
        left = list(complete)
        for exchange in exchanges([[*records[:dropped], *records[dropped + 1 :]]]):
            if stated(exchange, set(WHOLE)) in left:
                left.remove(stated(exchange, set(WHOLE)))
            else:
                assert exchange.get("httpipe.marks") or exchange.get("error.type")
        hit = sum(gone.payload.count(start) for start in (b" HTTP/1.", b"HTTP/1.1 ")) if isinstance(gone, Segment) else 0
        assert len(left) <= max(1, hit)


def test_there_are_captures() -> None:
    """The corpus is there: clients and servers of several makers."""
    makers = {maker for name in CASES for maker in name.split("-")}
    assert makers >= {"curl", "wget", "httpclient", "aiohttp", "httpx", "node", "go", "h2load", "nginx", "apache"}
