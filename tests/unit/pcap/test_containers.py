"""Capture files of every format → packets with the right time, in any cut, up to the damage."""

import gzip
import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pcap_packets import PAYLOAD, TS_NS, block, classic, enhanced, ethernet, interface, ipv4, option, section, statistics, tcp

from pipeline.codecs.zstd import zstd
from pipeline.model.records import Segment
from pipeline.sources.pcap.reader import CaptureReader

FRAME = ethernet(ipv4(tcp()))
ORDERS = ("<", ">")
US = TS_NS // 1000


def read(data: bytes, cuts: int | None = None) -> tuple[list[Segment], CaptureReader]:
    """Everything in some data, fed whole or in pieces of a length."""
    reader = CaptureReader()
    step = cuts or max(1, len(data))
    segments = [one for at in range(0, len(data), step) for part in reader.feed(data[at : at + step]) for one in part]
    reader.finish()
    return segments, reader


def pcapng(order: str = "<", *, packets: int = 3) -> bytes:
    """A plain pcapng file."""
    return section(order) + interface(order) + b"".join(enhanced(order, FRAME, US + 1000 * number) for number in range(packets))


FILES: dict[str, bytes] = {
    "classic": classic([FRAME] * 3),
    "classic big-endian": classic([FRAME] * 3, order=">"),
    "classic nanoseconds": classic([FRAME] * 3, nanoseconds=True),
    "classic nanoseconds big-endian": classic([FRAME] * 3, order=">", nanoseconds=True),
    "pcapng": pcapng(),
    "pcapng big-endian": pcapng(">"),
    "gzip": gzip.compress(classic([FRAME] * 3)),
    "gzip of two members": gzip.compress(classic([FRAME] * 3)[:90]) + gzip.compress(classic([FRAME] * 3)[90:]),
    "gzip with padding": gzip.compress(pcapng()) + bytes(100),
    "zstd": zstd.compress(pcapng()),
    "zstd of two frames": zstd.compress(pcapng()[:70]) + zstd.compress(pcapng()[70:]),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("cuts", [None, 1, 7, 64])
def test_packets_of_a_file(name: str, cuts: int | None) -> None:
    """Each packet comes out with its time, whatever the format, and however the bytes are cut."""
    segments, reader = read(FILES[name], cuts)
    assert reader.damage is None
    assert [segment.ts_ns for segment in segments] == [TS_NS, TS_NS + 1_000_000, TS_NS + 2_000_000]
    assert {segment.payload for segment in segments} == {PAYLOAD}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_ends_early(name: str) -> None:
    """Wherever a file is cut off, the packets before are there, and the end is damage unless a record ends there."""
    data = FILES[name]
    whole, _ = read(data)
    padding = 100 if name == "gzip with padding" else 0
    for length in range(1, len(data) - padding):
        segments, reader = read(data[:length])
        assert segments == whole[: len(segments)]
        if reader.damage is None:
            assert length in boundaries(name)


def boundaries(name: str) -> set[int]:
    """Lengths at which a file could end without damage."""
    if name.startswith("classic"):
        return {24 + (16 + len(FRAME)) * number for number in range(3)}
    if name.startswith("pcapng"):
        data, at, found = FILES[name], 0, set()
        while at < len(data):
            at += struct.unpack_from(">I" if "big" in name else "<I", data, at + 4)[0]
            found.add(at)
        return found
    return {len(gzip.compress(classic([FRAME] * 3)[:90]))} | {len(zstd.compress(pcapng()[:70]))}


def test_offset_of_the_damage() -> None:
    """A record header that cannot be is reported with its offset, and the packets before it are there."""
    good = classic([FRAME] * 2)
    segments, reader = read(good + b"\xff" * 400, 50)
    assert len(segments) == 2
    assert reader.damage is not None
    assert reader.damage.offset == len(good)
    assert f"at byte {len(good)}" in str(reader.damage)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda order: struct.pack(order + "III", 6, 13, 0),
        lambda order: struct.pack(order + "III", 6, 8, 0),
        lambda order: struct.pack(order + "II", 6, 1 << 30) + bytes(20),
        lambda order: enhanced(order, FRAME, US)[:-4] + bytes(4),
        lambda order: enhanced(order, FRAME, US, index=9),
        lambda order: block(order, 6, struct.pack(order + "IIIII", 0, 0, 0, 5000, 5000)),
        lambda order: struct.pack(order + "IIIIIII", 0x0A0D0D0A, 28, 0x12345678, 0, 0, 0, 28),
    ],
)
@pytest.mark.parametrize("order", ORDERS)
def test_damaged_blocks(spoil: Callable[[str], bytes], order: str) -> None:
    """A pcapng block that contradicts itself is damage at its own offset; what came before is there."""
    good = pcapng(order)
    segments, reader = read(good + spoil(order) + pcapng(order))
    assert len(segments) == 3
    assert reader.damage is not None
    assert reader.damage.offset == len(good)


