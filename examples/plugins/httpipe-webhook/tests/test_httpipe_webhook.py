"""The sink `webhook` against a real HTTP server."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import anyio
import pytest
from httpipe_webhook import Webhook, WebhookConfig
from httpipe_webhook.answer import retry_after
from pydantic import ValidationError
from receiver import SECRET, Receiver

from httpipe import BackOff, Context, Exchange, Finished, NotConnected, Reject
from httpipe.testing import sink_contract

EVENTS = [Exchange(timestamp_ns=number, httpipe_sequence=number) for number in range(3)]
NOW_NS = 1_767_225_600 * 1_000_000_000
PLACE: dict[str, Receiver] = {}


@pytest.fixture
def anyio_backend() -> str:
    """httpipe runs on asyncio."""
    return "asyncio"


@pytest.fixture(scope="module", autouse=True)
def receiver() -> Iterator[Receiver]:
    """One for all tests; each sends to a path of its own."""
    with Receiver() as running:
        PLACE["receiver"] = running
        yield running


def make(url: str, **options: Any) -> Webhook:
    """The sink, as the engine makes it."""
    return Webhook(WebhookConfig.model_validate({"url": url, "secret": SECRET, **options}), Context("hook"))


def numbers(folder: Path) -> Sequence[int]:
    """Which exchanges have arrived, in their order."""
    return [event["httpipe.sequence"] for event in PLACE["receiver"].events[str(folder)]]


@asynccontextmanager
async def away(_folder: Path) -> AsyncIterator[None]:
    """It takes nothing meanwhile."""
    with PLACE["receiver"].away():
        yield


TestContract = sink_contract(lambda folder: make(PLACE["receiver"].url(str(folder))), received=numbers, down=away)


async def sent(sink: Webhook) -> None:
    """Open, write, close."""
    try:
        await sink.open()
        await sink.write(EVENTS)
    finally:
        await sink.aclose()


@pytest.mark.anyio
async def test_a_batch_that_is_sent_again_has_the_same_id(receiver: Receiver, tmp_path: Path) -> None:
    """So the receiver can tell; a batch of others has another one."""
    sink = make(receiver.url(str(tmp_path)))
    await sink.open()
    for batch in (EVENTS, EVENTS, EVENTS[1:]):
        await sink.write(batch)
    await sink.aclose()
    first, again, other = receiver.ids[str(tmp_path)]
    assert first == again != other


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "pause", "secs"),
    [
        (429, "7", 7.0),
        (429, "", None),
        (503, "120", 120.0),
        (500, "", None),
        (408, "", None),
    ],
)
async def test_who_says_not_now_is_asked_again(receiver: Receiver, status: int, pause: str, secs: float | None) -> None:
    """After the time that it asks for, else after the engine's backoff."""
    receiver.answer(status, retry_after=pause)
    with pytest.raises(BackOff, match=str(status)) as raised:
        await sent(make(receiver.url()))
    assert raised.value.secs == secs


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "signal"), [(400, Reject), (401, Reject), (413, Reject), (302, Reject), (410, Finished)])
async def test_who_says_never_is_not_asked_again(receiver: Receiver, status: int, signal: type[Exception]) -> None:
    """The batch is rejected; after 410 there are no more batches."""
    receiver.answer(status)
    with pytest.raises(signal, match=str(status)):
        await sent(make(receiver.url()))


@pytest.mark.anyio
async def test_no_answer_means_not_connected(receiver: Receiver) -> None:
    """Nobody listens, or who listens does not like the signature and hangs up."""
    with Receiver() as gone:
        url = gone.url()
    with pytest.raises(NotConnected, match=r"127\.0\.0\.1"):
        await sent(make(url))
    with pytest.raises(NotConnected, match=r"127\.0\.0\.1"):
        await sent(make(receiver.url(), secret="A" * 32))


@pytest.mark.anyio
async def test_a_connection_is_used_again(receiver: Receiver, tmp_path: Path) -> None:
    """Also when there is something to read in the answers."""
    receiver.connections.clear()
    sink = make(receiver.url(str(tmp_path)))
    await sink.open()
    for status, length in ((200, 0), (202, 1000), (204, 0)):
        receiver.answer(status, length=length)
        await sink.write(EVENTS)
    await sink.aclose()
    assert len(receiver.events[str(tmp_path)]) == 9
    assert len(receiver.connections) == 1


@pytest.mark.anyio
async def test_an_answer_without_end_is_not_read(receiver: Receiver) -> None:
    """Only the status counts; a terabyte behind it is neither waited for nor kept."""
    receiver.answer(200, length=1 << 40)
    with anyio.fail_after(5):
        await sent(make(receiver.url()))


@pytest.mark.parametrize(
    ("value", "secs"),
    [
        ("7", 7.0),
        (formatdate(NOW_NS // 1_000_000_000 + 90, usegmt=True), 90.0),
        (formatdate(NOW_NS // 1_000_000_000 - 90, usegmt=True), None),
        ("0", None),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("9" * 400, float("inf")),
        ("Sun, 31 Dec 9999 23:59:59 -9999", None),
    ],
)
def test_retry_after_is_read_as_the_standard_says(value: str, secs: float | None) -> None:
    """Seconds or a date; nonsense is as good as nothing. The engine waits an hour at the most."""
    assert retry_after(value, NOW_NS) == secs


@pytest.mark.parametrize("secret", ["short", "whsec_", "not base64 at all, but quite long enough", "A" * 1000])
def test_a_wrong_secret_is_a_problem_of_the_pipeline_file(secret: str) -> None:
    """`httpipe validate` tells it before anything runs."""
    with pytest.raises(ValidationError):
        make("http://localhost/", secret=secret)


def test_secrets_are_not_shown(receiver: Receiver) -> None:
    """Neither the key nor header fields such as `authorization`."""
    shown: Callable[[object], str] = repr
    sink = make(receiver.url(), headers={"authorization": "Bearer hidden"})
    assert SECRET not in shown(sink.config)
    assert "hidden" not in shown(sink.config)
