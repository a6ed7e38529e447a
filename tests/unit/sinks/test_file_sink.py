"""The file sink on real files."""

import errno
import fcntl
import gzip
import json
import logging
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from pydantic import ValidationError

from pipeline.api import BatchError, ConfigError, Context, Event, Exchange, NotConnected, Reject
from pipeline.codecs.json import JsonCodec
from pipeline.codecs.zstd import zstd
from pipeline.config.options import BatchOptions, SinkOptions
from pipeline.delivery.batch import Batch, size_of
from pipeline.delivery.dead_letter import DeadLetter
from pipeline.delivery.ledger import Ledger
from pipeline.delivery.memory import MemoryBuffer
from pipeline.sinks.file.rotation import Rotation
from pipeline.sinks.file.sink import FileConfig, FileSink
from pipeline.testing.fakes import FakeClock, Script, bounds, worker

pytestmark = pytest.mark.anyio

NEW_YEAR_NS = 1_767_225_600 * 1_000_000_000  # 2026-01-01T00:00:00Z


class Clock:
    """Time that stands still until told otherwise."""

    def __init__(self) -> None:
        self.now = NEW_YEAR_NS

    def __call__(self) -> int:
        """Now, in nanoseconds."""
        return self.now


def events(count: int, first: int = 0, **fields: Any) -> list[Event]:
    """Exchanges with consecutive numbers."""
    return [Exchange(timestamp_ns=NEW_YEAR_NS, httpipe_sequence=first + place, **fields) for place in range(count)]


def make(path: Path | str, clock: Clock | None = None, **options: Any) -> FileSink:
    """A sink as the engine makes it."""
    return FileSink(FileConfig(path=str(path), **options), Context("file", now_ns=clock or Clock()))


async def written(path: Path | str, *batches: list[Event], **options: Any) -> None:
    """Write batches with a sink of their own."""
    sink = make(path, **options)
    await sink.open()
    for batch in batches:
        await sink.write(batch)
    await sink.aclose()


def found(folder: Path, pattern: str) -> list[Path]:
    """Files below a folder, sorted by name."""
    return sorted(folder.rglob(pattern))


def in_time(folder: Path, pattern: str) -> list[Path]:
    """Rotated files of one second, in the order in which they were made."""
    return sorted(folder.glob(pattern), key=lambda each: int(each.name.partition("Z-")[2] or 0))


def numbers(path: Path) -> list[int]:
    """Numbers of the exchanges in a file, in order."""
    return [json.loads(line)["httpipe.sequence"] for line in path.read_text().splitlines()]


async def test_appends_one_json_line_for_each_event(tmp_path: Path) -> None:
    """Every event of every batch is one line, in order, and a second run appends."""
    path = tmp_path / "new" / "folder" / "http.jsonl"
    await written(path, events(3), events(2, 3))
    await written(path, events(1, 5))
    assert numbers(path) == [0, 1, 2, 3, 4, 5]
    assert path.read_bytes() == JsonCodec().encode_batch(events(6))


async def test_new_files_have_the_asked_for_mode(tmp_path: Path) -> None:
    """Files are 0640 unless ``mode`` says otherwise, folders 0750, whatever the umask; what is there keeps its mode."""
    before = os.umask(0o177)
    try:
        await written(tmp_path / "x" / "y" / "a", events(1))
        await written(tmp_path / "b", events(1), mode="0600")
        (tmp_path / "b").chmod(0o644)
        await written(tmp_path / "b", events(1), mode="0600")
    finally:
        os.umask(before)
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("x", "x/y", "x/y/a", "b")}
    assert modes == {"x": 0o750, "x/y": 0o750, "x/y/a": 0o640, "b": 0o644}


