"""The compiled lane makes no judgement that Python would make otherwise: a part of ``make test-lane``, and all captures whole."""

from random import Random

import pytest

from pipeline import native
from pipeline.decode import DecodeOptions
from tests.lane.differential import CAPTURES, Case, Cases, captures, difference

pytestmark = [
    pytest.mark.skipif(native.lane is None, reason=f"the lane: {native.missing}"),
    pytest.mark.timeout(120),
]
SEGMENTS = 60_000
SEEDS = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def known() -> dict[str, list]:
    """The segments of all captures that are here."""
    return captures()


def test_every_capture_gives_the_same_events(known: dict[str, list]) -> None:
    """As they are, in one batch and in many."""
    assert len(known) >= len(list(CAPTURES.glob("*.pcap")))
    for name, segments in known.items():
        cuts = sorted({*Random(1).choices(range(len(segments)), k=5), len(segments)})
        for each in ([len(segments)], cuts):
            assert not difference(Case(name, segments, each, DecodeOptions()))


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_to_segments_gives_the_same_events(seed: int, known: dict[str, list]) -> None:
    """Lost, doubled, late, swapped, split, cut and changed ones."""
    cases, done = Cases(seed, known), 0
    while done < SEGMENTS // len(SEEDS):
        case = cases.next()
        done += len(case.records)
        found = difference(case)
        assert not found, found
