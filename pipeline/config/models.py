"""A table checked against a model, with pydantic's findings in our words.

In: a model, the table as it stands in the file, its path. Out: the instance or None, and one problem for each thing that is
wrong. It never lets a pydantic sentence reach the user that we have a better one for, and never shows a secret.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline.config.documentation import models_in
from pipeline.config.elsewhere import Around, names
from pipeline.config.words import shown
from pipeline.errors import Problem, did_you_mean
from pipeline.model.paths import context_of

NOTHING = Around(tables={})

M = TypeVar("M", bound=BaseModel)

KINDS_OF_VALUE: Mapping[str, str] = {
    "string_type": "a string",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of reasonable size",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "list_type": "a list; write [ … ]",
    "tuple_type": "a list; write [ … ]",
    "set_type": "a list; write [ … ]",
    "frozen_set_type": "a list; write [ … ]",
    "dict_type": "a table",
    "mapping_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "bytes_type": "a string",
    "path_type": "a path",
    "url_parsing": "a URL",
    "url_scheme": "a URL of the right scheme",
    "ip_any_address": "an IP address",
    "ip_any_network": "an IP network",
}
"""Error types that mean "the value is not of this kind"."""

BOUNDS: Mapping[str, tuple[str, str]] = {
    "greater_than": ("is not more than {}", "gt"),
    "greater_than_equal": ("is not at least {}", "ge"),
    "less_than": ("is not less than {}", "lt"),
    "less_than_equal": ("is not at most {}", "le"),
    "multiple_of": ("is not a multiple of {}", "multiple_of"),
    "string_pattern_mismatch": ("does not match {}", "pattern"),
    "too_short": ("has fewer than {} entries", "min_length"),
    "too_long": ("has more than {} entries", "max_length"),
    "string_too_short": ("has fewer than {} characters", "min_length"),
    "string_too_long": ("has more than {} characters", "max_length"),
}
"""Error types that mean "the value is out of bounds", and which bound."""


def check(
    model: type[M], table: Mapping[str, object], path: str, *, file: str = "", around: Around = NOTHING
) -> tuple[M | None, list[Problem]]:
    """An instance of the model, or what is wrong.

    ``file`` is where the table stands, for options that are paths; ``around`` what else is known, for "did you mean".
    """
    try:
        made = model.model_validate(table, context=context_of(file))
    except ValidationError as error:
        return None, translated(error, model, table, path, around=around)
    problems = list(_flags_for_numbers(table, made, path))
    return (None, problems) if problems else (made, [])


def _flags_for_numbers(given: object, made: object, path: str) -> Iterator[Problem]:
    """Booleans that pydantic took for 0 or 1, as it must take the text "80" for a number: `${PORT}` is text."""
    match given, made:
        case Mapping(), BaseModel():
            inner = [(name, value, getattr(made, str(name), None)) for name, value in given.items()]
        case Mapping(), Mapping():
            inner = [(name, value, made.get(name)) for name, value in given.items()]
        case list(), list() | tuple():
            inner = [(place, *pair) for place, pair in enumerate(zip(given, made, strict=False))]
        case bool(), int() | float() if not isinstance(made, bool):
            yield Problem(path, f"{shown(given)} is not a number")
            return
        case _:
            return
    for name, value, result in inner:
        yield from _flags_for_numbers(value, result, f"{path}.{name}" if path else str(name))


def translated(
    error: ValidationError,
    model: type[BaseModel],
    table: Mapping[str, object],
    path: str,
    *,
    around: Around = NOTHING,
) -> list[Problem]:
    """One problem for each place in the table; the branches of a union are reported as one sentence."""
    places: dict[tuple[str | int, ...], list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        if not _follows(detail):
            places.setdefault(_place(detail, table), []).append(detail)
    problems = []
    for place, details in places.items():
        where = ".".join([path, *map(str, place)]) if path else ".".join(map(str, place))
        known = [*names(_model_at(model, place[:-1])), *(around.names() if len(place) == 1 else ())]
        hint = around.hint(str(place[-1]), model) if len(place) == 1 else ""
        problems.append(Problem(where, _sentence(details, place, known, hint)))
    return problems


def _follows(detail: ErrorDetails) -> bool:
    """Whether it only repeats other ones: pydantic counts the entries of a list without those that are wrong."""
    given, least = detail["input"], detail.get("ctx", {}).get("min_length")
    return detail["type"] == "too_short" and isinstance(given, list | tuple) and len(given) >= (least or 0)


def _place(detail: ErrorDetails, table: Mapping[str, object]) -> tuple[str | int, ...]:
    """The error's place in the file: pydantic's, without the names of the union branches it puts between."""
    node: Any = table
    place: list[str | int] = []
    for number, part in enumerate(detail["loc"]):
        inside = (isinstance(node, dict) and part in node) or (
            isinstance(node, list) and isinstance(part, int) and part < len(node)
        )
        if inside:
            node = node[part]
            place.append(part)
        elif detail["type"] == "missing" and number == len(detail["loc"]) - 1:
            place.append(part)
    return tuple(place)


def _model_at(model: type[BaseModel], place: tuple[str | int, ...]) -> type[BaseModel] | None:
    """The model that a place in a table belongs to, as far as annotations tell."""
    current: type[BaseModel] | None = model
    for part in place:
        field = next((f for n, f in current.model_fields.items() if part in (n, f.alias)), None) if current else None
        if field is None:
            continue  # an index of a list: the model is that of its entries
        current = next(models_in(field.annotation), None)
    return current


def _sentence(details: list[ErrorDetails], place: tuple[str | int, ...], known: list[str], elsewhere: str) -> str:
    name = str(place[-1]) if place else ""
    value = shown(details[0]["input"], name)
    first = details[0]
    match first["type"]:
        case "extra_forbidden":
            hint = elsewhere or did_you_mean(name, known)
            return f"unknown option{hint}" if hint else f"unknown option; known: {', '.join(sorted(known))}"
        case "missing":
            return "is required"
        case "value_error" | "assertion_error":
            message = str(first.get("ctx", {}).get("error", first["msg"]))
            return _joined("" if isinstance(first["input"], dict) else value, message)
    wanted = [_wanted(detail) for detail in details]
    if len(details) == 1 and first["type"] in BOUNDS:
        return f"{value} {_bound(first)}"
    if all(wanted):
        names = [literal.strip("'") for literal in _literals(details)]
        near = did_you_mean(first["input"], names) if isinstance(first["input"], str) else ""
        return f"{value} is not {_either(list(dict.fromkeys(wanted)))}{near}"
    messages = [_bound(detail) if detail["type"] in BOUNDS else _lower(detail["msg"]) for detail in details]
    return f"{value}: " + ", or ".join(dict.fromkeys(messages))


def _joined(value: str, message: str) -> str:
    """A validator's own words behind the value: as one sentence where they go on like one."""
    if not value:
        return message
    return f"{value} {message}" if message.startswith(("is ", "has ", "does ")) else f"{value}: {message}"


