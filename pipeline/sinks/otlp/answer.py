"""What an answer to an export means (OTLP specification 1.5, "OTLP/gRPC Response", "OTLP/HTTP Response"). Pure; never raises."""

import re
from typing import NamedTuple

from pipeline.codecs.errors import DecodeError
from pipeline.codecs.protobuf_wire import fields, signed
from pipeline.errors import BackOff, Reject, SinkSignal
from pipeline.reasons import readable
from pipeline.sinks.http.answer import CONTENT_TOO_LARGE, Answer, pause_of, sentence_of

LATER = {429, 502, 503, 504}
"""HTTP: the specification's own."""
TO_BE_PUT_RIGHT = {401, 403, 407, 408}
"""HTTP: what somebody has to put right at one of the ends; no event should be lost meanwhile."""

OK, CANCELLED, DEADLINE_EXCEEDED, PERMISSION_DENIED, RESOURCE_EXHAUSTED = 0, 1, 4, 7, 8
ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED = 10, 11, 14, 15, 16
CALL_LATER = {CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS}
"""gRPC: the specification's own. RESOURCE_EXHAUSTED is among them where the server says when; without that it is a quota, which
somebody can put right, or a message that is too large."""
_TOO_LARGE = re.compile(r"message.*(larger than|exceeds|too large)", re.IGNORECASE)
"""What the gRPC libraries say of a message that is larger than they may take: of C++ and Python, Go, Java, .NET and Rust, whose
code is OUT_OF_RANGE."""
CALL_TO_BE_PUT_RIGHT = {PERMISSION_DENIED, UNAUTHENTICATED}

RETRY_INFO = b"type.googleapis.com/google.rpc.RetryInfo"
PROTOBUF = "application/x-protobuf"


class Refused(NamedTuple):
    """A partial success: how many items the server did not take, and what it says about them."""

    items: int
    message: str


def refused_in(response: bytes) -> Refused | None:
    """What an ``Export…ServiceResponse`` says under ``partial_success``; None where everything was taken without a word."""
    count, message = 0, ""
    for number, value in _fields(response):
        if number == 1 and isinstance(value, bytes):
            for inner, told in _fields(value):
                if inner == 1 and isinstance(told, int):
                    count = max(signed(told), 0)
                elif inner == 2 and isinstance(told, bytes):
                    message = readable(told.decode(errors="replace"))
    return Refused(count, message) if count or message else None


class TooLarge(Reject):
    """The request was too large for the server; smaller ones may not be."""


def judge_answer(who: str, answer: Answer, now_ns: int) -> SinkSignal | None:
    """What is to become of the events of an HTTP request; None where the server has taken them."""
    if 200 <= answer.status < 300:
        return None
    said = _message(answer.body)
    sentence = sentence_of(who, answer.status, answer.said if said is None else said)
    if answer.status in LATER | TO_BE_PUT_RIGHT or 300 <= answer.status < 400:
        return BackOff(pause_of(answer.retry_after, now_ns), sentence)
    return TooLarge(sentence) if answer.status == CONTENT_TOO_LARGE else Reject(sentence)


def judge_call(who: str, code: int, name: str, said: str, status: bytes) -> SinkSignal:
    """The same for a gRPC call that failed; ``status`` is its ``google.rpc.Status``, or empty."""
    pause = retry_delay(status)
    sentence = f"{who} answered {name}" + (f": {readable(said)}" if said else "")
    if code in (RESOURCE_EXHAUSTED, OUT_OF_RANGE) and pause is None and _TOO_LARGE.search(said):
        return TooLarge(sentence)
    return BackOff(pause or None, sentence) if code in CALL_LATER | CALL_TO_BE_PUT_RIGHT else Reject(sentence)


def retry_delay(status: bytes) -> float | None:
    """Seconds that the RetryInfo of a ``google.rpc.Status`` asks for; None without one."""
    for number, detail in _fields(status):
        if number != 3 or not isinstance(detail, bytes):
            continue
        any_message = dict(_fields(detail))
        if any_message.get(1) == RETRY_INFO:
            delay = dict(_fields(_bytes(any_message.get(2)))).get(1)
            duration = dict(_fields(_bytes(delay)))
            seconds, nanos = duration.get(1, 0), duration.get(2, 0)
            if isinstance(seconds, int) and isinstance(nanos, int):
                return max(signed(seconds) + signed(nanos) / 1e9, 0.0)
    return None


def _message(body: bytes) -> str | None:
    """What a body that is a ``google.rpc.Status`` says; None for any other body."""
    found = dict(_fields(body))
    if not found or not set(found) <= {1, 2, 3}:
        return None
    return readable(_bytes(found.get(2)).decode(errors="replace"))


def _bytes(value: int | bytes | None) -> bytes:
    return value if isinstance(value, bytes) else b""


def _fields(message: bytes) -> list[tuple[int, int | bytes]]:
    """Number and value of each field; none at all where it is no message."""
    try:
        return [(number, value) for number, _, value in fields(message)]
    except DecodeError:
        return []