@pytest.mark.parametrize("codec", ["json", "ecs", "protobuf"])
async def test_a_torn_last_event_is_cut_off(tmp_path: Path, codec: str, caplog: pytest.LogCaptureFixture) -> None:
    """What a crash left of an event goes, what is whole stays, and the log says how much was cut, wherever the cut was."""
    path, options = tmp_path / "log", {"encoding": {"codec": codec}}
    await written(path, events(2), **options)
    two = path.read_bytes()
    await written(path, events(1, 2), **options)
    three = path.read_bytes()
    for cut in (len(two) + 1, len(two) + 2, len(three) - 1):
        path.write_bytes(three[:cut])
        with caplog.at_level(logging.WARNING):
            await written(path, events(1, 2), **options)
        assert path.read_bytes() == three
        assert f"cut off its last {cut - len(two)} bytes" in caplog.text
        caplog.clear()


WRITER = """
import sys
import anyio
from pipeline.api import Context, Exchange
from pipeline.sinks.file.sink import FileConfig, FileSink

async def main():
    sink = FileSink(FileConfig(path=sys.argv[1]), Context("file"))
    await sink.open()
    for first in range(0, 10**9, 2000):
        batch = [Exchange(timestamp_ns=0, httpipe_sequence=first + place, url_path="x" * 500) for place in range(2000)]
        await sink.write(batch)
        print(first + 2000, flush=True)

anyio.run(main)
"""


def _written_until_killed(path: Path) -> int:
    """Events whose write had returned when the writer was killed."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        confirmed = [int(writer.stdout.readline()) for _ in range(5)]
        writer.kill()
        return max([*confirmed, *map(int, writer.stdout.read().split())])


@pytest.mark.slow
async def test_kill_9_loses_nothing_that_counted_as_written(tmp_path: Path) -> None:
    """After the next start every line is whole, and every batch whose write had returned is there."""
    path = tmp_path / "http.jsonl"
    confirmed = _written_until_killed(path)
    await written(path, events(1, -1))
    *found_numbers, last = numbers(path)
    assert last == -1
    assert found_numbers == list(range(len(found_numbers)))
    assert len(found_numbers) >= confirmed


@pytest.mark.parametrize("text", ["by somebody else", '{"name": "settings"}', '{"url.path":"/"}'])
async def test_foreign_text_is_never_cut(tmp_path: Path, text: str) -> None:
    """A file whose last line httpipe did not write is kept whole; the line is ended."""
    path = tmp_path / "notes"
    path.write_text(text)
    await written(path, events(1))
    assert path.read_text().splitlines()[0] == text
    assert len(path.read_text().splitlines()) == 2


async def test_a_foreign_binary_is_not_touched(tmp_path: Path) -> None:
    """A path that leads to something else than events is refused before anything is written."""
    path = tmp_path / "program"
    path.write_bytes(b"\x7fELF" * 100)
    with pytest.raises(NotConnected, match="not touched"):
        await written(path, events(1), encoding={"codec": "protobuf"})
    assert path.read_bytes() == b"\x7fELF" * 100


async def test_follows_logrotate_and_deletion(tmp_path: Path) -> None:
    """A moved file keeps what was written; the next batch makes a new one. The same after deletion, with its folder too."""
    path, moved = tmp_path / "sub" / "http.jsonl", tmp_path / "http.jsonl.1"
    sink = make(path)
    await sink.open()
    await sink.write(events(2))
    path.rename(moved)
    await sink.write(events(2, 2))
    assert (numbers(moved), numbers(path)) == ([0, 1], [2, 3])
    path.unlink()
    path.parent.rmdir()
    await sink.write(events(1, 4))
    assert numbers(path) == [4]
    await sink.aclose()


async def test_rotates_before_a_file_grows_too_large(tmp_path: Path) -> None:
    """No file passes ``max_bytes``, no event is lost, and names tell the order."""
    clock, path = Clock(), tmp_path / "http.jsonl"
    sink = make(path, clock, rotate={"max_bytes": 4096})
    await sink.open()
    for first in range(0, 120, 10):
        await sink.write(events(10, first))
    await sink.aclose()
    rotated = in_time(tmp_path, "http.jsonl.*")
    assert rotated[0].name == "http.jsonl.20260101T000000Z"
    assert len(rotated) >= 2
    assert all(each.stat().st_size <= 4096 for each in [*rotated, path])
    assert [number for each in [*rotated, path] for number in numbers(each)] == list(range(120))


@pytest.mark.parametrize("codec", ["json", "ecs", "protobuf"])
async def test_a_batch_is_spread_over_as_many_files_as_it_needs(tmp_path: Path, codec: str) -> None:
    """A batch of many times ``max_bytes`` fills file after file, each with whole events, nearly full and none too large."""
    path = tmp_path / "log"
    sink = make(path, rotate={"max_bytes": 4096}, encoding={"codec": codec})
    await sink.open()
    await sink.write(events(3))
    batch = events(500, 3, url_path="/" + "x" * 90)
    await sink.write(batch)
    await sink.aclose()
    files = [*in_time(tmp_path, "log.*"), path]
    sizes = [each.stat().st_size for each in files]
    assert max(sizes) <= 4096
    assert min(sizes[:-1]) > 3000
    assert b"".join(each.read_bytes() for each in files) == bytes(sink._codec.encode_batch([*events(3), *batch]))


async def test_an_event_that_alone_passes_the_size_has_a_file_of_its_own(tmp_path: Path) -> None:
    """It is the only thing in its file, and what stands around it is where it belongs."""
    path = tmp_path / "log"
    batch = [*events(2), *events(1, 2, url_path="x" * 9000), *events(1, 3, url_path="x" * 9000), *events(2, 4)]
    await written(path, batch, rotate={"max_bytes": 4096})
    assert [numbers(each) for each in [*in_time(tmp_path, "log.*"), path]] == [[0, 1], [2], [3], [4, 5]]


async def test_what_of_a_spread_batch_is_written_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the third file cannot be begun exactly the events behind the second fail, and they follow when it can."""
    path, rotate = tmp_path / "log", Rotation.rotate
    left = [1]

    def once(self: Rotation, now_ns: int) -> Path:
        if not left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left.pop()
        return rotate(self, now_ns)

    monkeypatch.setattr(Rotation, "rotate", once)
    sink, batch = make(path, rotate={"max_bytes": 4096}), events(100, url_path="x" * 90)
    with pytest.raises(BatchError) as caught:
        await sink.write(batch)
    failed = sorted(caught.value.failures)
    done = len(numbers(path)) + len(numbers(in_time(tmp_path, "log.*")[0]))
    assert failed == list(range(done, 100))
    monkeypatch.setattr(Rotation, "rotate", rotate)
    await sink.write([batch[index] for index in failed])
    await sink.aclose()
    assert [number for each in [*in_time(tmp_path, "log.*"), path] for number in numbers(each)] == list(range(100))


