"""The line in which a condition is typed, in the pipeline's own expression language: completed, checked at every key.

What is wrong stands in the line below it; the table keeps the last condition that was right.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widgets import Input

from pipeline.api import FieldType
from pipeline.expressions import ExpressionError, compile_condition
from pipeline.expressions.completion import completed, completions, words
from pipeline.expressions.condition import Condition

MOST_SHOWN = 8


class Completer(Suggester):
    """Shows the nearest word behind the cursor."""

    def __init__(self, known: Sequence[str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._known = known

    async def get_suggestion(self, value: str) -> str | None:
        """The whole line with it."""
        return completed(value, completions(value, self._known)[:1])


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
