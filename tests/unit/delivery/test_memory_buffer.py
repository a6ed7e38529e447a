"""The queue in memory: its bounds, its three policies, its ledger and its tickets."""

from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest

from pipeline.config.options import WhenFull
from pipeline.delivery.acknowledgement import Positions
from pipeline.delivery.buffer import Offer
from pipeline.delivery.ledger import Ledger, Reason
from pipeline.delivery.memory import MemoryBuffer
from pipeline.testing.fakes import batch_of, bounds, numbers

Make = Callable[..., MemoryBuffer]


@pytest.fixture
def make() -> Make:
    """Makes queues with a ledger of their own."""
    return lambda *args, **kwargs: MemoryBuffer(bounds(*args, **kwargs), Ledger())


def drained(buffer: MemoryBuffer) -> list[int]:
    """All numbers in the queue, in order."""
    found = []
    while (batch := buffer.take_nowait(1000, 1 << 20)) is not None:
        found += numbers(batch.events)
        buffer.done(batch)
    return found


def test_what_is_taken_merges_small_batches_and_splits_large_ones(make: Make) -> None:
    """Whole batches as long as they fit, and part of one that does not."""
    buffer = make()
    for at in range(0, 12, 3):
        buffer.offer_nowait(batch_of(at, at + 3))
    sizes = []
    while (batch := buffer.take_nowait(7, 1 << 20)) is not None:
        sizes.append(len(batch.events))
    assert sizes == [6, 6]
    buffer.offer_nowait(batch_of(0, 10))
    assert [len(batch.events) for batch in iter(lambda: buffer.take_nowait(4, 1 << 20), None)] == [4, 4, 2]
    assert (buffer.events, buffer.bytes) == (0, 0)


def test_a_batch_respects_bytes_but_never_starves(make: Make) -> None:
    """An event heavier than a batch may be goes alone."""
    buffer = make()
    buffer.offer_nowait(batch_of(0, 4, memory_bytes=1000))
    assert [len(batch.events) for batch in iter(lambda: buffer.take_nowait(100, 2500), None)] == [2, 2]
    buffer.offer_nowait(batch_of(0, 2, memory_bytes=5000))
    assert [len(batch.events) for batch in iter(lambda: buffer.take_nowait(100, 2500), None)] == [1, 1]


def test_drop_oldest_keeps_exactly_the_newest(make: Make) -> None:
    """The queue stays full to the event, and what gave way is counted as lost."""
    buffer = make(10, when_full="drop_oldest")
    for at in range(0, 24, 4):
        assert buffer.offer_nowait(batch_of(at, at + 4)) is None
    assert drained(buffer) == list(range(14, 24))
    assert buffer.ledger.discarded == {("queue_full", False): 14}
    assert buffer.ledger.lost == 14


def test_drop_oldest_with_a_batch_larger_than_the_queue_keeps_its_end(make: Make) -> None:
    """Of a batch that is larger than the whole queue the newest events stay."""
    buffer = make(10, when_full="drop_oldest")
    buffer.offer_nowait(batch_of(0, 5))
    buffer.offer_nowait(batch_of(5, 30))
    assert drained(buffer) == list(range(20, 30))
    assert buffer.ledger.received == 30
    assert buffer.ledger.balance() == 10  # nobody delivered the ten


def test_drop_oldest_by_bytes(make: Make) -> None:
    """Bytes bound the queue as events do."""
    buffer = make(100, max_bytes=1000, when_full="drop_oldest")
    buffer.offer_nowait(batch_of(0, 10, memory_bytes=100))
    buffer.offer_nowait(batch_of(10, 11, memory_bytes=250))
    assert buffer.bytes == 950
    assert drained(buffer) == [3, 4, 5, 6, 7, 8, 9, 10]


def test_drop_newest_fills_up_and_drops_the_rest(make: Make) -> None:
    """What fits of a batch stays, the rest of it goes."""
    buffer = make(10, when_full="drop_newest")
    buffer.offer_nowait(batch_of(0, 7))
    buffer.offer_nowait(batch_of(7, 14))
    assert drained(buffer) == list(range(10))
    assert buffer.ledger.discarded == {("queue_full", False): 4}


@pytest.mark.parametrize("when_full", ["block", "drop_newest", "drop_oldest"])
def test_an_event_larger_than_the_queue_is_discarded_alone(make: Make, when_full: str) -> None:
    """It can never fit; its neighbours do."""
    buffer = make(100, max_bytes=4096, when_full=when_full)
    mixed = batch_of(0, 3)
    oversized = mixed.events[1].replace(memory_bytes=5000)
    mixed = mixed._replace(events=[mixed.events[0], oversized, mixed.events[2]], size=5200)
    assert buffer.offer_nowait(mixed) is None
    assert drained(buffer) == [0, 2]
    assert buffer.ledger.discarded == {("too_large", False): 1}


@pytest.mark.anyio
async def test_block_waits_for_room_and_loses_nothing(make: Make) -> None:
    """An offer to a full queue goes on when somebody takes."""
    buffer = make(10)
    async with anyio.create_task_group() as group:
        group.start_soon(buffer.offer, batch_of(0, 35))
        await anyio.lowlevel.checkpoint()
        assert buffer.events == 10
        found = []
        while len(found) < 35:
            batch = await buffer.take(4, 1 << 20, 0)
            assert batch is not None
            assert buffer.events <= 10
            found += numbers(batch.events)
            await anyio.lowlevel.checkpoint()
    assert found == list(range(35))
    assert buffer.ledger.received == 35


