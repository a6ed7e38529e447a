"""The methods that the program looks for, as its source says, against those that decode knows."""

import re
from pathlib import Path

from pipeline.decode.http1.recognition import HTTP2, KNOWN_METHODS

SOURCE = Path(__file__).resolve().parents[3] / "pipeline" / "bpf" / "detect.h"
COMPARED = 8
"""Bytes of a segment that the program compares: a method with its space, or the beginning of a longer one."""


def compared() -> list[bytes]:
    """What the program compares with the first bytes of a segment, responses left out."""
    found = re.findall(r"(?:METHOD|TRY\(WORD)\(((?:\d, )?(?:(?:'.'|0)(?:, |\)))+)(?:, (\d+), START_(\w+))?", SOURCE.read_text())
    return [
        "".join(re.findall("'(.)'", letters)).encode()[: int(size or letters[0])]
        for letters, size, kind in found
        if kind != "RESPONSE"
    ]


def test_the_kernel_knows_the_methods_that_decode_knows() -> None:
    """A method makes a connection HTTP in the kernel if and only if decode reports it by its name; none stands there twice."""
    known = {(method + b" ")[:COMPARED] for method in KNOWN_METHODS} | {HTTP2[:COMPARED]}
    assert sorted(compared()) == sorted(known)
