"""The ``pcap`` source: capture files or a pipe from tcpdump → segments, through the same decoder as the live source.

It reads as fast as the pipeline takes them, or in their own time. It never decodes HTTP, and never writes.
"""

import functools
import operator
from collections.abc import AsyncIterator, Callable, Sequence

import anyio.to_thread

from pipeline.api import Context, Emits, InputError, RecordBatch, Source
from pipeline.model.records import Captured
from pipeline.packets.store import Keeper
from pipeline.sources.files.inputs import open_input, standard_input
from pipeline.sources.files.pace import paced
from pipeline.sources.pcap.config import STANDARD_INPUT, PcapConfig
from pipeline.sources.pcap.dissect import Dissector
from pipeline.sources.pcap.find import find
from pipeline.sources.pcap.frames import Frame, Keep
from pipeline.sources.pcap.kept import KeptBlock
from pipeline.sources.pcap.streams import CaptureStream, in_time_order


class PcapSource(Source):
    """Reads capture files: what tcpdump, dumpcap and their like wrote."""

    api_version = 1
    of_this_host = False
    Config = PcapConfig
    emits = Emits.RECORDS
    can_wait = True
    keeps_packets = True

    def __init__(self, config: PcapConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._dissector = Dissector(quic=context.tls_handshakes)
        self._streams: list[CaptureStream] = []
        self._total = 0

    async def open(self) -> None:
        """Find the files and look at their first bytes. Of standard input nothing is read yet."""
        if self._config.path == STANDARD_INPUT:
            capture = standard_input()
            self._total = capture.size
            self._streams = [CaptureStream(0, lambda: capture, self._dissector, self._keep("standard input"))]
            return
        found = await anyio.to_thread.run_sync(find, self._config.path)
        self._total = sum(path.stat().st_size for path, _ in found)
        self._streams = [
            CaptureStream(begin_ns, functools.partial(open_input, path), self._dissector, self._keep(path.name))
            for path, begin_ns in found
        ]

    async def batches(self) -> AsyncIterator[RecordBatch]:
        """One batch for each read. Ends with ``InputError`` when a capture was damaged, after all that could be read."""
        lists: AsyncIterator[Sequence[Captured]] = in_time_order(self._streams)
        if self._config.speed == "realtime":
            lists = paced(lists, operator.attrgetter("ts_ns"))
        async for segments in lists:
            yield RecordBatch(segments, sum(stream.done for stream in self._streams))
            for name, number in self._dissector.take_counts().items():
                self._context.count(name, number)
        failures = [stream.failure for stream in self._streams if stream.failure]
        if failures:
            raise InputError("\n".join(failures))

    async def aclose(self) -> None:
        """Let go of the files."""
        for stream in self._streams:
            stream.close()

    def _keep(self, name: str) -> Keep | None:
        """What keeps the blocks of a capture, where packets are wanted."""
        keeper = self._context.packets
        if not isinstance(keeper, Keeper):
            return None

        def keep(block: bytes, more: int, frames: Callable[[], Sequence[Frame]]) -> None:
            if keeper.wanted:
                keeper.keep(KeptBlock(block, more, frames, name, quic=self._dissector.quic))

        return keep

    async def acknowledge(self, position: object) -> None:
        """Progress is what has been delivered, in bytes of the files; of a pipe nobody knows how many there will be."""
        if isinstance(position, int):
            self._context.progress(position, self._total)
