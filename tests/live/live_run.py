"""The program on frames of our own making: BPF_PROG_TEST_RUN, no interface, no traffic but ours."""

from collections.abc import Generator
from contextlib import contextmanager

from pipeline.model.records import Record, Segment
from pipeline.sources.bpf.capture import Capture
from pipeline.sources.bpf.config import BpfConfig
from pipeline.sources.bpf.syscall import run_on_frame


class Run:
    """A loaded program that no packet reaches but ours."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture

    def __call__(self, *frames: bytes) -> list[Segment]:
        """What the program reports of these frames."""
        self.unread(*frames)
        return [record for record in self.capture.read() if isinstance(record, Segment)]

    def unread(self, *frames: bytes) -> None:
        """The frames, while nobody reads the ring."""
        for frame in frames:
            run_on_frame(self.capture.program_fd, frame)

    def read(self) -> list[Record]:
        """Everything that the ring holds."""
        return self.capture.rest()

    def quiet(self) -> list[Segment]:
        """What the sweep reports at the end."""
        return self.capture.quiet(last=True)

    @property
    def counts(self) -> dict[str, int]:
        """What was counted since this was asked last."""
        return dict(self.capture.counters.news())


@contextmanager
def loaded(config: BpfConfig, *, handshakes: bool = False, websockets: bool = False) -> Generator[Run, None, None]:
    """Loaded, attached to nothing."""
    capture = Capture(config, handshakes=handshakes, websockets=websockets)
    capture.load()
    try:
        yield Run(capture)
    finally:
        capture.close()
