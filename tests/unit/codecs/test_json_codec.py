"""Exchange ⇄ JSON."""

import json
import math
from typing import Any

import msgspec
import pytest
from codec_samples import TIMESTAMP_NS, PlainJson, exchanges, full
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codecs.errors import DecodeError
from pipeline.codecs.flat import flat
from pipeline.codecs.json import JsonCodec
from pipeline.codecs.options import EncodingOptions
from pipeline.codecs.registry import codec
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import FAMILIES, FIELDS, Exchange
from pipeline.model.events.measurement import Measurement

JSON = PlainJson()


class OwnExchange(Exchange, frozen=True, gc=False, kw_only=True):
    """What a plugin may define."""

    own: int = 0


@settings(max_examples=40, deadline=None)
@given(exchanges())
def test_round_trip(exchange: Exchange) -> None:
    """Decoding gives back the very exchange, alone and in a batch."""
    assert JSON.decode(JSON.encode(exchange)) == exchange
    assert [JSON.decode(line) for line in bytes(JSON.encode_batch([exchange, exchange])).split(b"\n")[:-1]] == [exchange] * 2


def test_every_field_of_the_table_is_written_under_its_name() -> None:
    """The name of the event first, the time second, then the fields; heads and the memory cost are not written."""
    written = json.loads(JSON.encode(full()))
    headers = ["http.request.header.accept", "http.request.header.x.y", "http.response.header.vary"]
    assert list(written)[:2] == ["event.name", "timestamp"]
    assert set(written) == {"event.name", *(field.name for field in FIELDS), *headers, *full().attributes}
    assert written["timestamp"] == "2026-01-02T03:04:05.000000006Z"
    assert written["network.peer.address"] == written["client.address"]
    assert written["http.request.header.accept"] == ["a", "b"]
    assert written["httpipe.marks"] == ["gap", "truncated"]


def test_what_is_not_known_is_left_out() -> None:
    """An exchange of which only the time is known has two keys."""
    assert JSON.encode(Exchange(timestamp_ns=0)) == b'{"event.name":"http.exchange","timestamp":"1970-01-01T00:00:00.000000000Z"}'


@settings(max_examples=40, deadline=None)
@given(
    st.text(st.characters()),
    st.integers(),
    st.floats(),
    st.integers(),
)
def test_never_raises_and_is_always_strict_and_harmless(text: str, number: int, real: float, time: int) -> None:
    """Lone surrogates, numbers of any size, NaN and any time give JSON that strict readers take and a terminal survives."""
    exchange = Exchange(
        timestamp_ns=time,
        url_path=text,
        http_response_status_code=number,
        httpipe_duration_ms=real,
        http_request_headers={text: (text,)},
        attributes={f"x{text}": number, "real": real, "text": text},
    )
    for line in (JSON.encode(exchange), bytes(JSON.encode_batch([exchange]))[:-1]):
        written = msgspec.json.decode(line)
        assert isinstance(written, dict)
        assert b"\n" not in line
        assert not any(_harmful(ord(character)) for character in line.decode())
        assert isinstance(JSON.decode(line), Exchange)


def _harmful(code: int) -> bool:
    return (
        code < 0x20
        or 0x7F <= code <= 0x9F
        or 0x202A <= code <= 0x202E
        or 0x2066 <= code <= 0x2069
        or code in (0x200E, 0x200F, 0x61C)
    )


@pytest.mark.parametrize("value", [10**400, -(10**400), 1 << 64, math.nan, -math.inf, b"bytes", None, {"a": 1}, ("x", 1)])
def test_attributes_of_odd_types_do_not_raise(value: Any) -> None:
    """A plugin may put anything into an attribute; a whole line comes out all the same."""
    assert json.loads(JSON.encode(Exchange(timestamp_ns=0, url_path="/", attributes={"odd": value})))["url.path"] == "/"


def test_an_attribute_never_hides_a_declared_field() -> None:
    """Names of declared fields belong to the declared fields."""
    exchange = Exchange(timestamp_ns=0, url_path="/real", attributes={"url.path": "/forged", "url.query": "forged"})
    assert JSON.decode(JSON.encode(exchange)) == Exchange(timestamp_ns=0, url_path="/real")


def test_other_events_keep_their_name() -> None:
    """An event of an unknown kind is its name, its time and its attributes, and comes back so."""

    class Metric(Event, frozen=True):
        event_name = "http.metric"

    line = JSON.encode(Metric(timestamp_ns=5, attributes={"count": 3}))
    assert json.loads(line) == {"event.name": "http.metric", "timestamp": "1970-01-01T00:00:00.000000005Z", "count": 3}
    again = JSON.decode(line)
    assert again == Event(timestamp_ns=5, attributes={"event.name": "http.metric", "count": 3})
    assert JSON.encode(again) == line
    assert JSON.decode(JSON.encode(Event(timestamp_ns=5))) == Event(timestamp_ns=5)


def test_a_measurement_keeps_what_it_is_grouped_by() -> None:
    """Only an exchange has declared fields: in a measurement the same names are attributes like others."""
    measurement = Measurement(
        timestamp_ns=5, attributes={"server.address": "shop.example", "http.response.status_code": 500, "n": 2}
    )
    assert JSON.decode(JSON.encode(measurement)) == measurement


