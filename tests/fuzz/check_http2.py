"""What must hold of HTTP/2, whatever is sent: nothing raises, memory keeps its bound, and behind the end nothing is held."""

from pipeline.decode import BodyOptions, DecodeOptions, Decoder
from tests.fuzz.any_frames import segments

MEMORY = 1 << 20
OPTIONS = (
    DecodeOptions(max_memory_bytes=MEMORY, max_head_bytes=1024, max_pipelined_requests=4),
    DecodeOptions(
        bodies=BodyOptions(max_bytes=500), request_headers=("Cookie",), response_headers=("X-A",), max_memory_bytes=MEMORY
    ),
)


def check(data: bytes) -> None:
    """Decode what the bytes stand for."""
    if not data:
        return
    failures: list[str] = []
    options, keep = OPTIONS[data[0] >> 2 & 1], bool(data[0] & 8)
    decoder = Decoder(options, source="fuzz", keep_heads=keep, count=lambda name, _by: failures.append(name))
    records = segments(data)
    for start in range(0, len(records), 3):
        decoder.feed(records[start : start + 3])
        assert 0 <= decoder.held_bytes <= 3 * MEMORY
    decoder.finish()
    assert "decoder_internal_errors" not in failures
    assert decoder.held_bytes == decoder.held_exchanges == decoder.connections == 0
