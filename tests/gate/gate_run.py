"""A gate that runs in a namespace, and what it said."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field

from gate_lists import SECRET, lists
from live_namespace import Namespace

from pipeline.sources.gate import abi
from pipeline.sources.gate.gate import Gate, Sizes
from pipeline.sources.gate.settings import Settings

PORTS = tuple(range(25000, 25100))
REFUSALS = ("listed", "not_listed", "doubt", "not_http", "midstream", "full", "urgent", "desync")


@dataclass(slots=True)
class Running:
    """A gate, its decisions so far, its counters since it was loaded."""

    gate: Gate
    decisions: list[abi.Decision] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    reports_all: bool = False

    def look(self) -> "Running":
        """Take what has come since."""
        while more := self.gate.drain():
            self.decisions += more
        for name, by in self.gate.counters.news():
            self.counts[name] = self.counts.get(name, 0) + by
        return self

    def count(self, name: str) -> int:
        """A counter, when looked at last."""
        return self.counts.get(name, 0)

    def balances(self) -> bool:
        """Every head has one verdict, every refusal one outcome, every outcome one record or one loss."""
        self.look()
        refused = sum(map(self.count, REFUSALS))
        done = sum(map(self.count, ("would_refuse", "forbidden", "reset", "dropped")))
        told = self.count("decisions") + self.count("ring_full")
        allowed = self.count("allowed") if self.reports_all else 0
        return refused == done and done + allowed == told and self.count("decisions") == len(self.decisions)


@contextmanager
def started(
    namespace: Namespace, *interfaces: str, deny: Iterable[str] = SECRET, sizes: Sizes | None = None, **settings: object
) -> Generator[Running, None, None]:
    """In enforce mode unless told otherwise; gone at the end."""
    gate = Gate(sizes or Sizes())
    try:
        gate.configure(Settings(**{"ports": PORTS, "mode": abi.Mode.ENFORCE, **settings}))  # type: ignore[arg-type]  by name
        gate.install(gate.prepare(lists(deny)))
        with namespace.entered():
            for interface in interfaces:
                gate.attach(interface)
            yield Running(gate, reports_all=bool(settings.get("report_all")))
    finally:
        gate.close()
