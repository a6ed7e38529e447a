"""The worked examples in the docstrings of decode, with the numbers that stand there."""

import msgspec
import pytest

from pipeline.decode.http1.phase import NEXT, Phase, Step
from pipeline.decode.message import NO_FIELDS, NO_REQUEST_LINE, Request, Response
from pipeline.decode.pairing.ambiguous import Ambiguous
from pipeline.decode.pairing.gaps import Behaviour, Pair
from pipeline.decode.transport.openings import Evidence, Openings
from pipeline.model.records import ACK, PSH, SYN, Segment, reverse
from pipeline.testing.packets import flow_key

KEY = flow_key()


def asked(name: str, seq: int, ack: int) -> Request:
    """A request of 100 bytes."""
    line = msgspec.structs.replace(NO_REQUEST_LINE, target=name)
    return Request(NO_FIELDS, 0, 0, seq, ack, 100, line=line)


def named(pairs: list[Pair]) -> list[tuple[str | None, bool]]:
    """Targets of requests, and whether each got a response."""
    return [(request.line.target if request else None, response is not None) for request, response in pairs]


def behind_gap(behaviour: Behaviour, *requests: Request) -> Ambiguous:
    """Requests that wait, and bytes 5200 to 5449 of the responses lost."""
    ambiguous = Ambiguous(behaviour)
    ambiguous.requests.extend(requests)
    ambiguous.gap(client=False, seq=5200, end=5450, least=1)
    return ambiguous


def test_ambiguous_from_the_back() -> None:
    """A client that waits shows with its next request what was in the gap."""
    ambiguous = behind_gap(Behaviour.WAITS, asked("B", 1100, 5200))
    assert ambiguous.resolve(1200, 5450) == []
    ambiguous.requests.append(asked("C", 1200, 5450))
    assert named(ambiguous.resolve(1300, 5450)) == [("B", False)]
    assert ambiguous.over


@pytest.mark.parametrize(("waiting", "certain"), [("BC", [("B", False), ("C", True)]), ("BCD", [])])
def test_ambiguous_by_number(waiting: str, certain: list[tuple[str, bool]]) -> None:
    """Of requests that were sent at once the response is certain only where as many wait as there can be responses."""
    requests = [asked(name, 1100 + 100 * place, 5000) for place, name in enumerate(waiting)]
    ambiguous = behind_gap(Behaviour.WINDOW, *requests)
    upto = 1100 + 100 * len(waiting)
    ambiguous.respond(Response(NO_FIELDS, 0, 0, 5450, upto, 50))
    assert named(ambiguous.resolve(upto, 5450)) == certain


@pytest.mark.parametrize("begin", [1000, 1080])
def test_openings(begin: int) -> None:
    """The data says which of two SYNs it belongs to, and the answer to that one where the server begins."""
    openings = Openings(10)
    openings.add(Segment(KEY, 1, 69_999, 0, SYN, b"", 0))
    openings.add(Segment(KEY, 2, 999, 0, SYN, b"", 0))
    openings.add(Segment(reverse(KEY), 3, 4999, 1000, SYN | ACK, b"", 0))
    data = Segment(KEY, 4, begin, 5000, ACK | PSH, b"x" * 80, 80)
    assert openings.evidence(data, begin) == Evidence(own=1000, other=5000, opener=True)


def test_phases() -> None:
    """Whatever happens, every phase can be left for OTHER, and OTHER is left for nothing."""
    assert all(NEXT[phase][step] is Phase.OTHER for phase in Phase for step in (Step.SWITCHED, Step.ENDED))
    assert set(NEXT[Phase.OTHER].values()) == {Phase.OTHER}
