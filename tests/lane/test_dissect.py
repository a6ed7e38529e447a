"""Frames become the same segments with and without the compiled lane."""

from pathlib import Path
from random import Random
from unittest.mock import patch

import pytest

from pipeline import native
from pipeline.model.records import Segment
from pipeline.sources.files.inputs import READ_BYTES
from pipeline.sources.pcap import frames
from pipeline.sources.pcap.dissect import PLAIN, Dissector
from pipeline.sources.pcap.frames import Frame
from pipeline.sources.pcap.reader import CaptureReader
from tests.lane.differential import CAPTURES, CORPUS, PYTHON

pytestmark = pytest.mark.skipif(native.lane is None, reason=f"the lane: {native.missing}")

FILES = sorted(
    path for path in (*CAPTURES.rglob("*"), *CORPUS.rglob("*")) if any(kind in path.name for kind in (".pcap", ".trace"))
)


def read(path: Path, piece: int) -> tuple[list[Segment], dict[str, int], str]:
    """The segments of a capture that is read in pieces, what was counted, and what was wrong."""
    reader = CaptureReader()
    data = path.read_bytes()
    found = [segment for at in range(0, len(data), piece) for part in reader.feed(data[at : at + piece]) for segment in part]
    reader.finish()
    return found, reader.dissector.take_counts(), str(reader.damage)


@pytest.mark.parametrize("piece", [READ_BYTES, 1000])
def test_captures_give_the_same_segments(piece: int) -> None:
    """Of every kind of container, in any pieces, damaged ones too."""
    assert FILES
    for path in FILES:
        if path.stat().st_size < 1 << 22:
            compiled = read(path, piece)
            with patch.multiple(native, **PYTHON):
                assert compiled == read(path, piece), path


def test_frames_with_any_bytes_give_the_same_segments() -> None:
    """Headers whose numbers are others, cut anywhere, under any link type."""
    rng = Random(5)
    known: list[tuple[int, bytes]] = []
    for path in FILES[::7]:
        for block, found in CaptureReader().frames(path.read_bytes()):
            known += [(link, block[start:end]) for _, start, end, _, link, _ in found[:40]]
    for _ in range(200):
        block, found = b"", list[Frame]()
        for link, data in rng.choices(known, k=20):
            changed = bytearray(data[: rng.choice((len(data), rng.randrange(len(data) + 1)))])
            for _ in range(rng.randrange(3)):
                if changed:
                    changed[rng.randrange(min(len(changed), 90))] = rng.choice(
                        (0, 1, 5, 6, 30, 0x45, 0x50, 0x60, 0x81, 0xF0, rng.randrange(256))
                    )
            link_type = rng.choice((link, link, *PLAIN))
            found.append((rng.randrange(1 << 60), len(block), len(block) + len(changed), len(data), link_type, rng.randrange(3)))
            block += changed
        compiled = list(Dissector().segments(block, found))
        with patch.multiple(native, **PYTHON):
            assert compiled == Dissector().segments(block, found)


def test_the_largest_packet_is_the_same() -> None:
    """What is longer is damage."""
    assert native.lane is not None
    assert native.lane.MAX_CAPTURED == frames.MAX_CAPTURED