@pytest.mark.parametrize(
    ("resolution", "units", "expected"),
    [
        (3, TS_NS // 1_000_000, TS_NS // 1_000_000 * 1_000_000),
        (9, TS_NS, TS_NS),
        (10, TS_NS * 10 + 9, TS_NS),
        (0x80 | 10, 1_700_000_000 * 1024 + 512, 1_700_000_000_500_000_000),
        (0, 1 << 63, 0),
    ],
)
def test_time_resolutions(resolution: int, units: int, expected: int) -> None:
    """Powers of ten and of two count, and a time that cannot be is none."""
    options = option("<", 9, bytes((resolution,))) + option("<", 0, b"")
    (segment,), _ = read(section("<") + interface("<", options=options) + enhanced("<", FRAME, units))
    assert segment.ts_ns == expected


@pytest.mark.parametrize("order", ORDERS)
def test_time_offset(order: str) -> None:
    """An interface may count from another second, also an earlier one."""
    options = option(order, 14, struct.pack(order + "q", -100)) + option(order, 2, b"eth0") + option(order, 0, b"")
    (segment,), _ = read(section(order) + interface(order, options=options) + enhanced(order, FRAME, US))
    assert segment.ts_ns == TS_NS - 100 * 1_000_000_000


def test_interfaces_and_sections() -> None:
    """Each interface has its own link type and number; a new section forgets them and may have another byte order."""
    raw = ipv4(tcp())
    data = section("<") + interface("<") + interface("<", 101) + enhanced("<", raw, US, 1) + enhanced("<", FRAME, US, 0)
    data += section(">") + interface(">", 101) + enhanced(">", raw, US, 0)
    segments, reader = read(data, 11)
    assert reader.damage is None
    assert [segment.interface for segment in segments] == [2, 1, 1]


def test_simple_and_obsolete_packet_blocks() -> None:
    """The older ways to store a packet are read too; blocks of other kinds are skipped."""
    simple = block("<", 3, struct.pack("<I", len(FRAME)) + FRAME)
    obsolete = block("<", 2, struct.pack("<HHIIII", 0, 0, US >> 32, US & 0xFFFFFFFF, len(FRAME), len(FRAME)) + FRAME)
    other = block("<", 4, bytes(40))
    segments, reader = read(section("<") + interface("<") + other + simple + obsolete + other)
    assert reader.damage is None
    assert [segment.ts_ns for segment in segments] == [0, TS_NS]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("cuts", [None, 7])
def test_losses_that_the_capturing_program_tells(order: str, cuts: int | None) -> None:
    """Totals of each interface count once however often they are told; those told with packets have a counter of their own."""
    gap = option(order, 2, b"hash") + option(order, 4, struct.pack(order + "Q", 3)) + option(order, 0, b"")
    data = section(order) + interface(order) + interface(order)
    data += enhanced(order, FRAME, US) + statistics(order, (4, 99), (5, 10)) + enhanced(order, FRAME[:-2], US, options=gap)
    data += statistics(order, (5, 12), (7, 5)) + statistics(order, (5, 12), (7, 5)) + statistics(order, (5, 100), index=1)
    data += block(order, 2, struct.pack(order + "HHIIII", 0, 2, 0, 0, len(FRAME), len(FRAME)) + FRAME)
    data += section(order) + interface(order) + statistics(order, (5, 1000))
    segments, reader = read(data, cuts)
    assert (len(segments), reader.damage) == (3, None)
    assert reader.dissector.take_counts() == {
        "packets": 3,
        "dropped_by_interface": 12 + 100 + 1000,
        "dropped_by_os": 5,
        "dropped_before_packets": 3 + 2,
    }


def test_losses_that_cannot_be() -> None:
    """Numbers that say "unknown", interfaces that are not there and options cut short count nothing and are no damage."""
    unknown = (1 << 64) - 1
    gap = option("<", 4, struct.pack("<Q", unknown)) + struct.pack("<HH", 4, 8)
    data = section("<") + interface("<") + enhanced("<", FRAME, US, options=gap)
    data += statistics("<", (5, unknown), (7, unknown)) + statistics("<", (5, 7), index=1)
    data += block("<", 5, bytes(8)) + block("<", 5, bytes(12) + struct.pack("<HH", 5, 8))
    data += block("<", 2, struct.pack("<HHIIII", 0, 0xFFFF, 0, 0, len(FRAME), len(FRAME)) + FRAME)
    segments, reader = read(data)
    assert (len(segments), reader.damage) == (2, None)
    assert reader.dissector.take_counts() == {"packets": 2}


def test_packets_of_an_unknown_link_type_are_counted() -> None:
    """In pcapng an interface of an unknown kind costs its own packets only."""
    data = section("<") + interface("<", 147) + interface("<") + enhanced("<", FRAME, US, 0) + enhanced("<", FRAME, US, 1)
    segments, reader = read(data)
    assert len(segments) == 1
    assert reader.dissector.take_counts() == {"packets": 2, "packets_of_unknown_link_type": 1}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "not a capture file: it begins with b'GET '"),
        (b"\xd4\xc3", "not a capture file"),
        (b"\xd4\xc3\xb2\xa1\x02\x00", "cut off within its header: only 6 bytes of it are there"),
        (b"\x0a\x0d\x0d\x0a\x1c\x00", "cut off within its header"),
        (classic([FRAME], link=147), "link type 147"),
        (gzip.compress(b"nothing of the kind, and more of it", mtime=0), "not a capture file"),
    ],
)
def test_what_is_no_capture(data: bytes, words: str) -> None:
    """The message names what the data begins with, or what is not known."""
    segments, reader = read(data)
    assert not segments
    assert words in str(reader.damage)


def test_snap_length_cuts() -> None:
    """A packet that the snap length cut keeps its length on the wire."""
    (segment,), _ = read(classic([ethernet(ipv4(tcp(b"x" * 1000)))], snap=100))
    assert (segment.length, len(segment.payload), segment.cut) == (1000, 46, True)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.binary(max_size=60), st.integers(0, 600), st.integers(1, 100))
def test_any_damage_is_survived(name: str, noise: bytes, at: int, cuts: int) -> None:
    """Whatever stands in a file, reading it never raises, and every cut of it gives the same."""
    data = FILES[name][:at] + noise + FILES[name][at + len(noise) :]
    segments, reader = read(data, cuts)
    again, whole = read(data)
    assert segments[: len(again)] == again[: len(segments)]
    assert (reader.damage is None) == (whole.damage is None)
