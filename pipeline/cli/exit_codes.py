"""Exit codes of `httpipe`, after sysexits.h, and the one table of what they mean: for `--help`, the docs and the tests."""

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click


class ExitCode(IntEnum):
    """What a script can tell from how the command ended."""

    OK = 0
    TESTS_FAILED = 1
    USAGE = 64
    DAMAGED_INPUT = 65
    UNAVAILABLE = 69
    INTERNAL = 70
    UNDELIVERED = 74
    NO_PERMISSION = 77
    BAD_CONFIG = 78
    INTERRUPTED = 130


MEANING: dict[ExitCode, str] = {
    ExitCode.OK: "everything went well",
    ExitCode.TESTS_FAILED: "a test of the pipeline file failed",
    ExitCode.USAGE: "the command line was wrong",
    ExitCode.DAMAGED_INPUT: "input was damaged or undecodable in part (`undecodable`); all the rest was delivered",
    ExitCode.UNAVAILABLE: "this host cannot capture (`httpipe doctor` says why), or a required sink is down",
    ExitCode.INTERNAL: "an internal error of httpipe",
    ExitCode.UNDELIVERED: "events were lost or left at the end, but not by `when_full`; the summary says how many and why",
    ExitCode.NO_PERMISSION: "permission is missing; the message says which",
    ExitCode.BAD_CONFIG: "the pipeline file is wrong or missing; `httpipe validate` lists every problem",
    ExitCode.INTERRUPTED: "interrupted before it had begun",
}


def write_exit_codes(formatter: "click.HelpFormatter") -> None:
    """The table, for a help text."""
    with formatter.section("Exit codes"):
        formatter.write_dl([(str(code.value), meaning) for code, meaning in MEANING.items()])
