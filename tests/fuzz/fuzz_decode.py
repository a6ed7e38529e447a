"""Coverage-guided fuzzing of decode: ``python tests/fuzz/fuzz_decode.py -max_total_time=600 CORPUS tests/fuzz/seeds``.

The input is read as a list of segments of one or two connections: a control byte, a length byte, a payload. What must hold:
nothing raises, decode counts no failure of its own, memory keeps its bound, and behind the end of input nothing is held.
Not a pytest test.
"""

import sys

import atheris

with atheris.instrument_imports(include=["pipeline.decode"]):
    from pipeline.decode import BodyOptions, DecodeOptions, Decoder
from tests.fuzz.any_records import records

MEMORY = 1 << 20
OPTIONS = (
    DecodeOptions(max_memory_bytes=MEMORY, max_head_bytes=1024, max_pipelined_requests=4),
    DecodeOptions(
        bodies=BodyOptions(max_bytes=500),
        request_headers=("Cookie",),
        response_headers=("X-A",),
        websocket_messages=True,
        in_progress=True,
        max_connections=1,
        max_memory_bytes=MEMORY,
    ),
)


def check(data: bytes) -> None:
    """Decode, and look at what must hold."""
    if not data:
        return
    failures: list[str] = []
    options = OPTIONS[data[0] & 1]
    decoder = Decoder(options, source="fuzz", keep_heads=bool(data[0] & 2), count=lambda name, _by: failures.append(name))
    held = records(data[1:])
    for start in range(0, len(held), 3):
        decoder.feed(held[start : start + 3])
        if decoder.held_bytes > 3 * MEMORY or decoder.held_bytes < 0:
            raise AssertionError(f"{decoder.held_bytes} bytes are held")
    decoder.finish()
    if "decoder_internal_errors" in failures:
        raise AssertionError("decode failed inside")
    if decoder.held_bytes or decoder.held_exchanges or decoder.connections:
        raise AssertionError(
            f"left: {decoder.held_bytes} bytes, {decoder.held_exchanges} exchanges, {decoder.connections} connections"
        )


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
