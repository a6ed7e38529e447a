"""How long a server is left alone that fails again and again."""

import anyio
import pytest

from pipeline.api import Context
from pipeline.following import loop as following
from pipeline.following.loop import BACKOFF_SECS, Loop

pytestmark = pytest.mark.anyio


async def waits(lasts_secs: float, count: int = 40) -> list[float]:
    """Between attempts that the server answers, and that fail after this time."""
    slept: list[float] = []

    async def attempt() -> None:
        loop.well()
        await anyio.sleep(lasts_secs)
        raise OSError

    async def sleep(secs: float) -> None:
        slept.append(secs)
        await anyio.sleep(0 if len(slept) < count else 60)

    loop = Loop(attempt, (OSError,), str, Context("it"), sleep)
    async with anyio.create_task_group() as group:
        group.start_soon(loop.run)
        with anyio.fail_after(20):
            while len(slept) < count:  # noqa: ASYNC110  any condition
                await anyio.sleep(0.001)
        group.cancel_scope.cancel()
    return slept


async def test_who_answers_and_fails_at_once_is_asked_more_and_more_seldom() -> None:
    """As where a line can never be read that is told first."""
    slept = await waits(0)
    assert max(slept) > BACKOFF_SECS[1] / 2
    assert max(slept) <= BACKOFF_SECS[1]


async def test_who_was_well_for_long_is_asked_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server was begun again: that is over in a moment."""
    monkeypatch.setattr(following, "BACKOFF_SECS", (0.001, 0.01))
    assert max(await waits(0.011)) <= 0.001
