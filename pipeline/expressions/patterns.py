"""Globs and regular expressions that match in linear time whatever the text: both by RE2, which does not backtrack.

RE2's syntax is Perl's without back-references and look-around. Text that is not UTF-8 (lone surrogates) is matched with
``?`` in its place. The engine is imported when the first pattern is compiled (14 ms), never before.
"""

from collections.abc import Callable, Sequence
from typing import Any

from pipeline.expressions.errors import ExpressionError

MEMORY_BYTES = 8 << 20
"""What one compiled pattern may use, its automaton included: RE2's own default. Beyond it RE2 falls back to its slower,
still linear, engine."""

LONGEST_PATTERN = 4096

Test = Callable[[str], bool]


SMALL = 5000
"""Instructions of a program for which RE2's automaton always finds room within that memory."""


def regex(pattern: str) -> Any:  # noqa: ANN401  the engine has no types
    """A compiled RE2 pattern over bytes. Raises ``ExpressionError`` with RE2's own words."""
    if len(pattern) > LONGEST_PATTERN:
        raise ExpressionError(f"a pattern has at most {LONGEST_PATTERN} characters, this one {len(pattern)}")
    return _compiled(pattern)


def regex_test(pattern: str) -> Test:
    """Make the test whether the pattern matches anywhere in a text."""
    return _test(pattern, regex(pattern))


def glob_test(pattern: str) -> Test:
    """Make the test whether the whole text matches the glob.

    ``*`` is any run within a path segment, ``**`` any run, ``?`` one character, ``[a-z]`` and ``[!a-z]`` one of a set.
    """
    return regex_test(f"^(?:{glob_to_regex(pattern)})$")


def any_glob_test(patterns: Sequence[str]) -> Test:
    """Make the test whether the whole text matches one of some dozen globs: one pass over the text for all of them."""
    together = f"^(?:{'|'.join(glob_to_regex(pattern) for pattern in patterns)})$"
    return _test(together, _compiled(together))


def _compiled(pattern: str) -> Any:  # noqa: ANN401  the engine has no types
    import re2  # type: ignore[import-untyped]  # noqa: PLC0415  14 ms that only those who use it pay

    try:
        return re2.compile(pattern.encode(), _options())
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if error.args else "unknown"
        raise ExpressionError(f'"{pattern}" is not an RE2 pattern: {reason}') from error
    except UnicodeEncodeError as error:
        raise ExpressionError("a pattern may not hold half a surrogate pair") from error


def _test(pattern: str, compiled: Any) -> Test:  # noqa: ANN401  the engine has no types
    """A set of one pattern answers yes or no without making a match object: 0.7 µs instead of 2.3.

    Unlike a pattern, a set has no second engine for when its automaton does not fit into the memory: large ones do without.
    """
    import re2  # noqa: PLC0415  as above

    if compiled.programsize > SMALL:
        return lambda text: compiled.search(text.encode("utf-8", "replace")) is not None
    one = re2.Set.SearchSet(_options())
    one.Add(pattern)
    one.Compile()
    match = one.Match
    return lambda text: bool(match(text.encode("utf-8", "replace")))


def _options() -> Any:  # noqa: ANN401  the engine has no types
    import re2  # noqa: PLC0415  as above

    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY_BYTES
    return options


def glob_to_regex(pattern: str) -> str:
    """The RE2 pattern of a glob, without anchors."""
    pieces: list[str] = []
    at = 0
    while at < len(pattern):
        if pattern.startswith("**", at):
            pieces.append("(?s:.)*")
            at += 2
            continue
        char = pattern[at]
        end = pattern.find("]", at + 2) if char == "[" else -1
        if end > 0:
            pieces.append(_set(pattern[at + 1 : end]))
            at = end
        else:
            pieces.append({"*": "[^/]*", "?": "[^/]"}.get(char) or _quoted(char))
        at += 1
    return "".join(pieces)


def _set(members: str) -> str:
    negated = members[0] in "!^"
    escaped = "".join("\\" + char if char in "\\[]^&~" else char for char in members[negated:])
    return f"[{'^' if negated else ''}{escaped}]"


def _quoted(char: str) -> str:
    return char if char.isalnum() or char in "_/-" or ord(char) > 127 else f"\\x{{{ord(char):x}}}"
