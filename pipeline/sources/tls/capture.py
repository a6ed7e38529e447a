"""One capture by probes: program, ring, prober and streams, opened in this order.

``load`` wants privileges and takes up to a second; from then on ``read`` gives records, and ``detach`` ends it.
"""

import platform
import time
from collections.abc import Callable, Sequence

from pipeline.model.records import Record
from pipeline.sources.bpf.capture import MAX_BODY_BYTES, TURN_BYTES, WAKE_BYTES
from pipeline.sources.bpf.clock import wall_minus_boot_ns
from pipeline.sources.tls import abi, mappings
from pipeline.sources.tls.config import TlsConfig
from pipeline.sources.tls.prober import Log, Prober
from pipeline.sources.tls.processes import Processes
from pipeline.sources.tls.program import TlsProgram
from pipeline.sources.tls.ring import TlsLibbpfRing, TlsRing
from pipeline.sources.tls.streams import Streams
from pipeline.sources.tls.wanted import Wanted


class TlsCapture:
    """Not safe against two readers."""

    def __init__(
        self, config: TlsConfig, log: Log, count: Callable[[str, int], None], body_bytes: int = 0, *, websockets: bool = False
    ) -> None:
        self.program = TlsProgram(config, TURN_BYTES + min(body_bytes, MAX_BODY_BYTES), websockets=websockets)
        ring = TlsRing if platform.machine() == "x86_64" else TlsLibbpfRing
        self.ring: TlsRing | TlsLibbpfRing = ring(self.program.ring_fd, config.ring_bytes)
        self._wanted = Wanted(config.executables, config.exclude)
        self._prober = Prober(self.program, self._wanted, config.files, log)
        self._processes = Processes(self._wanted, self._prober.library)
        self._streams = Streams(self._processes.describe, count, config.kernel_connections)
        self._returns = config.returns
        self.wake_bytes = min(WAKE_BYTES, config.ring_bytes // 4)
        self._offset_ns = 0
        self._offset_due = 0.0
        self._ended_ns = 0

    def attach(self) -> int:
        """Traffic is seen from now on; returns how many libraries are probed. Raises ``CaptureError``."""
        self.program.want(abi.Want.ANY)
        self.program.start()
        self._prober.open(self._returns)
        self._prober.start()
        return self._prober.attached

    def not_running(self) -> Sequence[str]:
        """Which of `executables` fit no program that runs now, such as misspelt ones."""
        return self._wanted.without(mappings.executable(pid) for pid in mappings.processes())

    @property
    def waiting(self) -> bool:
        """Whether something is kept back for a moment."""
        return self._streams.waiting

    def read(self) -> list[Record]:
        """What the probes saw since."""
        self._drain()
        return self._streams.take(time.time_ns())

    def rest(self) -> list[Record]:
        """After ``detach``: everything that is left."""
        while self._drain():
            pass
        return self._streams.finish()

    def _drain(self) -> bool:
        """A part of what is in the ring goes into the streams; false where nothing is there."""
        found = self.ring.drain(self._wall_minus_boot_ns())
        for seen in found:
            if self._ended_ns and seen.ts_ns > self._ended_ns:
                continue
            if seen.kind == abi.Kind.PROCESS:
                wanted = self._processes.saw(seen)
                self.program.decide(seen.tgid, abi.Verdict.WANTED if wanted else abi.Verdict.IGNORED)
                continue
            self._streams.feed(seen)
            if seen.kind == abi.Kind.EXIT:
                self._processes.gone(seen.tgid)
        return bool(found)

    def detach(self) -> None:
        """No call passes a probe any more. Safe twice.

        The probes are taken away one after the other. What the remaining ones see meanwhile, such as answers without their
        requests, is not taken: the capture ends for all at once.
        """
        self._ended_ns = self._ended_ns or time.time_ns()
        self._prober.detach()

    def close(self) -> None:
        """Let go of everything. Safe twice."""
        self._prober.close()
        self.ring.close()
        self.program.close()

    def _wall_minus_boot_ns(self) -> int:
        """Measured every second."""
        now = time.monotonic()
        if now >= self._offset_due:
            self._offset_ns, self._offset_due = wall_minus_boot_ns(), now + 1.0
        return self._offset_ns
