"""The error tree: what a user did wrong, what the host lacks, and what a sink tells the engine.

Nothing here knows any component. Three families:

* ``ConfigError``   a pipeline file that cannot run; carries every problem found, not just the first (exit code 78).
* ``CaptureError``  the host or its permissions do not allow what was asked; carries a remedy (exit code 69 or 77).
* ``SinkSignal``    how a sink steers the engine: connection lost, slow down, some events failed, none can ever be taken, no more
  wanted.

Every other exception that leaves a component is a fault of that component: the engine restarts it with backoff.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

OPEN_FILES_REMEDY = "allow more: `ulimit -n 1024` in the shell, LimitNOFILE=1024 in the systemd unit"
"""For EMFILE, wherever it comes up."""


class HttpipeError(Exception):
    """Base of every error that httpipe raises on purpose. Its text is shown to the user as it is, without a traceback."""


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong in a configuration: where it stands, what it is, what would be right."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ConfigError(HttpipeError):
    """A configuration that cannot run. ``problems`` holds all of them in the order of the file, ``warnings`` what is odd."""

    def __init__(self, problems: Sequence[Problem], *, file: str = "", warnings: Sequence[str] = ()) -> None:
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)
        self.file = file
        super().__init__("\n".join(f"{file}: {problem}" if file else problem for problem in _remedies_once(self.problems)))


def _remedies_once(problems: Iterable[Problem]) -> Iterator[str]:
    """Each problem as text. What to do about it, the lines behind its first one, is said with the first that it would mend."""
    said = set()
    for problem in problems:
        sentence, _, remedy = str(problem).partition("\n")
        yield sentence if remedy in said else str(problem)
        said.add(remedy)


class CaptureError(HttpipeError):
    """A source cannot see what it was asked to see. ``remedy`` says what to type or change.

    ``denied`` is true where permission is what is missing (exit code 77), false where the host cannot do it (69).
    """

    def __init__(self, message: str, *, remedy: str = "", denied: bool = False) -> None:
        self.remedy = remedy
        self.denied = denied
        super().__init__(f"{message}\n  {remedy}" if remedy else message)


class InputError(HttpipeError):
    """What a source reads is damaged or missing. What came before the damage has been reported already."""


class UnhealthyError(HttpipeError):
    """A sink cannot take events, and the run must not begin without it. Nothing has been read (exit code 69)."""


class InterruptedEarlyError(HttpipeError):
    """A signal asked for the end before anything was read. ``number`` says which."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__("interrupted before it had begun")


class SinkSignal(HttpipeError):  # noqa: N818  a signal to the engine, not a failure to show
    """Base of what a sink raises from ``write`` to steer the engine."""


class NotConnected(SinkSignal):
    """The other end is gone. The engine closes the sink, reopens it with backoff and writes the same batch again."""


class BackOff(SinkSignal):
    """The other end asks for a pause; the sink stays open. The same batch is written again after ``secs`` seconds.

    Without ``secs`` (it says no, not now, but not for how long) the engine waits as after any failed attempt: ``retry.*``.
    """

    def __init__(self, secs: float | None = None, message: str = "") -> None:
        self.secs = secs
        super().__init__(message or ("asked to wait" if secs is None else f"asked to wait {secs:g} s"))


class Reject(SinkSignal):
    """No event of this batch can ever be taken (too large, not allowed): to the dead letter at once, no retry."""

    def __init__(self, cause: Exception | str) -> None:
        self.cause = cause
        super().__init__(str(cause))


class Finished(SinkSignal):
    """The other end wants no more and never will (`| head` closed the pipe): the sink ends well, what waits is discarded.

    When every sink has finished the run ends with success. ``delivered``: so many of the batch's first events were delivered
    all the same.
    """

    def __init__(self, message: str = "", delivered: int = 0) -> None:
        super().__init__(message)
        self.delivered = delivered


class BatchError(SinkSignal):
    """Some events of the batch failed, the rest is delivered.

    ``failures`` maps an index in the batch to what happened: a ``Reject`` goes to the dead letter, anything else is retried.
    """

    def __init__(self, failures: Mapping[int, Exception]) -> None:
        self.failures = dict(failures)
        super().__init__(f"{len(self.failures)} events of the batch failed")


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like this one, or an empty string."""
    from difflib import get_close_matches  # noqa: PLC0415  5 ms that only a mistake pays

    names = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return names[close[0]] if close else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean "x"?``, the second half of a message about a name that is not known; empty where none is near."""
    near = nearest(word, known)
    return f'; did you mean "{near}"?' if near else ""
