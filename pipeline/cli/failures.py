"""How each kind of error is reported to a user: an exit code and a few lines, never a traceback.

Task groups wrap what happens inside them in exception groups; the user sees the first error of the most telling kind.
"""

import errno
from collections.abc import Iterator

from pipeline.cli.exit_codes import ExitCode
from pipeline.errors import OPEN_FILES_REMEDY, CaptureError, ConfigError, HttpipeError, InputError, UnhealthyError


def reported(error: BaseException) -> tuple[ExitCode, str]:  # noqa: PLR0911  one for each kind of error
    """Exit code and words."""
    leaves = list(_leaves(error))
    for leaf in leaves:
        match leaf:
            case ConfigError():
                return ExitCode.BAD_CONFIG, _problems(leaf)
            case CaptureError() | UnhealthyError():
                denied = isinstance(leaf, CaptureError) and leaf.denied
                return (ExitCode.NO_PERMISSION if denied else ExitCode.UNAVAILABLE), f"httpipe: {leaf}"
            case InputError():
                return ExitCode.DAMAGED_INPUT, f"httpipe: {leaf}"
            case PermissionError():
                what = f"no permission for {leaf.filename}" if leaf.filename is not None else leaf.strerror or str(leaf)
                return ExitCode.NO_PERMISSION, f"httpipe: {what}"
            case OSError(errno=errno.ENOSPC | errno.EDQUOT):
                where = leaf.filename if leaf.filename is not None else "the output"
                return ExitCode.UNDELIVERED, f"httpipe: cannot write {where}: {leaf.strerror}"
            case OSError(errno=errno.EMFILE | errno.ENFILE):
                return ExitCode.NO_PERMISSION, f"httpipe: too many open files\n  {OPEN_FILES_REMEDY}"
            case HttpipeError():
                return ExitCode.UNDELIVERED, f"httpipe: {leaf}"
            case _:
                continue
    first = leaves[0]
    first_line = str(first).partition("\n")[0]
    what = f"{type(first).__name__}: {first_line}" if first_line else type(first).__name__
    return ExitCode.INTERNAL, f"httpipe: internal error: {what}\n  Run it again as `httpipe --debug …` and report what it prints."


def reported_apart(error: BaseException) -> list[tuple[str, dict[str, object]]]:
    """The same for a log of JSON: each problem by itself, with its place as fields."""
    config = next((leaf for leaf in _leaves(error) if isinstance(leaf, ConfigError)), None)
    code, text = reported(error)
    if config is None:
        return [(text.removeprefix("httpipe: "), {"exit_code": code.value})]
    return [(each.message, {"file": config.file, "path": each.path, "exit_code": code.value}) for each in config.problems]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _problems(error: ConfigError) -> str:
    count = len(error.problems)
    warnings = "".join(f"\n{error.file}: warning: {warning}" for warning in error.warnings)
    return f"{error}{warnings}" if count == 1 else f"{error}{warnings}\n{count} problems"
