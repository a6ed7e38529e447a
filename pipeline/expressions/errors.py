"""What is wrong with an expression or a template, as text for its author."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from pipeline.errors import ConfigError, Problem

A = TypeVar("A")
B = TypeVar("B")

UNKNOWN_FIELD = "unknown field"
"""How every message about a name that nothing has begins."""


class ExpressionError(ConfigError):
    """An expression that cannot be compiled, with everything that is wrong with it. Whoever knows the option adds its path."""

    def __init__(self, *messages: str) -> None:
        self.messages = tuple(dict.fromkeys(messages))
        super().__init__([Problem("", message) for message in self.messages])

    @property
    def message(self) -> str:
        """All of it in one text."""
        return "; ".join(self.messages)

    def at(self, path: str) -> list[Problem]:
        """The problems, with the path of the option that held the text."""
        return [Problem(path, message) for message in self.messages]


def each(work: Callable[[A], B], parts: Iterable[A]) -> list[B]:
    """The work done on every part of an expression. Raises ``ExpressionError`` with what is wrong in any of them."""
    done: list[B] = []
    wrong: list[str] = []
    for part in parts:
        try:
            done.append(work(part))
        except ExpressionError as error:
            wrong += error.messages
    if wrong:
        raise ExpressionError(*wrong)
    return done