async def test_rotates_by_time_across_restarts(tmp_path: Path) -> None:
    """The first batch after a multiple of ``interval_secs`` begins a new file, also when the sink was restarted in between."""
    clock, path = Clock(), tmp_path / "http.jsonl"
    for minute, first in ((0, 0), (59, 1), (61, 2)):
        clock.now = NEW_YEAR_NS + minute * 60 * 1_000_000_000
        sink = make(path, clock, rotate={"interval_secs": 3600})
        await sink.open()
        await sink.write(events(1, first))
        await sink.aclose()
        os.utime(path, ns=(clock.now, clock.now))
    assert numbers(path) == [2]
    assert numbers(tmp_path / "http.jsonl.20260101T010100Z") == [0, 1]


@pytest.mark.parametrize(("compression", "suffix"), [("gzip", ".gz"), ("zstd", ".zst")])
async def test_compresses_and_keeps_the_newest(tmp_path: Path, compression: str, suffix: str) -> None:
    """Rotated files are compressed, only the newest ``keep`` stay, and other people's files are left alone."""
    clock, path = Clock(), tmp_path / "http.jsonl"
    stranger = tmp_path / "http.jsonl.bak"
    stranger.touch()
    sink = make(path, clock, rotate={"interval_secs": 60, "keep": 2}, compression=compression)
    await sink.open()
    for number in range(5):
        clock.now = NEW_YEAR_NS + number * 60 * 1_000_000_000
        await sink.write(events(1, number))
        os.utime(path, ns=(clock.now, clock.now))
    await sink.aclose()
    rotated = found(tmp_path, "http.jsonl.2026*")
    assert [each.name for each in rotated] == [f"http.jsonl.20260101T000{minute}00Z{suffix}" for minute in (3, 4)]
    unpack = gzip.decompress if compression == "gzip" else _unzstd
    assert [json.loads(unpack(each.read_bytes()))["httpipe.sequence"] for each in rotated] == [2, 3]
    assert stranger.exists()


