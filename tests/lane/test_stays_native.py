"""What is captured live reaches a file without a Python object for each exchange."""

import pytest

from pipeline import native
from pipeline.codecs.json import JsonCodec
from pipeline.decode import DecodeOptions, Decoder
from pipeline.model.records import Owner, Process
from pipeline.testing.packets import keep_alive

pytestmark = pytest.mark.skipif(native.lane is None, reason=f"the lane: {native.missing}")
NGINX = Process(7, "nginx", "/usr/sbin/nginx", "nginx: worker", "c" * 12)


@pytest.mark.parametrize("process", [None, NGINX])
def test_exchanges_are_encoded_where_they_lie(process: Process | None) -> None:
    """Also those whose programs are known."""
    opening, *rest = keep_alive(50)
    owners = [Owner(opening.key, opening.ts_ns, process)] if process else []
    events = Decoder(DecodeOptions(request_headers=["Host"]), source="bpf").feed([opening, *owners, *rest])
    lines = JsonCodec().encode_batch(events)
    assert isinstance(events, native.EVENTS)
    assert events.objects == 0
    assert lines.count(b'"process.executable.name":"nginx"') == (50 if process else 0)
    assert bytes(JsonCodec().encode_batch(list(events))) == lines
    assert events.objects == 50
