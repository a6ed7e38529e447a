"""What a sink's process and its parent tell each other, without the processes."""

import asyncio
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.api import BackOff, BatchError, Finished, NotConnected, Reject
from pipeline.delivery.health import describe
from pipeline.isolation.failures import error_of, failure_of
from pipeline.isolation.messages import Answer, Counts, Failure, Line, ToParent
from pipeline.isolation.wire import Wire


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        """Nothing yet."""
        super().__init__()
        self.written = b""
        self.aborted = False

    def writelines(self, list_of_data: Any) -> None:
        """Keep."""
        self.written += b"".join(list_of_data)

    def is_closing(self) -> bool:
        """When it was aborted."""
        return self.aborted

    def abort(self) -> None:
        """Note it."""
        self.aborted = True


def wire(received: list[ToParent], max_bytes: int = 1000) -> tuple[Wire[ToParent], Transport]:
    """One end, connected to nobody."""
    transport = Transport()
    decoder = cast("msgspec.msgpack.Decoder[ToParent]", msgspec.msgpack.Decoder(ToParent))
    made: Wire[ToParent] = Wire(decoder, received.append, lambda: None, max_bytes)
    made.connection_made(transport)
    return made, transport


MESSAGES: list[ToParent] = [
    Answer(1, None),
    Line(20, "sentence", {"n": 1, "text": "é"}),
    Counts({"a": 3}),
    Answer(2, Failure("X", "y")),
]


@given(st.lists(st.integers(1, 20), min_size=1))
def test_messages_come_in_any_cut(cuts: list[int]) -> None:
    """A socket has no borders: byte by byte, several at once, whatever."""
    sender, transport = wire([])
    for message in MESSAGES:
        sender.send(message)
    got: list[ToParent] = []
    receiver, _ = wire(got)
    at = 0
    while at < len(transport.written):
        cut = cuts[at % len(cuts)]
        receiver.data_received(transport.written[at : at + cut])
        at += cut
    assert got == MESSAGES


@pytest.mark.parametrize("said", [b"\x00\x00\x00\x02no", b"\x00\x00\x00\x01\xc1", b"\xff\xff\xff\xff", b"\x00\x00\x03\xe9"])
def test_what_is_no_message_ends_the_connection(said: bytes) -> None:
    """Nothing of it is believed, and nothing is kept; so does one that is too long."""
    got: list[ToParent] = []
    receiver, transport = wire(got)
    receiver.data_received(said)
    assert transport.aborted
    assert got == []


ERRORS = [
    NotConnected("gone"),
    BackOff(2.5),
    BackOff(message="not now"),
    BackOff(0.0, "again"),
    Reject("never"),
    Reject(ValueError("odd")),
    Finished("enough"),
    TimeoutError("late"),
    BatchError({0: Reject("a"), 7: NotConnected("b"), 9: BackOff(1.0)}),
]


@pytest.mark.parametrize("error", ERRORS, ids=describe)
def test_what_steers_the_engine_comes_back_exactly(error: Exception) -> None:
    """Class, text, seconds, and the errors of single events."""
    back = error_of(msgspec.msgpack.decode(msgspec.msgpack.encode(failure_of(error)), type=Failure))
    assert type(back) is type(error)
    assert describe(back) == describe(error)
    assert getattr(back, "secs", None) == getattr(error, "secs", None)
    if isinstance(error, BatchError):
        assert isinstance(back, BatchError)
        assert {at: describe(each) for at, each in back.failures.items()} == {
            at: describe(each) for at, each in error.failures.items()
        }


def test_any_other_error_comes_back_with_its_name_and_its_traceback() -> None:
    """It is described as if it had been raised here, and says where it was."""
    try:
        int("x")
    except ValueError as raised:
        error = raised
    back = error_of(failure_of(error))
    assert describe(back) == describe(error)
    assert "test_wire.py" in back.__notes__[0]
