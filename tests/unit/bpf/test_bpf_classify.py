"""What a segment starts like: the C of ``pipeline/bpf/classify`` on this machine's processor, against what decode knows."""

import ctypes
import re
import subprocess
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pipeline.decode.http1.recognition import HTTP2, KNOWN_METHODS
from pipeline.decode.http2.frames import is_plausible

BPF = Path(__file__).resolve().parents[3] / "pipeline" / "bpf"
TABLE = (BPF / "classify" / "methods.h").read_text()
START_BYTES = 16
COMPARED = 8
"""Bytes of a segment that the program compares: a method with its space, or the beginning of a longer one."""

BEGINNINGS = {(method + b" ")[:COMPARED] for method in KNOWN_METHODS} | {HTTP2[:COMPARED]}

WRAPPER = """
#include <linux/types.h>
#define __always_inline inline __attribute__((always_inline))
#include "classify/frames.h"
#include "classify/start.h"
int headers(const __u64 *word, __u32 n) { return looks_like_headers(word, n); }
int of(const __u64 *word, __u32 n) { return classify(word, n); }
"""

Start = IntEnum("Start", re.findall(r"^\tSTART_(\w+),", TABLE, re.MULTILINE), start=0)
Classify = Callable[[bytes], str]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The functions of the wrapper."""
    library = tmp_path_factory.mktemp("classify") / "classify.so"
    command = ["clang", "-O1", "-shared", "-fPIC", f"-iquote{BPF}", "-x", "c", "-", "-o", str(library)]
    subprocess.run(command, input=WRAPPER.encode(), check=True)
    return ctypes.CDLL(str(library))


@pytest.fixture(scope="module")
def classify(compiled: ctypes.CDLL) -> Classify:
    """``classify(payload)``: the name of the verdict."""
    of = compiled.of

    def run(payload: bytes) -> str:
        first = payload[:START_BYTES]
        name: str = Start(of(first.ljust(START_BYTES, b"\0"), len(first))).name
        return name

    return run


def test_the_table_has_the_methods_that_decode_knows() -> None:
    """A method stands there if and only if decode reports it by its name; none stands there twice."""
    table = re.findall(r'^\tSTART\("(.+)", START_(?:REQUEST|CONNECT|PREFACE)\);', TABLE, re.MULTILINE)
    assert sorted(table) == sorted([*(f"{method.decode()} " for method in KNOWN_METHODS), HTTP2.decode()])


@pytest.mark.parametrize("method", sorted(KNOWN_METHODS))
def test_a_method(classify: Classify, method: bytes) -> None:
    """Makes a request, its beginnings could become one, and with other letters behind it it is none."""
    assert classify(method + b" / HTTP/1.1\r\n") == ("CONNECT" if method == b"CONNECT" else "REQUEST")
    shorter = (method + b" ")[: COMPARED - 1]
    assert {classify(shorter[:size]) for size in range(1, len(shorter))} == {"PARTIAL"}
    assert classify(method[: COMPARED - 1] + b"!!") == "NONE"
    assert classify(method.lower() + b" / HTTP/1.1\r\n") == "NONE"


@pytest.mark.parametrize(
    ("payload", "start"),
    [
        (b"HTTP/1.1 200 OK\r\n", "SUCCESS"),
        (b"HTTP/1.0 299", "SUCCESS"),
        (b"HTTP/1.1 101 Switching Protocols\r\n", "SWITCHED"),
        (b"HTTP/1.1 100 Continue\r\n", "RESPONSE"),
        (b"HTTP/1.1 404 Not Found\r\n", "RESPONSE"),
        (b"HTTP/1.1 20", "RESPONSE"),
        (b"HTTP/1.", "RESPONSE"),
        (b"HTTP/1", "PARTIAL"),
        (b"HTTP/2 200\r\n", "NONE"),
        (b"PRI * HTTP/2.0\r\n", "PREFACE"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "HELLO"),
        (b"\x16\x03\x03\x00\x7a\x02", "NONE"),
        (b"\x16\x03\x01\x02\x00", "NONE"),
        (b"\x00", "NONE"),
    ],
)
def test_others(classify: Classify, payload: bytes, start: str) -> None:
    """Responses by their status, HTTP/2, a ClientHello; a ServerHello and everything else are nothing."""
    assert classify(payload) == start


@given(
    some.binary(min_size=1, max_size=20) | some.sampled_from(sorted(BEGINNINGS)).flatmap(lambda b: some.binary().map(b.__add__))
)
def test_any_bytes(classify: Classify, payload: bytes) -> None:
    """Are a request if and only if they begin with what is compared of a method."""
    assert (classify(payload) in {"REQUEST", "CONNECT", "PREFACE"}) == payload.startswith(tuple(BEGINNINGS))


@pytest.mark.parametrize(
    ("payload", "looks"),
    [
        ("000005 01 05 00000001 8286848741", True),
        ("004000 01 2d 00ffffff 8286848741", True),
        ("000005 01 05 00000001", False),  # not a byte of its block
        ("000000 01 05 00000001 8286848741", False),  # no block
        ("004001 01 05 00000001 8286848741", False),  # longer than a peer may send unasked
        ("000005 01 06 00000001 8286848741", False),  # a flag that there is not
        ("000005 01 05 00000002 8286848741", False),  # of no client
        ("000005 01 05 80000001 8286848741", False),
        ("000005 00 01 00000001 8286848741", False),  # DATA
        ("170303 00 05 00000001 8286848741", False),  # TLS
    ],
)
def test_what_begins_a_head_of_http2(compiled: ctypes.CDLL, payload: str, *, looks: bool) -> None:
    """A HEADERS frame that can be one (RFC 9113, section 6.2), and decode agrees that it is plausible."""
    data = bytes.fromhex(payload)
    assert bool(compiled.headers(data.ljust(START_BYTES, b"\0"), len(data))) is looks
    if looks:
        assert is_plausible(data, 0)
