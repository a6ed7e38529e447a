"""The files of a firewall's lists, watched: read when it starts, and again when they have changed.

All of it may take its time, and runs in a thread beside the gate, which holds the old lists meanwhile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.sources.gate.config import FirewallConfig
from pipeline.sources.gate.gate import Gate
from pipeline.sources.gate.inner import Prepared
from pipeline.sources.gate.lists import Version, read, understood, versions

Versions = Mapping[str, Version | None]


@dataclass(frozen=True, slots=True)
class News:
    """Lists that are in the kernel and do not hold yet."""

    entries: Sequence[str]
    prepared: Prepared


class Watch:
    """Files are taken when they have not changed between two looks: one that is being written is not taken by half."""

    def __init__(self, config: FirewallConfig) -> None:
        self._config = config
        self._seen: Versions = {}
        self._taken: Versions = {}

    def first(self, gate: Gate) -> News:
        """The lists to begin with. Raises ``ConfigError`` with every problem, or ``CaptureError``."""
        self._seen = self._taken = versions(self._config)
        return self._news(gate)

    def look(self, gate: Gate) -> News | None:
        """The lists, if they have changed; to be asked every second. Raises as ``first``, once for each version that is wrong."""
        now = versions(self._config)
        unchanged, self._seen = now == self._seen, now
        if now == self._taken or not unchanged:
            return None
        self._taken = now
        return self._news(gate)

    def _news(self, gate: Gate) -> News:
        compiled = understood(self._config, read).compiled
        return News(compiled.entries, gate.prepare(compiled))
