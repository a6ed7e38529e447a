"""Exceptions ⇄ messages, so that what a sink raises in its process steers the engine as if it had been raised here. Pure."""

import traceback
from collections.abc import Mapping

from pipeline.api import BackOff, BatchError, Finished, NotConnected, Reject
from pipeline.isolation.messages import Failure

CANCELLED = "cancelled"
"""Kind of the answer to a call that was cancelled."""

MAX_CHARS = 10_000
"""Of one text or traceback; the log shows 500."""


class RemoteFault(Exception):  # noqa: N818  as the fault it stands for
    """A fault of a sink in its process. The class that is raised has the name of the one that was raised there."""


STEERING: Mapping[str, type[Exception]] = {kind.__name__: kind for kind in (NotConnected, Reject, TimeoutError)}
"""What steers the engine by its class and text alone."""


def failure_of(error: BaseException, *, traced: bool = True) -> Failure:
    """What is sent of an exception. Those that steer the engine come back exactly; of any other its name, text and traceback."""
    text = str(error)[:MAX_CHARS]
    match error:
        case BatchError():
            failures = {index: failure_of(each, traced=False) for index, each in error.failures.items()}
            return Failure("BatchError", text, failures=failures)
        case BackOff():
            return Failure("BackOff", text, error.secs)
        case Finished():
            return Failure("Finished", text, delivered=error.delivered)
    for name, kind in STEERING.items():
        if isinstance(error, kind):
            return Failure(name, text)
    trace = "".join(traceback.format_exception(error))[-MAX_CHARS:] if traced else ""
    return Failure(type(error).__name__, text, trace=trace)


def error_of(failure: Failure) -> Exception:
    """The exception to raise for it."""
    if failure.kind == "BatchError":
        return BatchError({index: error_of(each) for index, each in failure.failures.items()})
    if failure.kind == "BackOff":
        return BackOff(failure.secs, failure.text)
    if failure.kind == "Finished":
        return Finished(failure.text, failure.delivered)
    if failure.kind in STEERING:
        return STEERING[failure.kind](failure.text)
    fault: Exception = type(failure.kind, (RemoteFault,), {})(failure.text)
    if failure.trace:
        fault.add_note(f"In the process of the sink:\n{failure.trace}")
    return fault
