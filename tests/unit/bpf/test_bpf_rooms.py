"""The rooms of the C sources: which may include which."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

BPF = Path(__file__).resolve().parents[3] / "pipeline" / "bpf"
HELP = {"loader.h", "verifier.h"}
SHARED = {"http_trace.h", "counters.h", "maps.h", "scratch.h"}
MAY_INCLUDE = {
    "parse": HELP | {"parse"},
    "classify": HELP | {"parse", "classify"},
    "frames": HELP | {"classify", "frames"},
    "emit": HELP | SHARED | {"parse", "emit"},
    "policy": HELP | SHARED | {"parse", "classify", "frames", "emit", "policy", "shed"},
    "shed": HELP | {"shed"},
    "process": HELP | {"parse", "process"},
    "gate": HELP | {"parse", "classify", "gate"},
    "tls": HELP | {"classify", "shed", "process", "tls.h", "tls"},
}
"""Folders and files, by folder. Data goes one way, and what knows the maps and the records is not in the first two."""


def included(path: Path) -> list[str]:
    """Names of our own headers, as they stand there."""
    return re.findall(r'^#include "(.+)"$', path.read_text(), re.MULTILINE)


def reached(name: str) -> Iterator[str]:
    """A header and all that it includes, however deep."""
    yield name
    for each in included(BPF / name):
        yield from reached(each)


@pytest.mark.parametrize("room", MAY_INCLUDE)
def test_directions(room: str) -> None:
    """A room includes itself and those before it."""
    wrong = {
        f"{path.name} includes {name}"
        for path in (BPF / room).glob("*.h")
        for name in included(path)
        if not {name, name.split("/")[0]} & MAY_INCLUDE[room]
    }
    assert not wrong


def test_every_room_is_listed() -> None:
    """No folder without a rule."""
    assert {path.parent.name for path in BPF.glob("*/*.h")} == set(MAY_INCLUDE)


def test_parse_and_classify_stand_alone() -> None:
    """A program that includes both gets nothing of http_trace's own: no map, no record, no setting."""
    headers = set(reached("classify/payload.h"))
    assert headers & {"parse/packet.h", "classify/start.h"}
    assert not headers & SHARED
