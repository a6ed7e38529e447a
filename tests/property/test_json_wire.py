"""The short way of decoding a JSON line never says anything else than the long way does."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codecs.errors import DecodeError
from pipeline.codecs.events import from_object
from pipeline.codecs.json import JsonCodec, load
from pipeline.codecs.json_wire import maybe_exchange
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import FIELDS, Exchange

TIME = '"timestamp": "2026-01-02T03:04:05.000000006Z"'


def long_way(line: bytes | str) -> Event | None:
    """What the long way gives; None where it refuses."""
    try:
        return from_object(load(line), len(line))
    except DecodeError:
        return None


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(1 << 63), max_value=1 << 64),
    st.floats(),
    st.text(),
    st.lists(st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    st.sampled_from(
        ["2026-01-02T03:04:05.000000006Z", "2026-01-02T03:04:05Z", "2026-02-30T03:04:05.000000006Z", "http.exchange"]
    ),
)
NAMES = st.one_of(
    st.sampled_from([*(field.name for field in FIELDS), "event.name", "http.request.header.a"]), st.text(max_size=3)
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(source=st.dictionaries(NAMES, VALUES, max_size=6), time=st.booleans(), ascii_only=st.booleans())
def test_both_ways_agree(source: dict[str, object], *, time: bool, ascii_only: bool) -> None:
    """Whatever the object holds: the same event, or none."""
    if time:
        source = {"timestamp": "2026-01-02T03:04:05.000000006Z", **source}
    text = json.dumps(source, ensure_ascii=ascii_only)
    found = maybe_exchange(text.encode("utf-8", "surrogatepass"))
    assert found is None or repr(found) == repr(long_way(text.encode("utf-8", "surrogatepass")))


@pytest.mark.parametrize(
    "rest",
    [
        "",
        ', "server.port": 80',
        ', "server.port": 80.0',
        ', "server.port": true',
        ', "server.port": 9223372036854775808',
        ', "server.port": 99999999999999999999999',
        ', "httpipe.duration_ms": 5',
        ', "httpipe.duration_ms": 1e999',
        ', "httpipe.duration_ms": NaN',
        ', "url.path": "a", "url.path": "b"',
        ', "url.path": "\\ud800"',
        ', "url.path": "\x01\x7f"',
        ', "url.path": null, "httpipe.marks": null',
        ', "httpipe.marks": ["a", "b"]',
        ', "client.address": "a", "network.peer.address": "b"',
        ', "network.peer.address": "b"',
        ', "client.address": "a", "network.peer.address": "a"',
        ', "event.name": "http.measurement"',
        ', "event.name": null',
        ', "a": 1',
        ", ",
        "} {",
    ],
)
def test_both_ways_agree_on_odd_lines(rest: str) -> None:
    """Numbers of the wrong kind, names twice, text that is none."""
    for line in (f"{{{TIME}{rest}}}", f"{{{TIME}{rest}}}".encode(), f" {{{TIME}{rest}}}\r\n".encode()):
        found = maybe_exchange(line)
        assert found is None or repr(found) == repr(long_way(line))


def test_what_is_no_utf8_is_left_to_the_long_way() -> None:
    """As is everything that is no object."""
    for line in (b'{"url.path": "\xff"}', b"", b"[", b"1", b"[" * 100_000, b'{"a":' * 100_000):
        assert maybe_exchange(line) is None


def test_usual_line_takes_the_short_way() -> None:
    """What the file sink wrote comes back as it was."""
    exchange = Exchange(
        timestamp_ns=1,
        url_path="/é",
        http_response_status_code=200,
        client_address="10.0.0.1",
        httpipe_marks=("gap",),
        httpipe_duration_ms=1.5,
    )
    line = JsonCodec().encode(exchange)
    found = maybe_exchange(line)
    assert found is not None
    assert found.replace(memory_bytes=exchange.memory_bytes) == exchange
