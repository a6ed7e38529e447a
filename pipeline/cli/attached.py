"""What a running pipeline shows of itself through its control socket, as the views in this process look at it."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipeline.errors import HttpipeError
from pipeline.live.store import Store
from pipeline.live.summary import Summary
from pipeline.live.view import View
from pipeline.model.snapshot import Snapshot

Told = tuple[Mapping[str, Any], tuple[bytes | None, bytes | None]] | int
"""As ``ControlClient.exchanges`` says it: fields and heads; or how many were not told."""

MOST_PER_SEC = 10_000
"""Events that the other process shows; what is beyond that is counted."""
ELSEWHERE = "the packets are in the process that captures: a sink of the type pcapng there writes them, or the page of its [ui]"
END_SECS = 5.0
"""How long the end of a view waits for the threads that fill it, which have been hung up on."""


def socket_named(name: str) -> str:
    """The control socket of the pipeline called ``name``; empty: of the only one that runs. Raises ``HttpipeError``."""
    from pipeline.runtime.control.client import find  # noqa: PLC0415  start-up

    try:
        return find(name or None)
    except HttpipeError as error:  # in the words of top and tap, which have other options
        said = str(error).replace("name one with --instance FILE or PID", "name one with --attach FILE or PID")
        raise HttpipeError(said.partition("; name its socket with --socket")[0]) from error


@contextmanager
def attached(path: str, where: str | None, keep: int) -> Iterator[tuple[View, Callable[[], int], threading.Event]]:
    """A view of the run whose control socket this is, how many events it did not tell, and its end. Raises ``HttpipeError``."""
    from pipeline.runtime.control.client import ControlClient  # noqa: PLC0415  start-up

    store, ended = Store(keep), threading.Event()
    with ControlClient(path) as events, ControlClient(path) as states:
        latest = _Latest(states.snapshots())
        answers = events.exchanges(where, MOST_PER_SEC)
        next(answers, None)  # the tap is on, or its condition is wrong
        follower = _Follower(answers, store, ended)
        threads = [threading.Thread(target=each, daemon=True) for each in (latest.follow, follower.follow)]
        for thread in threads:
            thread.start()
        try:
            view = View(
                title=latest.snapshot.file or f"PID {latest.snapshot.pid}",
                store=store,
                summary=Summary(store),
                snapshot=lambda: latest.snapshot,
                attributes=dict,
                ended=ended.is_set,
                without_packets=ELSEWHERE,
            )
            yield view, lambda: follower.missed, ended
        finally:
            events.close()
            states.close()
            for thread in threads:
                thread.join(END_SECS)


class _Latest:
    """The newest snapshot. Raises ``HttpipeError`` where there is none."""

    def __init__(self, snapshots: Iterator[Snapshot]) -> None:
        self._snapshots = snapshots
        first = next(snapshots, None)
        if first is None:
            raise HttpipeError("the pipeline has ended")
        self.snapshot: Snapshot = first

    def follow(self) -> None:
        """Until the run ends, or the client hangs up."""
        for snapshot in self._snapshots:
            self.snapshot = snapshot


class _Follower:
    """Fills the store with what a tap tells."""

    def __init__(self, answers: Iterator[Told], store: Store, ended: threading.Event) -> None:
        self._answers = answers
        self._store = store
        self._ended = ended
        self.missed = 0

    def follow(self) -> None:
        """Until the run ends, or the client hangs up."""
        from pipeline.codecs.registry import decoder  # noqa: PLC0415  start-up

        decode = decoder("json").decode
        try:
            for answer in self._answers:
                if isinstance(answer, int):
                    self.missed += answer
                    continue
                fields, (request, response) = answer
                event = decode(json.dumps(fields).encode())
                if request is not None or response is not None:
                    event = event.replace(request_head=request, response_head=response)
                self._store.show([event])
        finally:
            self._ended.set()