def test_the_weight_follows_the_size() -> None:
    """A queue that is bounded in bytes must not be filled with large events that claim to be small."""
    line = json.dumps({"timestamp": "2026-01-01T00:00:00Z", "large": "x" * 1_000_000})
    assert JsonCodec().decode(line).memory_bytes > 1_000_000


def test_a_plugins_kind_of_exchange_is_written_as_an_exchange() -> None:
    """A subclass keeps the fields of the table."""
    assert JSON.decode(JSON.encode(OwnExchange(timestamp_ns=0, url_path="/x", own=1))) == Exchange(timestamp_ns=0, url_path="/x")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"server.port": "80"}, "server.port: must be an integer, not a string"),
        ({"server.port": 80.0}, "server.port: must be an integer, not a number"),
        ({"server.port": True}, "server.port: must be an integer, not a boolean"),
        ({"url.path": 1}, "url.path: must be a string, not an integer"),
        ({"httpipe.duration_ms": "1"}, "httpipe.duration_ms: must be a number"),
        ({"httpipe.marks": "gap"}, "httpipe.marks: must be an array of strings, not a string"),
        ({"httpipe.marks": [1]}, "httpipe.marks: must be an array of strings"),
        ({"http.request.header.accept": "x"}, "http.request.header.accept: must be an array of strings"),
        ({"timestamp": 5}, "timestamp: must be an RFC 3339 timestamp, not an integer"),
        ({"timestamp": "yesterday"}, "timestamp: 'yesterday' is not an RFC 3339 timestamp"),
        ({"timestamp": "2026-02-30T00:00:00Z"}, "timestamp: "),
        ({"timestamp": None}, "timestamp: is missing"),
        ({"mine": {"a": 1}}, "mine: an attribute is a string, a number, a boolean or an array of strings, not an object"),
        ({"mine": [1]}, "mine: must be an array of strings"),
    ],
)
def test_wrong_types_are_named(changes: dict[str, Any], complaint: str) -> None:
    """The message names the field, what it should be and what it is."""
    line = json.dumps({"timestamp": "2026-01-01T00:00:00Z", **changes})
    with pytest.raises(DecodeError) as caught:
        JSON.decode(line)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 100_000, b'{"a":1}x', b"1" * 5000])
def test_what_is_no_object_is_refused(line: bytes) -> None:
    """Any other bytes raise ``DecodeError`` and nothing else."""
    with pytest.raises(DecodeError):
        JSON.decode(line)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda each: (
            st.lists(each)
            | st.dictionaries(
                st.sampled_from([*(field.name for field in FIELDS), "event.name", FAMILIES[0].prefix + "x", "x"]), each
            )
        ),
    )
)
def test_decoding_anything_gives_an_event_or_a_decode_error(value: Any) -> None:
    """Whatever JSON somebody sends."""
    try:
        event = JSON.decode(json.dumps(value))
    except DecodeError:
        return
    assert isinstance(event, Event)
    JSON.encode(event)


def test_other_writers_are_understood() -> None:
    """Offsets, short fractions, integers where floats are declared, nulls and unknown keys."""
    line = '{"timestamp":"2026-01-02T04:04:05+01:00","httpipe.duration_ms":3,"url.path":null,"team":"shop"}'
    expected = Exchange(timestamp_ns=TIMESTAMP_NS - 6, httpipe_duration_ms=3.0, attributes={"team": "shop"})
    assert JSON.decode(line) == expected


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({"only_fields": ["timestamp", "http.request"]}, {"timestamp", "http.request.method", "http.request.header.a"}),
        ({"only_fields": ["http.request.header.a", "team"]}, {"http.request.header.a", "team", "team.lead"}),
        ({"except_fields": ["http", "event.name", "team.lead"]}, {"timestamp", "url.path", "team"}),
        ({"except_fields": ["http.request.header", "timestamp", "team"]}, {"event.name", "url.path", "http.request.method"}),
    ],
)
def test_fields_can_be_chosen(options: dict[str, Any], keys: set[str]) -> None:
    """A name stands for the field, header or attribute and for all that is below it."""
    exchange = Exchange(
        timestamp_ns=0,
        url_path="/",
        http_request_method="GET",
        http_request_headers={"a": ("1",)},
        attributes={"team": "x", "team.lead": "y"},
    )
    assert set(json.loads(codec(EncodingOptions.model_validate(options)).encode(exchange))) == keys


def test_flat_is_what_is_written_as_text_that_utf8_can_carry() -> None:
    """For sinks that write columns instead of bytes: the same names and values, whatever strangers have sent."""
    exchange = Exchange(
        timestamp_ns=TIMESTAMP_NS,
        url_path="/\udc80\x00",
        http_request_headers={"a\udcff": ("\ud83e\udd89", "2")},
        http_response_status_code=200,
        attributes={"f": float("nan"), "n": 2**70},
    )
    assert flat(exchange) == {
        "event.name": "http.exchange",
        "timestamp": json.loads(JSON.encode(exchange))["timestamp"],
        "url.path": "/\ufffd\x00",
        "http.response.status_code": 200,
        "http.request.header.a\ufffd": ("🦉", "2"),
        "n": 2**70,
    }
    other = flat(Event(timestamp_ns=TIMESTAMP_NS, attributes={"a": True}))
    assert other == {"event.name": "event", "timestamp": flat(exchange)["timestamp"], "a": True}