def _unzstd(data: bytes) -> bytes:
    return zstd.ZstdDecompressor().decompress(data)


async def test_finishes_what_a_crash_left_of_a_compression(tmp_path: Path) -> None:
    """A half compressed file is thrown away and its source compressed at the next rotation."""
    clock, path = Clock(), tmp_path / "http.jsonl"
    left = tmp_path / "http.jsonl.20251231T000000Z"
    left.write_bytes(JsonCodec().encode_batch(events(1)))
    (tmp_path / "http.jsonl.20251231T000000Z.gz.part").write_bytes(b"half")
    sink = make(path, clock, rotate={"interval_secs": 60}, compression="gzip")
    await sink.open()
    await sink.write(events(1))
    os.utime(path, ns=(0, 0))
    await sink.write(events(1))
    await sink.aclose()
    assert [each.name for each in found(tmp_path, "*")] == [
        "http.jsonl",
        "http.jsonl.20251231T000000Z.gz",
        "http.jsonl.20260101T000000Z.gz",
    ]


async def test_trouble_with_rotated_files_does_not_stop_writing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Compression that fails is told, and every event is still in one file or the other."""
    path = tmp_path / "http.jsonl"
    (tmp_path / "http.jsonl.20260101T000000Z.gz.part").mkdir()
    sink = make(path, rotate={"interval_secs": 60}, compression="gzip")
    await sink.open()
    await sink.write(events(1))
    os.utime(path, ns=(0, 0))
    await sink.write(events(1, 1))
    await sink.aclose()
    assert f"{path}: tidying rotated files failed: Is a directory" in caplog.text
    assert numbers(tmp_path / "http.jsonl.20260101T000000Z") + numbers(path) == [0, 1]


async def test_paths_take_the_time_of_the_event_and_its_fields(tmp_path: Path) -> None:
    """Time tokens are in UTC; what a stranger wrote cannot leave the folder; files beyond ``max_open_files`` are closed."""
    batch = [
        *events(1, 0, server_address="a.example"),
        *events(1, 1, server_address="../../etc/passwd"),
        *events(1, 2, server_address="%Y/x"),
        *events(1, 3, server_address="a.example"),
    ]
    await written(tmp_path / "%F-%H%%" / "h-{{server.address}}.jsonl", batch, batch[3:], max_open_files=1)
    folder = tmp_path / "2026-01-01-00%"
    assert [each.parent for each in found(tmp_path, "*.jsonl")] == [folder] * 3
    assert numbers(folder / "h-a.example.jsonl") == [0, 3, 3]


async def test_only_the_events_of_the_failing_file_are_written_again(tmp_path: Path) -> None:
    """Where one of several files cannot be written, exactly its events fail."""
    (tmp_path / "h-b").mkdir()
    batch = [*events(1, 0, server_address="a"), *events(1, 1, server_address="b"), *events(1, 2, server_address="a")]
    with pytest.raises(BatchError) as caught:
        await written(tmp_path / "h-{{host}}", batch)
    assert list(caught.value.failures) == [1]
    assert str(caught.value.failures[1]) == f"{tmp_path / 'h-b'}: Is a directory"
    assert numbers(tmp_path / "h-a") == [0, 2]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("v" * 100, "too long"),
        ("folder", "Is a directory"),
        ("loop", "symbolic links"),
        ("pipe", "not a regular file"),
        ("program", "not touched"),
        ("taken", "another sink"),
    ],
)
async def test_a_name_that_strangers_chose_and_nothing_can_have_is_rejected(tmp_path: Path, value: str, said: str) -> None:
    """Only that event goes to the dead letter; what is around it and behind it is written. The ledger counts to the unit."""
    prefix = "p" * 160
    (tmp_path / f"{prefix}folder").mkdir()
    (tmp_path / f"{prefix}loop").symlink_to(f"{prefix}loop")
    os.mkfifo(tmp_path / f"{prefix}pipe")
    (tmp_path / f"{prefix}program").write_bytes(b"\x7fELF" * 100)
    other = make(tmp_path / f"{prefix}taken", encoding={"codec": "protobuf"})
    await other.open()
    script = Script()
    script.make = lambda: make(tmp_path / f"{prefix}{{{{host}}}}", encoding={"codec": "protobuf"})  # type: ignore[method-assign]
    clock = FakeClock()
    sink = worker(script, clock.clock(), SinkOptions(batch=BatchOptions(max_events=4)))
    letters = MemoryBuffer(bounds(), Ledger())
    sink.dead_letter = DeadLetter("file", letters)
    hosts = ["a", "b", value, "a", value, "b"]
    batch = [each for at, host in enumerate(hosts) for each in events(1, at, server_address=host)]
    sink.buffer.offer_nowait(Batch(batch, size_of(batch), (), 0.0))
    sink.buffer.close()
    with anyio.fail_after(5):
        await sink.run()
    await other.aclose()
    dead = letters.take_nowait(10, 1 << 20)
    assert dead is not None
    assert [each.httpipe_sequence for each in dead.events if isinstance(each, Exchange)] == [2, 4]
    assert all(said in str(each.attributes["httpipe.dead_letter.reason"]) for each in dead.events)
    ledger = sink.buffer.ledger
    assert (ledger.received, ledger.sent, ledger.discarded) == (6, 4, {("dead_letter", True): 2})
    assert (ledger.balance(), clock.slept) == (0, [])
    assert {f"{prefix}a", f"{prefix}b"} <= {each.name for each in found(tmp_path, "*") if each.is_file() and each.stat().st_size}


async def test_room_for_the_suffix_of_rotation_is_kept(tmp_path: Path) -> None:
    """A name that is only too long once its file is rotated and compressed is rejected before anything is written."""
    path = tmp_path / ("p" * 130 + "{{host}}")
    sink = make(path, rotate={"max_bytes": 4096}, compression="gzip")
    batch = [*events(1, 0, server_address="a" * 100), *events(100, 1, server_address="a" * 80)]
    with pytest.raises(BatchError) as caught:
        await sink.write(batch)
    await sink.aclose()
    assert isinstance(caught.value.failures[0], Reject)
    assert list(caught.value.failures) == [0]
    assert len(found(tmp_path, "*.gz")) >= 2
    with pytest.raises(ConfigError, match="too long"):
        make(tmp_path / ("p" * 240), rotate={"max_bytes": 4096})
    make(tmp_path / ("p" * 240))


async def test_no_value_makes_a_name_like_that_of_a_rotated_file(tmp_path: Path) -> None:
    """``keep`` and compression touch the files of their own value only, whatever Host says."""
    clock = Clock()
    hosts = [f"a.20260101T0000{second:02d}Z{end}" for second, end in ((0, ""), (1, "-1"), (2, ".gz"), (3, "-7.zst.part"))]
    names = ["h-a", *(f"h-{host.replace('a.', 'a_', 1)}" for host in hosts)]
    sink = make(tmp_path / "h-{{host}}", clock, rotate={"interval_secs": 60, "keep": 1}, compression="gzip")
    for minute in range(4):
        clock.now = NEW_YEAR_NS + minute * 60 * 1_000_000_000
        await sink.write(
            [*events(1, minute, server_address="a"), *(e for host in hosts for e in events(1, minute, server_address=host))]
        )
        for name in names:
            os.utime(tmp_path / name, ns=(clock.now, clock.now))
    await sink.aclose()
    assert [numbers(tmp_path / name) for name in names] == [[3]] * 5
    assert len(found(tmp_path, "*.2026*Z.gz")) == 5


async def test_says_what_is_wrong_with_the_place(tmp_path: Path) -> None:
    """A folder, a FIFO and a file below a file are refused by name, at once."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "plain").touch()
    for path, text in ((tmp_path, "Is a directory"), (tmp_path / "fifo", ""), (tmp_path / "plain" / "x", "")):
        with pytest.raises(NotConnected, match=f"{path}.*: .*{text}"):
            await make(path).open()


