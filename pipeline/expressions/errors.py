"""What is wrong with an expression or a template, as text for its author."""

from collections.abc import Iterable

from pipeline.errors import ConfigError, Problem


class ExpressionError(ConfigError):
    """An expression that cannot be compiled. Its one problem has no path: whoever knows the option adds it (``at``)."""

    def __init__(self, message: str, path: str = "") -> None:
        self.message = message
        super().__init__([Problem(path, message)])

    def at(self, path: str) -> Problem:
        """The problem, with the path of the option that held the text."""
        return Problem(path, self.message)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The second half of an error message: the nearest known word, or nothing where none is near."""
    from difflib import get_close_matches  # noqa: PLC0415  5 ms that only a mistake pays

    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'; did you mean "{near[0]}"?' if near else ""
