"""Encoding many at once gives what encoding each gives."""

import json

import pytest

from pipeline.codecs.registry import codec, decoder
from pipeline.model.events.exchange import Exchange

EVENTS = [
    Exchange(timestamp_ns=1_700_000_000_000_000_000 + number, url_path=f"/a\nb/{number}", http_response_status_code=200)
    for number in range(3)
]
ODD = Exchange(timestamp_ns=0, url_path="\udc80\x1b", http_request_body_size=1 << 70, attributes={"team": "x\r\ny"})


@pytest.mark.parametrize("events", [[], EVENTS, [*EVENTS, ODD]])
@pytest.mark.parametrize("name", ["json", "ecs", "protobuf"])
def test_each_as_alone(name: str, events: list[Exchange]) -> None:
    """One value an event, whatever stands in it; newlines of the wire split nothing."""
    chosen = codec(name)
    together = chosen.encode_each(events)
    alone = [chosen.encode(event) for event in events]
    if name == "ecs":
        assert [json.loads(value) for value in together] == [json.loads(value) for value in alone]
    else:
        read = decoder(name).decode
        assert [read(value) for value in together] == [read(value) for value in alone]
