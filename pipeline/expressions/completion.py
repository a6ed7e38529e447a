"""What may be typed next in a condition, for those who offer it. Pure."""

import re
from collections.abc import Mapping, Sequence

from pipeline.expressions.calls import FUNCTIONS, METHODS
from pipeline.model.events.exchange import BY_ALIAS
from pipeline.model.events.fields import FieldType
from pipeline.model.events.kinds import field_names

WORDS = ("and", "or", "not", "in")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*$")


def words(attributes: Mapping[str, FieldType]) -> Sequence[str]:
    """What may stand in a condition, short names first. ``attributes``: what the pipeline adds to events."""
    functions = [f"{name}(" for name in (*FUNCTIONS, "cidr")]
    return list(dict.fromkeys([*BY_ALIAS, *WORDS, *functions, *field_names(), *attributes]))


def begun(text: str) -> str:
    """The word at the text's end; empty where there is none, or a string that is open."""
    found = _WORD.search(text)
    return "" if found is None or _in_string(text) else found[0]


def completions(text: str, known: Sequence[str]) -> list[str]:
    """Words that the text's end may become, the nearest first. Behind a whole name and a dot: methods."""
    start = begun(text)
    if not start:
        return []
    fitting = [word for word in known if word.startswith(start) and word != start]
    base, dot, rest = start.rpartition(".")
    if dot and base in known:
        fitting += [f"{base}.{name}(" for name in METHODS if name.startswith(rest)]
    return fitting


def completed(text: str, fitting: Sequence[str]) -> str | None:
    """The text with its end completed as far as all agree; None where that adds nothing."""
    start = begun(text)
    if not start or not fitting:
        return None
    common = fitting[0]
    for word in fitting[1:]:
        while not word.startswith(common):
            common = common[:-1]
    return text.removesuffix(start) + common if len(common) > len(start) else None


def _in_string(text: str) -> bool:
    quote = ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
    return bool(quote)
