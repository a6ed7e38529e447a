"""Where what leaves a source or a transform goes: one fan-out for each output, by the output's name."""

from collections.abc import Callable

from pipeline.delivery.fanout import Fanout, Tap


class Fanouts:
    """An output keeps its fan-out over reloads, whatever reads it. ``observer`` sees what sinks read, of every output."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._by_output: dict[str, Fanout] = {}
        self.observer: Tap | None = None

    def of(self, output: str) -> Fanout:
        """The fan-out of an output."""
        if output not in self._by_output:
            self._by_output[output] = Fanout(self._monotonic)
        return self._by_output[output]

    def outputs(self) -> tuple[str, ...]:
        """Names of all outputs that were asked for."""
        return tuple(self._by_output)
