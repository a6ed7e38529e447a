"""WebSockets of real programs (``make_websocket.py``): what both ends said is what is reported, whole and in its order."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.decode import BodyOptions, DecodeOptions, Decoder
from pipeline.model.events.websocket_message import WebsocketMessage
from pipeline.model.records import Segment
from pipeline.sources.pcap.reader import read_segments

CAPTURES = sorted((Path(__file__).parent / "captures/websocket").glob("*.pcap*"))
OPTIONS = DecodeOptions(websocket_messages=True, bodies=BodyOptions(max_bytes=1 << 20))


def decoded(segments: list[Segment]) -> list[WebsocketMessage]:
    """The messages; decode must not have failed inside, and must hold nothing behind the end."""
    counts: Counter[str] = Counter()
    decoder = Decoder(OPTIONS, source="test", count=lambda name, by: counts.update({name: by}))
    events = [*decoder.feed(segments), *decoder.finish()]
    assert counts["decoder_internal_errors"] == 0
    assert decoder.held_exchanges == decoder.held_bytes == decoder.connections == 0
    return [event for event in events if isinstance(event, WebsocketMessage)]


def said(event: WebsocketMessage) -> dict[str, Any]:
    """As the truth beside the capture has it."""
    if event.httpipe_websocket_opcode == "close":
        return {
            "opcode": "close",
            "code": event.httpipe_websocket_close_code,
            "reason": event.httpipe_websocket_close_reason or "",
            "pings": event.httpipe_websocket_pings,
            "pongs": event.httpipe_websocket_pongs,
        }
    content = event.httpipe_websocket_content or ""
    times = len(content) if len(set(content)) == 1 else 1
    return {
        "opcode": event.httpipe_websocket_opcode,
        "content": content[: len(content) // times],
        "times": times,
        "fragments": event.httpipe_websocket_fragments,
    }


@pytest.fixture(params=CAPTURES, ids=lambda path: path.name.partition(".")[0])
def case(request: pytest.FixtureRequest) -> tuple[list[Segment], dict[str, list[dict[str, Any]]]]:
    """The segments of a capture, and what was said."""
    path: Path = request.param
    truth = json.loads(path.with_name(f"{path.name.partition('.')[0]}.json").read_text())
    return [each for batch in read_segments(path) for each in batch if isinstance(each, Segment)], truth


def test_what_was_said(case: tuple[list[Segment], dict[str, list[dict[str, Any]]]]) -> None:
    """Content, opcodes, fragments, control frames, closes; nothing is marked."""
    segments, truth = case
    found = decoded(segments)
    for sender, expected in truth.items():
        assert [said(each) for each in found if each.httpipe_websocket_sender == sender] == expected
    assert {each.httpipe_marks for each in found} == {()}
    assert {each.url_path for each in found} == {"/talk"}


def test_any_segment_missing(case: tuple[list[Segment], dict[str, list[dict[str, Any]]]]) -> None:
    """Whichever segment behind the upgrade the capture lost: what has no mark is what was said."""
    segments, truth = case
    spoken = {sender: Counter(map(json.dumps, each)) for sender, each in truth.items()}
    payloads = [place for place, each in enumerate(segments) if each.payload[:4] not in {b"", b"GET ", b"HTTP"}]
    for gone in payloads[:: max(1, len(payloads) // 40)]:
        cut = msgspec.structs.replace(segments[gone], payload=b"", cut=True)
        for without in (segments[:gone] + segments[gone + 1 :], [*segments[:gone], cut, *segments[gone + 1 :]]):
            for each in decoded(without):
                if not each.httpipe_marks and each.httpipe_websocket_opcode != "close":
                    assert json.dumps(said(each)) in spoken[each.httpipe_websocket_sender or ""]
