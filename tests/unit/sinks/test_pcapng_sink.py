"""The ``pcapng`` sink: whatever happens, the file is a whole capture of the connections that it was given events of."""

import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.api import Context, NotConnected
from pipeline.codecs.pcapng import Section
from pipeline.packets.store import Keeper, PacketStore
from pipeline.sinks.pcapng.sink import PcapngConfig, PcapngSink
from pipeline.sources.pcap.reader import read_segments
from tests.unit.packets.test_taker import SECOND, exchange, kept, talk

pytestmark = pytest.mark.anyio


def sink(path: Path, store: PacketStore | None, counts: dict[str, int] | None = None, **options: Any) -> PcapngSink:
    """One that writes there."""

    def count(name: str, by: int) -> None:
        if counts is not None:
            counts[name] = counts.get(name, 0) + by

    config = PcapngConfig.model_validate({"path": str(path), **options})
    return PcapngSink(config, Context("capture", packets=store, count=count))


def times(file: Path) -> list[int]:
    """Of the packets in a file, which must be whole."""
    return [segment.ts_ns for batch in read_segments(file) for segment in batch]


async def test_whole_after_every_batch(tmp_path: Path) -> None:
    """Also before the first one and without any; a later run goes on."""
    file = tmp_path / "new" / "a.pcapng"
    one, two = talk(1, 0), talk(2, 10 * SECOND)
    counts: dict[str, int] = {}
    for records in (one, two):
        port = 1 if records is one else 2
        begin = records[0].ts_ns
        writer = sink(file, kept(records), counts)
        await writer.open()
        before = times(file)
        await writer.write([exchange(port, begin + SECOND)])
        assert times(file) == before + [record.ts_ns for record in records[:5]]
        await writer.aclose()
        assert times(file) == before + [record.ts_ns for record in records]
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    assert counts == {"packets": 12, "connections": 2}


async def test_without_a_match_the_file_is_empty_and_whole(tmp_path: Path) -> None:
    """And without packets, what is asked for is counted."""
    file, counts = tmp_path / "a.pcapng", dict[str, int]()
    writer = sink(file, None, counts)
    await writer.open()
    assert times(file) == []
    await writer.write([exchange(1, 0)])
    await writer.aclose()
    assert times(file) == []
    assert counts == {"events_without_packets": 1}


async def test_a_torn_file_keeps_every_packet_that_is_whole(tmp_path: Path) -> None:
    """Cut at every byte, it opens again, whole, and goes on."""
    file, records = tmp_path / "a.pcapng", talk(1, 0)
    writer = sink(file, kept(records))
    await writer.open()
    await writer.write([exchange(1, SECOND)])
    await writer.aclose()
    content = file.read_bytes()
    lengths = set()
    for cut in range(1, len(content)):
        file.write_bytes(content[:cut])
        again = sink(file, kept(records))
        await again.open()
        lengths.add(len(times(file)))
        await again.write([exchange(1, SECOND)])
        await again.aclose()
        assert times(file)[-len(records) :] == [record.ts_ns for record in records]
    assert lengths == set(range(len(records)))


async def test_what_is_not_ours_is_not_touched(tmp_path: Path) -> None:
    """Neither a capture of another program nor anything else."""
    for content in (
        b"\xd4\xc3\xb2\xa1" + bytes(40),
        b"hello",
        b"\n\n",
        Section.beginning("").replace(b"httpipe", b"tcpdump"),
        bytes.fromhex("0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1c000000"),
    ):
        file = tmp_path / "a.pcapng"
        file.write_bytes(content)
        with pytest.raises(NotConnected, match="holds something else than a pcapng file of httpipe; it was not touched"):
            await sink(file, None).open()
        assert file.read_bytes() == content


async def test_a_full_file_is_put_aside_and_each_part_is_a_capture(tmp_path: Path) -> None:
    """With its own section and interfaces."""
    file, store = tmp_path / "a.pcapng", PacketStore()
    store.keep_for({"s": 1 << 20})
    writer = sink(file, store, max_bytes=4096)
    await writer.open()
    for port in range(1, 21):
        Keeper(store, "s", live=False).records(talk(port, port * SECOND))
        await writer.write([exchange(port, (port + 1) * SECOND)])
    await writer.aclose()
    parts = list(tmp_path.iterdir())  # noqa: ASYNC240  a test
    assert len(parts) > 2
    assert max(part.stat().st_size for part in parts) <= 4096 + 20 * 200  # the end of all connections comes at once
    assert len([at for part in parts for at in times(part)]) == 20 * 6


async def test_packets_that_could_not_be_written_come_with_the_next_write(tmp_path: Path) -> None:
    """Each once, whatever failed."""
    file, records = tmp_path / "sub" / "a.pcapng", talk(1, 0)
    writer = sink(file, kept(records))
    await writer.open()
    file.unlink()
    os.rmdir(file.parent)  # noqa: PTH106  beside the line below
    file.parent.write_text("in the way")
    for _ in range(3):
        with pytest.raises(NotConnected):
            await writer.write([exchange(1, SECOND)])
        await writer.aclose()
    file.parent.unlink()
    await writer.open()
    await writer.write([exchange(1, SECOND)])
    await writer.aclose()
    assert times(file) == [record.ts_ns for record in records]


def test_it_says_how_much_is_to_be_kept() -> None:
    """As its options have it."""
    assert PcapngSink.wants_packets(PcapngConfig(path="x", keep_bytes=1 << 20)) == 1 << 20
