"""The requests of a batch, one after the other: what a sink says of each, and what the engine hears in the end."""

from collections.abc import Sequence

import pytest

from pipeline.errors import BackOff, BatchError, NotConnected, Reject
from pipeline.sinks.http.rounds import Outcome, Part, deliver, halves

WHOLE = [Part("a", range(4)), Part("b", (4, 5))]


async def failures(parts: Sequence[Part[str]], *outcomes: Outcome[str]) -> tuple[list[Part[str]], dict[int, Exception]]:
    """What was sent, and what became of the places, when the parts that are sent meet these outcomes in order."""
    sent: list[Part[str]] = []
    left = list(outcomes)

    async def send(part: Part[str]) -> Outcome[str]:
        sent.append(part)
        return left.pop(0) if left else None

    try:
        await deliver(parts, send, 6)
    except BatchError as error:
        return sent, error.failures
    return sent, {}


@pytest.mark.anyio
async def test_what_is_taken_raises_nothing() -> None:
    """Each part is sent once, in order."""
    assert await failures(WHOLE) == (WHOLE, {})


@pytest.mark.anyio
async def test_parts_may_be_cut_as_often_as_it_takes() -> None:
    """What a sink gives in a part's place is sent before the others; no event has failed by that."""
    sent, failed = await failures(WHOLE, halves(WHOLE[0]), None, [Part("c", (3,)), Part("a", (2,))], Reject("bad row"))
    assert [(part.what, list(part.places)) for part in sent] == [
        ("a", [0, 1, 2, 3]), ("a", [0, 1]), ("a", [2, 3]), ("c", [3]), ("a", [2]), ("b", [4, 5]),
    ]  # fmt: skip
    assert {place: type(error) for place, error in failed.items()} == {3: Reject}


@pytest.mark.anyio
async def test_single_events_may_fail() -> None:
    """By their place in the batch; the other parts are sent all the same."""
    sent, failed = await failures(WHOLE, {1: Reject("no")}, {4: BackOff(1.0)})
    assert (sent, {place: type(error) for place, error in failed.items()}) == (WHOLE, {1: Reject, 4: BackOff})


@pytest.mark.anyio
@pytest.mark.parametrize("stop", [BackOff(2.0), NotConnected("gone")])
async def test_who_asks_to_wait_is_left_alone(stop: BackOff | NotConnected) -> None:
    """What was not sent yet waits with what was; what was taken does not."""
    parts = [*WHOLE, Part("c", ())]
    assert await failures(parts, None, stop) == (parts[:2], {4: stop, 5: stop})


@pytest.mark.anyio
async def test_who_asks_to_wait_with_some_events_is_left_alone() -> None:
    """As with all of them; what is rejected for good stops nothing."""
    stop = BackOff(2.0)
    sent, failed = await failures([*WHOLE, Part("c", (6,))], {1: Reject("no")}, {4: Reject("no"), 5: stop})
    assert [part.what for part in sent] == ["a", "b"]
    assert {place: type(error) for place, error in failed.items()} == {1: Reject, 4: Reject, 5: BackOff, 6: BackOff}
    assert failed[6] is stop


@pytest.mark.anyio
async def test_one_cause_for_all_is_raised_as_it_is() -> None:
    """The engine then retries or rejects the batch as a whole."""
    with pytest.raises(Reject, match="never"):
        await failures([Part("a", range(6))], Reject("never"))
