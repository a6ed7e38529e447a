"""What the command imports: start-up is half of what a short run takes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import captures
from pipeline import native


def test_the_overview_imports_nothing_heavy() -> None:
    """``httpipe --help`` is instant: neither pydantic nor anyio, nor any command."""
    code = (
        "import sys; from pipeline.cli.main import call; call(['--help']);"
        "heavy = {'pydantic', 'anyio', 'asyncio', 'msgspec', 'orjson', 'rich', 'importlib.metadata', 'pipeline.api'};"
        "sys.exit(','.join(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr.strip() == ""


FOREIGN = {
    "annotated_types",
    "anyio",
    "click",
    "msgspec",
    "orjson",
    "pydantic",
    "pydantic_core",
    "sniffio",
    "typing_extensions",
    "typing_inspection",
}
"""The packages of others that a run from a capture file to a file takes."""

HEAVY = {
    "bz2",
    "calendar",
    "concurrent.futures.process",
    "ctypes",
    "email",
    "gzip",
    "http.client",
    "importlib.metadata",
    "lzma",
    "multiprocessing",
    "pipeline.decode.tls",
    "pipeline.decode.websocket",
    "pipeline.expressions.condition",
    "pipeline.isolation.child",
    "pipeline.runtime.process.privileges",
    "pipeline.runtime.units.recorder",
    "pipeline.sources.bpf",
    "pipeline.topology.broken",
    "shutil",
    "sqlite3",
}
"""What other pipelines take, and that one does not."""

READERS = {"pipeline.decode.detect", "pipeline.decode.handover", "pipeline.decode.http1", "pipeline.decode.http2"}
"""With which Python decodes what the compiled lane leaves to it."""


def imported_by_a_run(folder: Path, capture: Path) -> tuple[set[str], set[str]]:
    """The modules that a run from a capture file to a file has imported at its end, and the packages of others among them."""
    pipeline = folder / "pipeline.toml"
    pipeline.write_text(
        f'[sources.in]\ntype = "pcap"\npath = "{capture}"\n[sinks.out]\ntype = "file"\ninputs = ["in"]\npath = "{folder}/out"\n'
    )
    code = (
        f"import atexit, sys; before = set(sys.modules); sys.argv = ['httpipe', 'run', '{pipeline}'];"
        "files = lambda: [(name, str(getattr(sys.modules[name], '__file__', ''))) for name in set(sys.modules) - before];"
        "atexit.register(lambda: print(*(f'{name}={file}' for name, file in files()), sep='\\n'));"
        "from pipeline.cli.start import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    files = dict(line.split("=", 1) for line in done.stdout.splitlines())
    return set(files), {name.partition(".")[0] for name, file in files.items() if "site-packages" in file}


def test_a_run_imports_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    """From a capture file to a file: start-up is half of what a short run takes."""
    modules, packages = imported_by_a_run(tmp_path, Path(__file__).parents[2] / "examples/demo.pcap")
    assert modules & HEAVY == set()
    assert packages <= FOREIGN


@pytest.mark.skipif(native.lane is None, reason=f"the lane: {native.missing}")
@pytest.mark.parametrize("packets", [captures.keep_alive(6, 2), captures.one_each(6)], ids=["keep-alive", "one each"])
def test_a_run_whose_traffic_is_plain_imports_no_reader_of_python(packets: Iterator[bytes], tmp_path: Path) -> None:
    """The compiled lane has all of it."""
    captures.write(tmp_path / "plain.pcap", packets)
    modules, _ = imported_by_a_run(tmp_path, tmp_path / "plain.pcap")
    assert (tmp_path / "out").read_bytes().count(b"\n") == 6
    assert modules & (HEAVY | READERS) == set()
