"""What a failed record batch means for its events: never to be taken, or to be tried again. Pure.

aiokafka's errors are known by their names: that needs no import.
"""

from pipeline.errors import BackOff, NotConnected, Reject
from pipeline.kafka.findings import DENIED, MISSING_TOPIC

REFUSED = frozenset(
    {
        "MessageSizeTooLargeError",
        "RecordListTooLargeError",
        "InvalidTimestampError",
        "CorruptRecordException",
        "PolicyViolationError",
    }
)
"""By these a broker refuses what is in a record batch. Sending it again would not help; sending its records one by one may."""

MISSING_SECS = 2.0
"""Pause before a topic that does not exist is looked for again."""


def refusal(name: str, size: int, topic: str) -> Reject:
    """Why a record that was sent alone was refused."""
    if "TooLarge" in name:
        return Reject(f'record of {size} bytes is more than topic "{topic}" takes (max.message.bytes, counted after compression)')
    if name == "InvalidTimestampError":
        return Reject(f'topic "{topic}" does not take a record of that time (message.timestamp.before.max.ms and .after.max.ms)')
    return Reject(f'the broker refuses the record for topic "{topic}": {name}')


def cause(error: BaseException, topic: str, leader: str) -> Exception:
    """Why record batches that may yet be delivered were not."""
    name = type(error).__name__
    if isinstance(error, NotConnected):
        return error
    if name in DENIED:
        return NotConnected(f'topic "{topic}" may not be written to by this user')
    if name in MISSING_TOPIC:
        return NotConnected(f'topic "{topic}" does not exist')
    return NotConnected(f"{leader} did not take a batch: {name} {error}".rstrip())


def without_topic(topic: str | None, *, denied: bool, hopeless: bool) -> Exception:
    """Why an event has nowhere to go. ``hopeless``: traffic chose a topic that does not exist, so waiting for it is pointless."""
    if topic is None:
        return Reject("its topic's name would be longer than Kafka allows")
    reason = f'topic "{topic}" {"may not be seen by this user" if denied else "does not exist"}'
    return Reject(reason) if hopeless else BackOff(MISSING_SECS, reason)


RANK = (NotConnected, BackOff, Reject)
"""In this order failures are reported: the engine does for the whole rest what the first one asks."""


def in_order(failures: dict[int, Exception]) -> dict[int, Exception]:
    """What is to be tried again before what is not."""
    return dict(sorted(failures.items(), key=lambda item: (RANK.index(type(item[1])), item[0])))
