"""What all contracts share: events as odd as the wire can make them, and cancellation at every single await."""

from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any

import anyio

from pipeline.api import Event, Exchange

DEADLINE_SECS = 10.0
"""For one step of a contract. The engine gives a sink half of it to close."""


class OddEvent(Event, frozen=True, gc=False, kw_only=True):
    """A kind of event that no component knows: plugins make such."""

    event_name = "contract.odd"

    number: int = 0


def odd_events() -> list[Event]:
    """Everything that untrusted peers can put into an exchange, and everything that can be missing from one."""
    texts = [
        "",
        "\x00\x1b[2J\r\n",
        "\u202e\u200b\ufeff",
        "\udc80\udcff",
        "ä🦉" * 1000,
        "x" * 1_000_000,
        '"\\{{}}${HOME}',
        "../../etc/passwd",
    ]
    bare = Exchange(timestamp_ns=0)
    full = [
        Exchange(
            timestamp_ns=1_700_000_000_000_000_000 + number,
            http_request_method=text[:20],
            url_path="/" + text,
            url_query=text,
            server_address=text,
            server_port=65535,
            client_address=text[:40],
            http_response_status_code=999,
            http_request_body_size=2**63 - 1,
            user_agent_original=text,
            http_request_headers={"x-odd": (text, "")},
            http_response_headers={text[:50]: ()},
            httpipe_duration_ms=1e308,
            httpipe_marks=("gap", text[:10]),
            httpipe_sequence=number,
            request_head=text.encode("utf-8", "surrogatepass"),
            attributes={f"odd.{text[:30]}": text, "n": 2**70, "f": float("nan"), "b": True, "l": (text, "")},
            memory_bytes=2000 + 10 * len(text),
        )
        for number, text in enumerate(texts)
    ]
    return [bare, *full, OddEvent(timestamp_ns=2**62, number=7, attributes={"a": "b"}), Exchange(timestamp_ns=-1)]


def ordinary_events(first: int, last: int) -> list[Event]:
    """Exchanges as they are mostly, numbered by ``httpipe.sequence``."""
    return [
        Exchange(
            timestamp_ns=1_700_000_000_000_000_000 + number * 1_000_000,
            http_request_method="GET",
            url_scheme="http",
            url_path=f"/items/{number}",
            server_address="example.com",
            server_port=80,
            client_address="192.0.2.1",
            client_port=40_000 + number % 10_000,
            network_type="ipv4",
            network_protocol_name="http",
            network_protocol_version="1.1",
            http_response_status_code=500 if number % 7 == 0 else 200,
            http_response_body_size=number,
            httpipe_duration_ms=number / 10,
            httpipe_sequence=number,
            httpipe_connection="192.0.2.1:40000-192.0.2.2:80",
        )
        for number in range(first, last)
    ]


def snapshot(events: Sequence[Event]) -> str:
    """All that is in the events, to see whether somebody changed them."""
    return repr(events)


async def cancelled_at(step: int, call: Callable[[], Awaitable[object]]) -> bool:
    """Run ``call`` and cancel it when it waits for the ``step``-th time; False when it did not wait so often."""
    with anyio.fail_after(DEADLINE_SECS), anyio.CancelScope() as scope:
        await _CancelAt(step, call(), scope)
    return scope.cancelled_caught


class _CancelAt(Awaitable[object]):
    """Awaits something and cancels the scope at one of its waits."""

    def __init__(self, step: int, awaitable: Awaitable[object], scope: anyio.CancelScope) -> None:
        self._step = step
        self._awaitable = awaitable
        self._scope = scope

    def __await__(self) -> Generator[Any, Any, object]:
        steps: Any = self._awaitable.__await__()
        resume: Callable[..., Any] = steps.send
        argument: Any = None
        waits = 0
        while True:
            try:
                waiting_for = resume(argument)
            except StopIteration as stop:
                return stop.value
            if waits == self._step:
                self._scope.cancel()
            waits += 1
            try:
                argument = yield waiting_for
                resume = steps.send
            except BaseException as error:  # noqa: BLE001  handed on, as ``yield from`` does
                argument = error
                resume = steps.throw