async def test_two_writers_of_one_file_are_refused(tmp_path: Path) -> None:
    """The second sink on the same file says so; it works once the first is closed."""
    first, second = make(tmp_path / "log"), make(tmp_path / "log")
    await first.open()
    with pytest.raises(NotConnected, match="another sink"):
        await second.open()
    await first.aclose()
    await second.open()
    await second.write(events(1))
    await second.aclose()


async def test_a_refused_write_leaves_nothing_and_works_later(tmp_path: Path) -> None:
    """When the kernel takes only part of a batch the file is cut back, and the same batch is whole when it fits again."""
    import resource  # noqa: PLC0415  only here

    path = tmp_path / "log"
    sink = make(path)
    await sink.open()
    await sink.write(events(1))
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limits[1]))  # EFBIG; Python ignores SIGXFSZ
    try:
        with pytest.raises(NotConnected, match=f"{path}: File too large"):
            await sink.write(events(10, 1))
        assert path.read_bytes() == before
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    await sink.write(events(10, 1))
    await sink.aclose()
    assert numbers(path) == list(range(11))


@pytest.mark.parametrize("fsync", ["batch", "interval"])
async def test_syncs_reach_the_disk(tmp_path: Path, fsync: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``fsync`` every event has been synced by the time the sink is closed; with ``batch`` after each write."""
    synced: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (synced.append(os.fstat(fd).st_size), real(fd)))
    interval = {"fsync_interval_secs": 3600} if fsync == "interval" else {}
    sink = make(tmp_path / "log", fsync=fsync, **interval)
    await sink.open()
    sizes = []
    for first in range(3):
        await sink.write(events(1, first))
        sizes.append((tmp_path / "log").stat().st_size)
    if fsync == "batch":
        assert synced == sizes
    await sink.aclose()
    assert synced[-1] == sizes[-1]


async def test_cancellation_never_writes_a_batch_twice(tmp_path: Path) -> None:
    """A write cancelled while the file system is slow still ends, and reports success, so nobody writes it again."""
    path = tmp_path / "log"
    sink = make(path)
    await sink.open()
    outcome = []

    async def write() -> None:
        await sink.write(events(1000))
        outcome.append("written")

    async with anyio.create_task_group() as group:
        group.start_soon(write)
        await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    await sink.aclose()
    assert len(path.read_bytes().splitlines()) == (1000 if outcome else 0)


async def test_closing_twice_or_unopened_is_safe(tmp_path: Path) -> None:
    """As the contract of sinks says."""
    sink = make(tmp_path / "log")
    await sink.aclose()
    await sink.open()
    await sink.aclose()
    await sink.aclose()
    fd = os.open(tmp_path / "log", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"path": ""}, "must not be empty"),
        ({"path": "logs/"}, "must name a file"),
        ({"path": "a%Q"}, "unknown time token %Q; known are %Y"),
        ({"path": "a%"}, "unknown time token"),
        ({"path": "a\0b"}, "zero byte"),
        ({"path": "a", "mode": "0999"}, "mode"),
        (
            {"path": "a", "compression": "gzip"},
            r"compression\n.*has no effect without rotate.max_bytes or rotate.interval_secs; set that",
        ),
        (
            {"path": "a", "rotate": {"keep": 3}},
            r"rotate.keep\n.*has no effect without rotate.max_bytes or rotate.interval_secs; set that",
        ),
        ({"path": "a", "encoding": {"only_fields": ["a"], "except_fields": ["b"]}}, "exclude each other"),
    ],
)
async def test_bad_options_are_refused(options: dict[str, Any], text: str) -> None:
    """A file that cannot be meant is a configuration error with a remedy."""
    with pytest.raises(ValidationError, match=text):
        FileConfig.model_validate(options)


async def test_a_path_with_an_unknown_field_is_a_configuration_error() -> None:
    """Templates are checked when the sink is made, with the attributes that transforms add."""
    with pytest.raises(ConfigError, match=r"path: .*server\.adress"):
        make("h-{{server.adress}}")
    with pytest.raises(ConfigError, match="starts with a value from traffic"):
        make("{{server.address}}")
