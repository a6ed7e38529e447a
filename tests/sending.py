"""What tests of sinks share: a pipeline that sends recorded exchanges, 20,000 mostly, and a context that counts."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from pipeline.api import Context, Event, Sink
from pipeline.codecs.registry import codec
from pipeline.testing.contract import ordinary_events

COUNT = 20_000
"""Exchanges, numbered from 0 by ``httpipe.sequence``."""


def sending(folder: Path, sink: str, count: int = COUNT) -> AbstractContextManager[subprocess.Popen[str]]:
    """``httpipe run`` of a recording into a sink, whose table these lines of TOML fill. It tries again after 50 to 200 ms."""
    (folder / "in.jsonl").write_bytes(codec("json").encode_batch(ordinary_events(0, count)))
    file = folder / "pipeline.toml"
    file.write_text(
        f'[sources.s]\ntype = "replay"\npath = "{folder}/in.jsonl"\n[sinks.out]\ninputs = ["s"]\n{sink}\n'
        "retry.initial_backoff_secs = 0.05\nretry.max_backoff_secs = 0.2\n"
    )
    command = [str(Path(sys.executable).with_name("httpipe")), "run", str(file)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder)


async def written(sink: Sink, *batches: Sequence[Event]) -> None:
    """Open, write, close."""
    try:
        await sink.open()
        for batch in batches:
            await sink.write(batch)
    finally:
        await sink.aclose()


def all_sent(run: subprocess.Popen[str], count: int = COUNT) -> None:
    """Wait until it ends; it must have delivered each of them."""
    _, said = run.communicate(timeout=120)
    assert run.returncode == 0, said
    assert f"sink out  sent {count:,}" in said


def counting() -> tuple[Context, dict[str, int]]:
    """What the engine hands a sink, and what the sink counts with it."""
    counted: dict[str, int] = {}

    def count(name: str, by: int) -> None:
        counted[name] = counted.get(name, 0) + by

    return Context("out", count=count), counted
