"""Packets of connections, taken away as pcapng: httpipe reads the same events from them, and tshark what it read before."""

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from pipeline.api import Event
from pipeline.decode import DecodeOptions, Decoder
from pipeline.model.records import Captured, Record
from pipeline.packets.export import capture_of
from pipeline.packets.store import Keeper, PacketStore
from pipeline.sources.pcap.dissect import Dissector
from pipeline.sources.pcap.frames import Keep
from pipeline.sources.pcap.kept import KeptBlock
from pipeline.sources.pcap.reader import CaptureReader

CAPTURES = Path(__file__).parent / "captures"
ALL = sorted(path for path in CAPTURES.rglob("*.pcap*"))
READ_BYTES = 65_536
CASES = [pytest.param(path, id=str(path.relative_to(CAPTURES))) for path in ALL]


def options_of(path: Path) -> DecodeOptions:
    """All kinds of events that a capture of this folder has."""
    kinds = {"tls": "tls_handshakes", "websocket": "websocket_messages"}
    return DecodeOptions.model_validate({kinds[path.parent.name]: True} if path.parent.name in kinds else {})


def batches(path: Path, options: DecodeOptions, keep: Keep | None = None) -> Iterator[Sequence[Captured]]:
    """The records of a capture, as its source gives them."""
    reader = CaptureReader(Dissector(quic=options.tls_handshakes), keep)
    with path.open("rb") as file:
        while data := file.read(READ_BYTES):
            yield from reader.feed(data)


def decoded(records: Sequence[Sequence[Record]], options: DecodeOptions) -> list[Event]:
    """Their events."""
    decoder = Decoder(options, source="s")
    events = [event for batch in records for event in decoder.feed(batch)]
    return [*events, *decoder.finish()]


def test_there_are_captures() -> None:
    """Of every kind."""
    assert len(ALL) > 80
    assert {"tls", "websocket", "http2", "faults"} <= {path.parent.name for path in ALL}


@pytest.mark.parametrize("path", CASES)
@pytest.mark.parametrize("way", ["packets", "records"])
def test_the_same_events_are_read_back(path: Path, way: str, tmp_path: Path) -> None:
    """From the packets as they were captured, and from those that are made of records. Order may be another."""
    options = options_of(path)
    store = PacketStore()
    store.keep_for({"s": 1 << 30})
    keeper = Keeper(store, "s", live=False)

    def keep(block: bytes, more: int, frames: Any) -> None:
        if way == "packets":
            keeper.keep(KeptBlock(block, more, frames, path.name, quic=options.tls_handshakes))

    seen = list(batches(path, options, keep))
    if way == "records":
        for batch in seen:
            keeper.records(batch)
    events = decoded(seen, options)
    content, remark = capture_of(events, store)
    taken = tmp_path / "taken.pcapng"
    taken.write_bytes(b"".join(content))
    back = decoded(list(batches(taken, options)), options)
    assert sorted(map(repr, back)) == sorted(map(repr, events))
    assert remark.startswith(f"{len(events):,} event")
    assert "no packet" not in remark


def fields(path: Path, *names: str) -> list[str]:
    """What tshark says of each packet with HTTP in it."""
    if which("tshark") is None:
        pytest.skip("no tshark: tools/setup.sh test installs it")
    wanted = [argument for name in names for argument in ("-e", name)]
    command = ["tshark", "-n", "-r", str(path), "-Y", "http", "-T", "fields", *wanted]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.parametrize("name", ["node-node.pcap", "curl-nginx-ipv6.pcapng", "socket-nginx-pipelined.pcap"])
@pytest.mark.parametrize("way", ["packets", "records"])
def test_tshark_reads_what_it_read_before(name: str, way: str, tmp_path: Path) -> None:
    """Times, addresses, ports, numbers, requests and responses; and nothing is malformed."""
    path, options = CAPTURES / name, DecodeOptions()
    store = PacketStore()
    store.keep_for({"s": 1 << 30})
    keeper = Keeper(store, "s", live=False)

    def keep(block: bytes, more: int, frames: Any) -> None:
        if way == "packets":
            keeper.keep(KeptBlock(block, more, frames, path.name, quic=False))

    seen = list(batches(path, options, keep))
    if way == "records":
        for batch in seen:
            keeper.records(batch)
    taken = tmp_path / "taken.pcapng"
    taken.write_bytes(b"".join(capture_of(decoded(seen, options), store)[0]))
    asked = (
        *("frame.time_epoch", "ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "tcp.srcport", "tcp.dstport"),
        *("tcp.len", "http.request.uri", "http.response.code", "_ws.malformed"),
    )
    assert fields(taken, *asked) == fields(path, *asked)
    assert fields(taken, "frame.comment")[0].startswith("httpipe: ")
