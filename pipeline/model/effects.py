"""Options that do nothing unless another one says so: what is set in vain is an error, not a surprise.

In: the options as they are, and what some of them need. Out: the same, or a pydantic error for each that is set in vain, at its
place. It never judges what the file leaves out.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails

Options = TypeVar("Options", bound=BaseModel)


class Needs(NamedTuple):
    """These options, such as ``rotate.keep``, have an effect only where ``met``; ``what`` says in words what that takes."""

    options: Sequence[str]
    what: str
    met: bool


def effective(options: Options, *needs: Needs) -> Options:
    """For a validator of the whole model (``mode="after"``): the options, if each one that is set has an effect."""
    errors = [
        InitErrorDetails(type="value_error", loc=place, input=value, ctx={"error": ValueError(sentence)})
        for place, value, sentence in in_vain(options, *needs)
    ]
    if errors:
        raise ValidationError.from_exception_data(type(options).__name__, errors)
    return options


def in_vain(options: BaseModel, *needs: Needs) -> Iterator[tuple[tuple[str, ...], object, str]]:
    """Each option that is set and does nothing: its place, the value to show, and in words what it needs."""
    for need in needs:
        for name in need.options if not need.met else ():
            for place, value in _set_in(options, tuple(name.split("."))):
                yield place, value, f"has no effect without {need.what}; set that, or leave {place[-1]} out"


def _set_in(options: BaseModel, name: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    """The place and the value to show, where the option is set; what is empty, or off as by default, is as good as left out."""
    first, *rest = name
    if first not in options.model_fields_set:
        return
    value, field = getattr(options, first), type(options).model_fields[first]
    if rest and isinstance(value, BaseModel):
        for place, inner in _set_in(value, tuple(rest)):
            yield (first, *place), inner
    elif isinstance(value, BaseModel):
        if any(True for inner in value.model_fields_set for _ in _set_in(value, (inner,))):
            yield (first,), {}
    elif not _is_off(value, field.get_default(call_default_factory=True)):
        yield (first,), value if field.repr else {}


def _is_off(value: object, default: object) -> bool:
    return value == default if value in (False, "none") else not value
