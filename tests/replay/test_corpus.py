"""Captures that others made, with what they expect of them: the score of ``../shared/fidelity``, beside tshark's."""

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.codecs.json import JsonCodec
from pipeline.decode import BodyOptions, DecodeOptions, Decoder
from pipeline.sources.pcap.reader import read_segments

SHARED = Path(__file__).parents[3] / "shared"
BODY_BYTES = 64 * 1024 * 1024
WANTED = {"zeek": ("right", 72), "zeek_more": ("right", 32), "suricata": ("held", 48)}

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not (SHARED / "corpus").is_dir(), reason="needs ../shared/corpus beside the checkout"),
]


@pytest.fixture(scope="module")
def fidelity() -> Any:
    """The scoring module."""
    sys.path.insert(0, str(SHARED / "fidelity"))
    try:
        return importlib.import_module("fidelity")
    finally:
        sys.path.pop(0)


def reported(capture: Path, *, bodies: bool) -> list[dict[str, Any]]:
    """What httpipe reports of a capture, as the JSON objects of a file sink."""
    counts: dict[str, int] = {}
    options = DecodeOptions(bodies=BodyOptions(max_bytes=BODY_BYTES) if bodies else None)
    decoder = Decoder(options, source="cap", count=lambda name, by: counts.update({name: counts.get(name, 0) + by}))
    events = [event for segments in read_segments(capture) for event in decoder.feed(segments)]
    events += decoder.finish()
    assert "decoder_internal_errors" not in counts
    return [json.loads(JsonCodec().encode(event)) for event in events]


def score(fidelity: Any, folder: Path) -> list[dict[str, Any]]:
    """Each case of a folder, scored as the command line of the scorer does."""
    sys.path.insert(0, str(SHARED / "fidelity"))
    names = importlib.import_module("fidelity_httpipe")
    sys.path.pop(0)
    results = []
    for truth in sorted(folder.glob("*.json")):
        case = json.loads(truth.read_text(encoding="utf-8"))
        capture = next(path for path in (truth.with_suffix(".pcap"), truth.with_suffix(".pcapng")) if path.exists())
        records = [names.exchange(one) for one in reported(capture, bodies=fidelity.wants_bodies(case))]
        results.append(fidelity.score_case(case, records) | {"name": f"{folder.name}/{truth.stem}"})
    return results


def tshark(folder: Path) -> str:
    """What the scorer says of tshark, where it is installed."""
    if not shutil.which("tshark"):
        return "tshark: not installed"
    command = [sys.executable, str(SHARED / "fidelity/fidelity.py"), "tshark", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False).stdout.strip()


@pytest.mark.parametrize("name", WANTED)
def test_score(name: str, fidelity: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The score is what was promised, or better."""
    folder = SHARED / "corpus" / name
    results = score(fidelity, folder)
    total = fidelity.total(results)
    with capsys.disabled():
        print(f"\n{fidelity.line(f'httpipe {name}', total)}\n{tshark(folder)}")  # noqa: T201  the table is what it is for
        for result in results:
            if not result["whole"]:
                print("  not whole:", result["name"], json.dumps(result["wrong"][:3], default=str)[:300])  # noqa: T201
    measure, wanted = WANTED[name]
    assert total[measure] >= wanted
