"""``set``: fields and attributes get new values, from expressions or templates. All are read from the event as it came in."""

from collections.abc import Mapping, Sequence

from pipeline.api import DEFAULT, AttributeValue, Config, Context, Event, FieldType, Outputs, Transform
from pipeline.expressions import Template, Value, compile_template
from pipeline.transforms.changes import Changes, Place, place, types_of
from pipeline.transforms.options import Compiled

NO_VALUES: Mapping[str, str] = {}

NUMBERS = (FieldType.INT, FieldType.FLOAT)


class SetConfig(Config):
    """Set fields and attributes."""

    values: Mapping[str, str] = NO_VALUES
    """Name and expression, such as `values.slow = 'duration_ms > "1s"'`. A missing value leaves the field as it is."""
    texts: Mapping[str, str] = NO_VALUES
    """Name and template, such as `texts.team = "payments"` or `texts.call = "{{method}} {{path}}"`."""


class Set(Transform):
    """Sets fields and attributes from expressions and templates.

    Counter: `missing_value`, values that could not be computed because a field was missing.
    """

    Config = SetConfig

    def __init__(self, config: SetConfig, context: Context) -> None:
        self.count = context.count
        values: list[tuple[Place, Value]] = []
        texts: list[tuple[Place, Template]] = []
        with Compiled(context) as options:
            for name, text in config.values.items():
                path = f"values.{name}"
                value = options.value(path, text)
                where = options.of(path, lambda name=name, value=value: place(name, value.type), Place("", value.type))  # type: ignore[misc]
                if not fits(value.type, where.type):
                    options.refuse(path, f'"{text}" gives {value.type.value}, but {where.name} holds {where.type.value}')
                values.append((where, value))
            for name, text in config.texts.items():
                path = f"texts.{name}"
                template = options.of(path, lambda text=text: compile_template(text, context.attributes), EMPTY)  # type: ignore[misc]
                where = options.of(path, lambda name=name: place(name), Place("", FieldType.STRING))  # type: ignore[misc]
                if where.type not in (FieldType.STRING, FieldType.STRINGS):
                    options.refuse(path, f"{where.name} holds {where.type.value}, a template gives text; use values.{name}")
                texts.append((where, template))
            if not config.values and not config.texts:
                options.refuse("values", "there is nothing to set: name at least one field in values or texts")
        self.adds = types_of([where for where, _ in (*values, *texts)])
        attributes_only = all(where.is_attribute for where, _ in (*values, *texts))
        self.values = [(where, value.of) for where, value in values]
        self.texts = [(where, template.render) for where, template in texts]
        self.one = self._attributes if attributes_only else self._anything

    def process(self, batch: Sequence[Event]) -> Outputs:
        """A new event for each."""
        return {DEFAULT: [self.one(event) for event in batch]}

    def _attributes(self, event: Event) -> Event:
        """The common case, at half the cost: nothing but attributes is set."""
        attributes: dict[str, AttributeValue] = dict(event.attributes)
        for where, value_of in self.values:
            value = value_of(event)
            if value is None:
                self.count("missing_value", 1)
            else:
                attributes[where.name] = value
        for where, render in self.texts:
            attributes[where.name] = render(event)
        return event.replace(attributes=attributes)

    def _anything(self, event: Event) -> Event:
        changes = Changes(event)
        for where, value_of in self.values:
            value = value_of(event)
            if value is None:
                self.count("missing_value", 1)
            else:
                changes.put(where, float(value) if where.type is FieldType.FLOAT and isinstance(value, int) else value)
        for where, render in self.texts:
            changes.put(where, render(event))
        return changes.applied()


def fits(given: FieldType, wanted: FieldType) -> bool:
    """May a value of one type be put where another is declared? Times are given as text; one text makes a list of one."""
    given = FieldType.STRING if given is FieldType.TIMESTAMP else given
    return (
        given is wanted
        or (given is FieldType.INT and wanted is FieldType.FLOAT)
        or (given, wanted) == (FieldType.STRING, FieldType.STRINGS)
    )


EMPTY = compile_template("")
