"""Record and replay through the command: what a source's decoder was given, and what a file sink wrote, play again."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CAPTURE = Path(__file__).parent / "captures/aiohttp-concurrent.pcap"


def run(folder: Path, name: str, source: str) -> tuple[list[dict[str, Any]], str]:
    """Run a pipeline with one source and a file sink; what it wrote, and what it said."""
    config, out = folder / f"{name}.toml", folder / f"{name}.jsonl"
    sink = f'[sinks.out]\ntype = "file"\ninputs = ["cap"]\npath = "{out}"\n'
    config.write_text(f'[sources.cap]\n{source}\n{sink}[process]\ncontrol_socket = "{folder / "control.sock"}"\n')
    command = [str(Path(sys.executable).with_name("httpipe")), "run", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in out.read_text().splitlines()], done.stderr


def test_there_and_back(tmp_path: Path) -> None:
    """A capture, its recording and its JSON lines give the same exchanges."""
    recording = tmp_path / "cap.rec"
    original, said = run(tmp_path, "first", f'type = "pcap"\npath = "{CAPTURE}"\nrecord = {{ path = "{recording}" }}')
    assert len(original) == 16
    assert "recorded" in said
    again, _ = run(tmp_path, "second", f'type = "replay"\npath = "{recording}"')
    assert again == original
    events, _ = run(tmp_path, "third", f'type = "replay"\npath = "{tmp_path / "first.jsonl"}"')
    assert events == original
