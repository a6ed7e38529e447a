"""The processes that probes saw: which are wanted, and what is said of them.

Comes in: the facts that the kernel gave at first sight of a process, so that one that is gone is known all the same. Goes out:
``Described``, or None where the process is not wanted. Bounded; the oldest make place, and are looked up in /proc again.
"""

from collections.abc import Callable

from pipeline.model.records import Process
from pipeline.sources.bpf.facts import process as process_of
from pipeline.sources.tls import mappings
from pipeline.sources.tls.ring import Seen
from pipeline.sources.tls.streams import Described
from pipeline.sources.tls.wanted import Wanted

MAX_PROCESSES = 65536


class Processes:
    """``saw`` and ``gone`` follow the ring; ``describe`` is asked for each connection."""

    def __init__(self, wanted: Wanted, library: Callable[[int], str]) -> None:
        self._wanted = wanted
        self._library = library
        self._known: dict[int, Process | None] = {}

    def saw(self, seen: Seen) -> bool:
        """A process called a TLS library for the first time; returns whether it is wanted."""
        return self._learn(seen.tgid, process_of(seen.payload)) is not None

    def gone(self, tgid: int) -> None:
        """Its number may be given again."""
        self._known.pop(tgid, None)

    def describe(self, tgid: int, target: int) -> Described | None:
        """None where it is not wanted."""
        process = self._known.get(tgid, _UNKNOWN)
        if process is _UNKNOWN:  # the record of its first sight was lost
            process = self._learn(tgid, _looked_up(tgid))
        return None if process is None else Described(process, self._library(target))

    def _learn(self, tgid: int, found: Process) -> Process | None:
        process = found if self._wanted(found.path) else None
        if len(self._known) >= MAX_PROCESSES:
            del self._known[next(iter(self._known))]
        self._known[tgid] = process
        return process


def _looked_up(tgid: int) -> Process:
    path = mappings.executable(tgid)
    return Process(tgid, path.rpartition("/")[2], path=path)


_UNKNOWN = Process(pid=-1)
