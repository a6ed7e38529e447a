"""Exchange ⇄ Protobuf, byte for byte as Google's own library has it."""

import importlib.util
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from codec_samples import TIMESTAMP_NS, PlainProtobuf, exchanges, full
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codecs.errors import DecodeError
from pipeline.codecs.proto import numbered, proto_text, written_fields
from pipeline.codecs.protobuf import ProtobufCodec
from pipeline.codecs.selection import Selection
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import EXCHANGE, Exchange
from pipeline.model.events.fields import Family
from pipeline.model.events.kinds import OURS
from pipeline.model.events.measurement import Measurement

PROTOBUF = PlainProtobuf()
SHIPPED = files("pipeline.codecs").joinpath("httpipe.proto").read_text()

FIRST_RELEASE = (
    "http.request.method",
    "http.request.method_original",
    "url.scheme",
    "url.path",
    "url.query",
    "server.address",
    "server.port",
    "client.address",
    "client.port",
    "network.local.address",
    "network.local.port",
    "http.response.status_code",
    "network.type",
    "network.protocol.name",
    "network.protocol.version",
    "http.request.body.size",
    "http.response.body.size",
    "http.request.size",
    "http.response.size",
    "user_agent.original",
    "http.request.body.content",
    "http.response.body.content",
    "httpipe.request.body.encoding",
    "httpipe.response.body.encoding",
    "httpipe.request.body.decoded_size",
    "httpipe.response.body.decoded_size",
    "error.type",
    "process.pid",
    "process.executable.name",
    "container.id",
    "httpipe.duration_ms",
    "httpipe.ttfb_ms",
    "httpipe.request.target",
    "httpipe.source",
    "httpipe.capture",
    "httpipe.connection",
    "httpipe.sequence",
    "httpipe.marks",
    "http.request.header.",
    "http.response.header.",
)
"""Numbers up to this one were given with version 0.1 and stay what they are."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The classes that protoc makes from the shipped schema."""
    folder = tmp_path_factory.mktemp("proto")
    (folder / "httpipe_test.proto").write_text(SHIPPED)
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}", f"--python_out={folder}", "httpipe_test.proto"]
    subprocess.run(command, check=True, timeout=60)
    spec = importlib.util.spec_from_file_location("httpipe_test_pb2", Path(folder, "httpipe_test_pb2.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_shipped_schema_is_that_of_the_table() -> None:
    """``python -m pipeline.codecs.proto > pipeline/codecs/httpipe.proto`` was run after the table changed."""
    assert proto_text() == SHIPPED


def test_numbers_are_complete_unique_and_have_not_moved() -> None:
    """Every field has a number of its own; those of the first release are 4 to 43, and stay so for ever."""
    declared = {each: each.number for kind in OURS for each in numbered(kind)}
    assert all(field.number for kind in OURS for field in written_fields(kind))
    numbers = {each.prefix if isinstance(each, Family) else each.name: number for each, number in declared.items()}
    assert len(set(numbers.values())) == len(numbers)
    assert {name: numbers[name] for name in FIRST_RELEASE} == {name: 4 + place for place, name in enumerate(FIRST_RELEASE)}


def test_the_library_reads_what_we_write(library: ModuleType) -> None:
    """Every field, header and attribute arrives in Google's library."""
    read = library.Event.FromString(PROTOBUF.encode(full()))
    assert read.event_name == "http.exchange"
    assert read.timestamp_unix_nano == TIMESTAMP_NS
    for field in written_fields(EXCHANGE):
        value = getattr(read, field.name.replace(".", "_"))
        assert (tuple(value) if isinstance(getattr(full(), field.attribute), tuple) else value) == getattr(
            full(), field.attribute
        )
    assert {key: tuple(item.values) for key, item in read.http_request_headers.items()} == full().http_request_headers
    assert {key: getattr(item, item.WhichOneof("value")) for key, item in read.attributes.items() if key != "tags"} == {
        key: item for key, item in full().attributes.items() if key != "tags"
    }
    assert tuple(read.attributes["tags"].strings_value.values) == ("a", "b")


@settings(max_examples=40, deadline=None)
@given(exchange=exchanges())
def test_round_trip_with_and_without_the_library(library: ModuleType, exchange: Exchange) -> None:
    """We read what we write, and the library writes it again so that we read the same."""
    message = PROTOBUF.encode(exchange)
    assert PROTOBUF.decode(message) == exchange
    assert PROTOBUF.decode(library.Event.FromString(message).SerializeToString()) == exchange
    batch = bytes(PROTOBUF.encode_batch([exchange, Exchange(timestamp_ns=1), exchange]))
    assert list(PROTOBUF.decode_batch(batch)) == [exchange, Exchange(timestamp_ns=1), exchange]
    assert PROTOBUF.whole_length(batch) == len(batch)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters()), st.integers(), st.floats(allow_nan=False), st.integers())
