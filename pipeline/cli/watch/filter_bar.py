"""The line in which a condition is typed, in the pipeline's own expression language: completed, checked at every key.

What is wrong stands in the line below it; the table keeps the last condition that was right.
"""

import re
from collections.abc import Mapping
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widgets import Input

from pipeline.api import FieldType
from pipeline.expressions import ExpressionError, compile_condition
from pipeline.expressions.calls import FUNCTIONS, METHODS
from pipeline.expressions.condition import Condition
from pipeline.model.events.exchange import BY_ALIAS
from pipeline.model.events.kinds import field_names

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*$")
WORDS = ("and", "or", "not", "in")
MOST_SHOWN = 8


def words(attributes: Mapping[str, FieldType]) -> list[str]:
    """What may stand in a condition, short names first."""
    functions = [f"{name}(" for name in (*FUNCTIONS, "cidr")]
    return list(dict.fromkeys([*BY_ALIAS, *WORDS, *functions, *field_names(), *attributes]))


def completions(text: str, known: list[str]) -> list[str]:
    """Words that the text's end may become, the nearest first. Behind a whole name and a dot: methods."""
    found = WORD.search(text)
    if found is None or _in_string(text):
        return []
    begun = found[0]
    fitting = [word for word in known if word.startswith(begun) and word != begun]
    base, dot, rest = begun.rpartition(".")
    if dot and base in known:
        fitting += [f"{base}.{name}(" for name in METHODS if name.startswith(rest)]
    return fitting


def _in_string(text: str) -> bool:
    quote = ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
    return bool(quote)


class Completer(Suggester):
    """Shows the nearest word behind the cursor."""

    def __init__(self, known: list[str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._known = known

    async def get_suggestion(self, value: str) -> str | None:
        """The whole line with it."""
        return completed(value, completions(value, self._known)[:1])


def completed(text: str, fitting: list[str]) -> str | None:
    """The text with its end completed as far as all agree."""
    found = WORD.search(text)
    if found is None or not fitting:
        return None
    common = fitting[0]
    for word in fitting[1:]:
        while not word.startswith(common):
            common = common[:-1]
    return text[: found.start()] + common if len(common) > len(found[0]) else None


class FilterBar(Input):
    """``condition()`` compiles what stands here. Tab completes, Enter and Esc are the screen's."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "complete", show=False, priority=True)]

    def __init__(self, attributes: Mapping[str, FieldType]) -> None:
        self.known = words(attributes)
        self._attributes = attributes
        super().__init__(
            placeholder='status >= 500 and path.startswith("/api/")    Tab completes, Enter applies, Esc leaves',
            suggester=Completer(self.known),
            compact=True,
            id="filter",
            select_on_focus=False,
        )

    def condition(self) -> Condition | None:
        """None where nothing is asked. Raises ``ExpressionError``."""
        text = self.value.strip()
        return compile_condition(text, self._attributes) if text else None

    def action_complete(self) -> None:
        """As far as what is known allows."""
        before = self.value[: self.cursor_position]
        longer = completed(before, completions(before, self.known))
        if longer is not None:
            self.value = longer + self.value[self.cursor_position :]
            self.cursor_position = len(longer)

    def remark(self) -> tuple[str, bool]:
        """What to say of it, and whether it is wrong: words that fit, or the error."""
        fitting = completions(self.value[: self.cursor_position], self.known)
        try:
            self.condition()
        except ExpressionError as error:
            if fitting:
                return _list(fitting), False
            return error.message, True
        return _list(fitting), False


def _list(fitting: list[str]) -> str:
    more = f"  … {len(fitting) - MOST_SHOWN} more" if len(fitting) > MOST_SHOWN else ""
    return "  ".join(fitting[:MOST_SHOWN]) + more
