"""The line in which a condition is typed, in the pipeline's own expression language: completed, checked at every key.

What is wrong stands in the line below it; the table keeps the last condition that was right.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widgets import Input

from pipeline.api import FieldType
from pipeline.expressions.completion import completed, completions, words
from pipeline.expressions.condition import Condition, compile_condition
from pipeline.expressions.errors import ExpressionError

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
    """``condition()`` compiles what stands here. ``submit`` is called at Enter, ``leave`` at Esc; Tab completes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", show=False),
        Binding("escape", "leave", show=False),
    ]

    def __init__(self, attributes: Mapping[str, FieldType], submit: Callable[[], None], leave: Callable[[], None]) -> None:
        self.known = words(attributes)
        self._attributes = attributes
        self._submit = submit
        self._leave = leave
        super().__init__(
            placeholder='status >= 500 and path.startswith("/api/")    Tab completes, Enter applies, Esc leaves',
            suggester=Completer(self.known),
            compact=True,
            id="filter",
            select_on_focus=False,
        )

    async def _on_key(self, event: events.Key) -> None:
        """In the order in which keys are pressed: Textual does what a key is bound to later than it writes a letter."""
        if not self.display:  # it was typed behind Enter: for who has the focus now
            event.stop()
            event.prevent_default()
            self.app.post_message(events.Key(event.key, event.character))
            return
        for binding in self._bindings.key_to_bindings.get(event.key, ()):
            event.stop()
            event.prevent_default()
            await self.run_action(binding.action)
            return

    async def action_submit(self) -> None:
        """Enter."""
        self._submit()

    def action_leave(self) -> None:
        """Esc."""
        self._leave()

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


def _list(fitting: Sequence[str]) -> str:
    more = f"  … {len(fitting) - MOST_SHOWN} more" if len(fitting) > MOST_SHOWN else ""
    return "  ".join(fitting[:MOST_SHOWN]) + more
