"""What the constructors of transforms share: expressions compiled with every problem collected, each under its option's path."""

from collections.abc import Callable
from typing import Annotated, ParamSpec, Self, TypeVar

from pydantic import Field

from pipeline.api import ConfigError, Context
from pipeline.errors import Problem
from pipeline.expressions.condition import Condition, compile_condition
from pipeline.expressions.errors import ExpressionError
from pipeline.expressions.value import Value, compile_value
from pipeline.model.events.exchange import FAMILIES

T = TypeVar("T")
P = ParamSpec("P")
E = TypeVar("E", Condition, Value)

OutputName = Annotated[str, Field(pattern=r"^[a-z0-9_]+$", max_length=64)]
"""The name of an output, as in ``inputs = ["split.errors"]``."""

HEADERS = tuple(family.prefix for family in FAMILIES)


class Compiled:
    """A ``with`` block in which each faulty option is noted and the rest is still looked at; it raises at its end."""

    def __init__(self, context: Context) -> None:
        self.problems: list[Problem] = []
        self.extra = context.attributes
        self._count = context.count
        self._made: list[Condition | Value] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ConfigError):
            raise ConfigError([*self.problems, *error.problems]) from error
        if kind is None and self.problems:
            raise ConfigError(self.problems)

    def of(self, path: str, otherwise: T, make: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``make(…)`` gives; an ``ExpressionError`` is noted under ``path``, and ``otherwise`` stands in."""
        try:
            return make(*args, **kwargs)
        except ExpressionError as error:
            self.problems += error.at(path)
            return otherwise

    def condition(self, path: str, text: str) -> Condition:
        """The option's condition."""
        return self._noted(self.of(path, NEVER, compile_condition, text, self.extra))

    def value(self, path: str, text: str) -> Value:
        """The option's value."""
        return self._noted(self.of(path, NOTHING, compile_value, text, self.extra))

    @property
    def reads(self) -> list[list[str]]:
        """The headers that these expressions read, for ``Transform.reads``."""
        fields = {name for one in self._made for name in one.fields}
        return [[name] for name in sorted(fields) if name.startswith(HEADERS)]

    def count_misses(self) -> None:
        """Add to the counter ``missing_field`` how often these expressions met a field that the event lacks; once a batch."""
        misses = sum(one.new_misses() for one in self._made)
        if misses:
            self._count("missing_field", misses)

    def _noted(self, made: E) -> E:
        self._made.append(made)
        return made

    def refuse(self, path: str, message: str) -> None:
        """Note a problem of another kind."""
        self.problems.append(Problem(path, message))


NEVER = compile_condition("False")
NOTHING = compile_value("''")
"""Stand-ins for what did not compile; they never see an event, since the block raises."""
