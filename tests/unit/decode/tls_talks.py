"""What the tests of TLS share: the captures of tests/replay as segments, cut as one likes, and their events."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from pipeline.decode import DecodeOptions, Decoder
from pipeline.decode.position import MASK
from pipeline.model.events.event import Event
from pipeline.model.events.tls_handshake import TlsHandshake
from pipeline.model.records import Record, Segment
from pipeline.sources.pcap.reader import read_segments

CAPTURES = Path(__file__).resolve().parents[2] / "replay/captures/tls"


def segments(name: str) -> list[Segment]:
    """Those of one capture."""
    return [segment for found in read_segments(CAPTURES / f"{name}.pcap") for segment in found]


def decode(records: Sequence[Record], *, batch: int = 0, **options: int) -> tuple[list[Event], Counter[str]]:
    """All events, and what was counted. Decode must not have failed inside, and must hold nothing behind the end."""
    counts: Counter[str] = Counter()
    wanted = DecodeOptions(tls_handshakes=True, **options)  # type: ignore[arg-type]
    decoder = Decoder(wanted, source="test", count=lambda name, by: counts.update({name: by}))
    step = batch or len(records) or 1
    events = [event for start in range(0, len(records), step) for event in decoder.feed(records[start : start + step])]
    events += decoder.finish()
    assert counts["decoder_internal_errors"] == 0
    assert decoder.held_exchanges == decoder.held_bytes == decoder.connections == 0
    return events, counts


def only(records: Sequence[Record], **options: int) -> TlsHandshake:
    """The one event there is."""
    events, _ = decode(records, **options)
    assert len(events) == 1
    event = events[0]
    assert isinstance(event, TlsHandshake)
    return event


def facts(event: TlsHandshake) -> dict[str, object]:
    """All but times, which depend on which segment brought the last byte."""
    return {**msgspec.structs.asdict(event), "httpipe_duration_ms": None, "httpipe_ttfb_ms": None}


def split(segment: Segment, *places: int) -> Iterator[Segment]:
    """The segment in several, cut at these places of its payload."""
    ends = [place for place in places if 0 < place < segment.length]
    for begin, end in zip([0, *ends], [*ends, segment.length], strict=True):
        yield msgspec.structs.replace(
            segment, seq=segment.seq + begin & MASK, payload=segment.payload[begin:end], length=end - begin
        )


def cut_everywhere(records: Sequence[Segment], size: int = 1) -> list[Segment]:
    """Every payload in pieces of so many bytes."""
    return [piece for each in records for piece in split(each, *range(size, each.length, size))]


def with_payload(records: Sequence[Segment]) -> list[int]:
    """Where the segments stand that carry something."""
    return [place for place, each in enumerate(records) if each.payload]