@pytest.mark.anyio
async def test_room_that_came_while_nobody_waited_is_found(make: Make) -> None:
    """A source that waits for one full queue must not wait for ever for another that has drained meanwhile."""
    slow, quick = make(10), make(10)
    offers = [Offer(buffer, rest) for buffer in (slow, quick) if (rest := buffer.offer_nowait(batch_of(0, 15))) is not None]

    async def source() -> None:
        for offer in offers:
            await offer.wait()

    with anyio.fail_after(2):
        async with anyio.create_task_group() as group:
            group.start_soon(source)
            await anyio.lowlevel.checkpoint()
            assert drained(quick) == list(range(10))
            assert drained(slow) == list(range(10))
    assert drained(quick) == drained(slow) == list(range(10, 15))


@pytest.mark.anyio
async def test_block_gives_up_after_its_timeout(make: Make) -> None:
    """With block_timeout_secs the newest are dropped in the end, counted."""
    buffer = make(10, timeout=0.01)
    await buffer.offer(batch_of(0, 15))
    assert drained(buffer) == list(range(10))
    assert buffer.ledger.discarded == {("queue_full", False): 5}


@pytest.mark.anyio
async def test_take_waits_and_ends_when_closed(make: Make) -> None:
    """Whoever waits for events is woken by the end."""
    buffer = make()
    ended = anyio.Event()

    async def taker() -> None:
        assert await buffer.take(10, 1000, 0) is None
        ended.set()

    async with anyio.create_task_group() as group:
        group.start_soon(taker)
        await anyio.lowlevel.checkpoint()
        buffer.close()
        with anyio.fail_after(1):
            await ended.wait()


@pytest.mark.anyio
async def test_take_lingers_for_a_fuller_batch(make: Make) -> None:
    """With batch.timeout_secs a batch waits until it is full."""
    buffer = make()
    async with anyio.create_task_group() as group:

        async def source() -> None:
            for at in range(10):
                buffer.offer_nowait(batch_of(at, at + 1))
                await anyio.lowlevel.checkpoint()

        group.start_soon(source)
        with anyio.fail_after(1):
            batch = await buffer.take(10, 1 << 20, 60)
    assert batch is not None
    assert numbers(batch.events) == list(range(10))


def test_tickets_settle_in_order_and_only_when_all_parts_are_done(make: Make) -> None:
    """A position is acknowledged when its batch is delivered, and not before those in front of it."""
    line = Positions()
    buffer = make()
    first, second = line.issue("first"), line.issue("second")
    buffer.offer_nowait(batch_of(0, 10, tickets=(first,)))
    buffer.offer_nowait(batch_of(10, 20, tickets=(second,)))
    parts = [buffer.take_nowait(5, 1 << 20) for _ in range(4)]
    assert buffer.events == 0
    for part in parts[1:]:
        assert part is not None
        buffer.done(part)
    assert line.take_position() == (False, None)
    assert parts[0] is not None
    buffer.done(parts[0])
    assert line.take_position() == (True, "second")
    assert line.open_batches == 0


@pytest.mark.parametrize("when_full", ["drop_newest", "drop_oldest"])
def test_what_a_policy_drops_is_settled(make: Make, when_full: str) -> None:
    """A drop that the pipeline file allows holds up no position."""
    line = Positions()
    buffer = make(10, when_full=when_full)
    for at in range(0, 100, 10):
        buffer.offer_nowait(batch_of(at, at + 10, tickets=(line.issue(at),)))
    while (batch := buffer.take_nowait(100, 1 << 20)) is not None:
        buffer.done(batch)
    assert line.open_batches == 0
    assert line.take_position() == (True, 90)


def test_refuse_gives_up_what_waits_and_what_comes(make: Make) -> None:
    """A sink that wants no more keeps its ledger in balance."""
    line = Positions()
    buffer = make(10)
    buffer.offer_nowait(batch_of(0, 8, tickets=(line.issue(1),)))
    assert buffer.refuse(Reason.SINK_FINISHED) == 8
    assert buffer.offer_nowait(batch_of(8, 40, tickets=(line.issue(2),))) is None
    assert buffer.ledger.discarded == {("sink_finished", True): 40}
    assert buffer.ledger.balance() == 0
    assert line.open_batches == 0


@pytest.mark.anyio
@pytest.mark.parametrize("when_full", ["block", "drop_oldest", "drop_newest"])
async def test_a_batch_larger_than_the_queue_goes_out_before_anything_is_dropped(make: Make, when_full: WhenFull) -> None:
    """A worker that waits for a batch of 1000 in a queue of 100 writes what is there as soon as room runs short."""
    buffer = make(100, when_full=when_full)
    found: list[int] = []

    async def worker() -> None:
        while (batch := await buffer.take(1000, 1 << 20, 60)) is not None:
            found.extend(numbers(batch.events))
            buffer.ledger.sent += len(batch.events)
            buffer.done(batch)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(worker)
            for at in range(0, 400, 50):
                await buffer.offer(batch_of(at, at + 50))
                await anyio.wait_all_tasks_blocked()
            buffer.close()
    assert found == list(range(400))
    assert (buffer.ledger.sent, buffer.ledger.discarded, buffer.ledger.balance()) == (400, {}, 0)


@pytest.mark.anyio
async def test_an_offer_that_waits_for_room_ends_the_wait_for_company(make: Make) -> None:
    """A light queue whose next event is heavy is written at once: nobody can come while it waits."""
    buffer = make(100, max_bytes=10_000)
    async with anyio.create_task_group() as group:
        await buffer.offer(batch_of(0, 4))
        group.start_soon(buffer.offer, batch_of(4, 5, memory_bytes=9900))
        with anyio.fail_after(5):
            first = await buffer.take(1000, 1 << 20, 60)
            assert first is not None
            assert numbers(first.events) == [0, 1, 2, 3]
            last = await buffer.take(1000, 1 << 20, 60)
            assert last is not None
            assert numbers(last.events) == [4]