def _wanted(detail: ErrorDetails) -> str:
    """What the value should have been, as a noun; empty where pydantic's own sentence must do."""
    if detail["type"] in ("literal_error", "enum"):
        quoted = [_requoted(literal) for literal in _literals([detail])]
        return f"one of {', '.join(quoted)}" if len(quoted) > 1 else quoted[0]
    if detail["type"] == "none_required":
        return ""
    return KINDS_OF_VALUE.get(detail["type"], "")


def _literals(details: list[ErrorDetails]) -> list[str]:
    expected = " or ".join(str(detail.get("ctx", {}).get("expected", "")) for detail in details)
    return [part.strip() for part in expected.replace(" or ", ", ").split(", ") if part.strip()]


def _requoted(literal: str) -> str:
    return f'"{literal[1:-1]}"' if literal.startswith("'") else literal


def _either(wanted: list[str]) -> str:
    """``one of 0, 1`` and ``"all"`` as ``one of 0, 1, "all"``; other alternatives joined by "or"."""
    if len(wanted) > 1 and all(part.startswith(("one of ", '"')) for part in wanted):
        return "one of " + ", ".join(part.removeprefix("one of ") for part in wanted)
    return " or ".join(wanted)


def _bound(detail: ErrorDetails) -> str:
    words, key = BOUNDS[detail["type"]]
    bound = detail.get("ctx", {}).get(key)
    if bound == 1 and detail["type"] in ("too_short", "string_too_short"):
        return "is empty"
    sentence = words.format(bound)
    return sentence.replace("entries", "entry").replace("characters", "character") if bound == 1 else sentence


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
