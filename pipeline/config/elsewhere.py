"""What an option may be that is unknown where it stands: one of a table inside this one, or of another table of the file.

In: its name and the models of tables. Out: the words of a hint.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from pydantic import BaseModel

from pipeline.config.documentation import models_in
from pipeline.config.options import ProcessOptions, ResourceOptions, TelemetryOptions, UiOptions

Tables = Mapping[str, Sequence[type[BaseModel]]]
"""Models by the words for the table that they describe."""

GLOBAL: Tables = {
    "in [process]": (ProcessOptions,),
    "in [telemetry]": (TelemetryOptions,),
    "in [resource]": (ResourceOptions,),
    "in [ui]": (UiOptions,),
}


class Around(msgspec.Struct, frozen=True):
    """What else is known around a model.

    ``beside``: models whose options may stand in the same table; ``also``: further names there; ``tables``: other tables.
    """

    beside: Sequence[type[BaseModel]] = ()
    also: Sequence[str] = ()
    tables: Tables = msgspec.field(default_factory=lambda: GLOBAL)

    def names(self) -> list[str]:
        """What else may stand in the table."""
        return [*(name for model in self.beside for name in names(model)), *self.also]

    def hint(self, name: str, model: type[BaseModel]) -> str:
        """Where an option of exactly this name belongs; empty where there is none."""
        inside = [path for each in (model, *self.beside) for path in _below(name, each)]
        if inside:
            return f"; did you mean {_either(inside)}?"
        return elsewhere(name, self.tables)


def elsewhere(name: str, tables: Tables = GLOBAL) -> str:
    """``; it belongs in [telemetry]``, or an empty string."""
    found = [where for where, models in tables.items() if any(name in names(model) for model in models)]
    return f"; it belongs {' or '.join(found)}" if found else ""


def names(model: type[BaseModel] | None) -> list[str]:
    """The options of a model as they are written in a file."""
    return [info.alias or name for name, info in model.model_fields.items()] if model else []


def _below(name: str, model: type[BaseModel]) -> Iterator[str]:
    """The option in the tables that are options of this model."""
    for option, info in model.model_fields.items():
        if any(name in names(inner) for inner in models_in(info.annotation)):
            yield f"{info.alias or option}.{name}"


def _either(paths: Iterable[str]) -> str:
    *most, last = [f'"{path}"' for path in paths]
    return f"{', '.join(most)} or {last}" if most else last