def test_never_raises(text: str, number: int, real: float, time: int) -> None:
    """Lone surrogates and numbers of any size give a message that can be read."""
    exchange = Exchange(
        timestamp_ns=time,
        url_path=text,
        http_response_status_code=number,
        httpipe_duration_ms=real,
        httpipe_marks=(text,),
        http_request_headers={text: (text,)},
        attributes={f"x{text}": number, "text": text, "odd": None},
    )
    read = PROTOBUF.decode(PROTOBUF.encode(exchange))
    assert isinstance(read, Exchange)
    assert read.httpipe_duration_ms == real


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_decoding_damage_gives_an_event_or_a_decode_error(data: st.DataObject) -> None:
    """Cut and changed messages never raise anything but ``DecodeError``, and neither does noise."""
    message = bytearray(PROTOBUF.encode(full()))
    for _ in range(data.draw(st.integers(0, 3))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(message[: data.draw(st.integers(0, len(message)))])
    for damaged in (cut, data.draw(st.binary(max_size=64))):
        try:
            event = PROTOBUF.decode(damaged)
        except DecodeError:
            continue
        assert isinstance(event, Event)
        msgspec.convert(event.timestamp_ns, int)


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (b"\x22\x02\xff\xff", "http.request.method: not UTF-8"),
        (b"\x20\x05", "http.request.method: must be a string"),
        (b"\x52\x01a", "server.port: has wire type 2, not 0"),
        (b"\x22\x05ab", "field 4 is longer than the message"),
        (b"\x1a\x02\x0a\x05", "field 1 is longer than the message"),
        (b"\x03", "this is not an event"),
        (b"\x80" * 13, "more than ten bytes"),
        (b"\x80", "ends within a number"),
    ],
)
def test_faults_are_named(message: bytes, complaint: str) -> None:
    """The message says which field is wrong, and how."""
    with pytest.raises(DecodeError) as caught:
        PROTOBUF.decode(message)
    assert complaint in str(caught.value)


def test_numbers_of_later_versions_are_passed_over() -> None:
    """A field that this version does not know costs nothing but itself."""
    later = b"\xf2\x3f\x03abc" + b"\xf8\x3f\x05" + b"\xf1\x3f" + bytes(8) + b"\xf5\x3f" + bytes(4)
    assert PROTOBUF.decode(PROTOBUF.encode(full()) + later) == PROTOBUF.decode(PROTOBUF.encode(full()))


def test_fields_can_be_chosen() -> None:
    """The time is always there; everything else as chosen."""
    only = ProtobufCodec(Selection(("url.path", "http.request.header.accept", "team"), None))
    read: Any = PROTOBUF.decode(only.encode(full()))
    assert read == Exchange(
        timestamp_ns=TIMESTAMP_NS,
        url_path=full().url_path,
        http_request_headers={"accept": ("a", "b")},
        attributes={"team": "shop"},
    )


def test_a_measurement_keeps_what_it_is_grouped_by() -> None:
    """Only an exchange has declared fields: in a measurement the same names are attributes like others."""
    measurement = Measurement(timestamp_ns=5, attributes={"server.address": "shop.example", "n": 2})
    assert PROTOBUF.decode(PROTOBUF.encode(measurement)) == measurement


def test_other_events_keep_their_name() -> None:
    """An event of an unknown kind comes back with its name as an attribute."""

    class Metric(Event, frozen=True):
        event_name = "http.metric"

    read = PROTOBUF.decode(PROTOBUF.encode(Metric(timestamp_ns=-5, attributes={"count": 3})))
    assert read == Event(timestamp_ns=-5, attributes={"count": 3, "event.name": "http.metric"})
    assert PROTOBUF.decode(PROTOBUF.encode(read)) == read
