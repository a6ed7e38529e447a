"""``set``: fields and attributes get new values, from expressions or templates. All are read from the event as it came in."""

from collections.abc import Callable, Mapping, Sequence

from pipeline.api import DEFAULT, AttributeValue, Config, Context, Event, FieldType, Outputs, Transform
from pipeline.expressions.template import compile_template
from pipeline.transforms.additions import addition, give, given
from pipeline.transforms.changes import NOWHERE, Changes, Place, headers_of, place, types_of
from pipeline.transforms.options import Compiled

NO_VALUES: Mapping[str, str] = {}


class SetConfig(Config):
    """Set fields and attributes."""

    values: Mapping[str, str] = NO_VALUES
    """Name and expression, such as `values.slow = 'duration_ms > "1s"'`. A missing value leaves the field as it is."""
    texts: Mapping[str, str] = NO_VALUES
    """Name and template, such as `texts.team = "payments"` or `texts.call = "{{method}} {{path}}"`."""


class Set(Transform):
    """Sets fields and attributes from expressions and templates.

    Counters: `missing_value`, values that could not be computed; `missing_field`, how often an expression
    met a field that the event lacks.
    """

    api_version = 1
    Config = SetConfig

    def __init__(self, config: SetConfig, context: Context) -> None:
        self.count = context.count
        with Compiled(context) as options:
            made = [_value(name, text, options) for name, text in config.values.items()]
            made += [_text(name, text, options) for name, text in config.texts.items()]
            if not made:
                options.refuse("values", "there is nothing to set: name at least one field in values or texts")
        self.count_misses, self.reads = options.count_misses, options.reads
        places = [where for where, _ in made]
        self.adds, self.adds_headers = types_of(places), headers_of(places)
        self.constants = addition({where.name: of for where, of in made if where.is_attribute and isinstance(of, str)})
        self.values = [(where, of) for where, of in made if not isinstance(of, str)]
        self.fixed = [(where, of) for where, of in made if isinstance(of, str) and not where.is_attribute]
        self.constants_only = not self.fixed and not self.values
        self.attributes_only = not self.fixed and all(where.is_attribute for where, _ in self.values)

    def process(self, batch: Sequence[Event]) -> Outputs:
        """A new event for each."""
        changed: Sequence[Event]
        if self.constants_only:
            changed = give(batch, self.constants)
        else:
            one = self._attributes if self.attributes_only else self._anything
            changed = [one(event) for event in batch]
        self.count_misses()
        return {DEFAULT: changed}

    def _attributes(self, event: Event) -> Event:
        """The common case, at half the cost: nothing but attributes is set."""
        attributes: dict[str, AttributeValue] = {**event.attributes, **self.constants.attributes}
        for where, of in self.values:
            value = of(event)
            if value is None:
                self.count("missing_value", 1)
            else:
                attributes[where.name] = value
        return event.with_all_attributes(attributes)

    def _anything(self, event: Event) -> Event:
        changes = Changes(given(event, self.constants) if self.constants.attributes else event)
        for where, of in self.values:
            value = of(event)
            if value is None:
                self.count("missing_value", 1)
            else:
                changes.put(where, float(value) if where.type is FieldType.FLOAT and isinstance(value, int) else value)
        for where, text in self.fixed:
            changes.put(where, text)
        return changes.applied()


Of = Callable[[Event], AttributeValue | None]


def _value(name: str, text: str, options: Compiled) -> tuple[Place, Of | str]:
    """An expression and where its value goes."""
    path = f"values.{name}"
    value = options.value(path, text)
    where = options.of(path, Place("", value.type), place, name, value.type)
    if not fits(value.type, where.type):
        options.refuse(path, f'"{text}" gives {value.type.value}, but {where.name} holds {where.type.value}')
    return where, value.of


def _text(name: str, text: str, options: Compiled) -> tuple[Place, Of | str]:
    """A template and where its text goes; a text without any value is a constant."""
    path = f"texts.{name}"
    template = options.of(path, EMPTY, compile_template, text, options.extra)
    where = options.of(path, NOWHERE, place, name)
    if where.type not in (FieldType.STRING, FieldType.STRINGS):
        options.refuse(path, f"{where.name} holds {where.type.value}, a template gives text; use values.{name}")
    return where, text if template.is_literal else template.render


def fits(given: FieldType, wanted: FieldType) -> bool:
    """May a value of one type be put where another is declared? Times are given as text; one text makes a list of one."""
    given = FieldType.STRING if given is FieldType.TIMESTAMP else given
    return (
        given is wanted
        or (given is FieldType.INT and wanted is FieldType.FLOAT)
        or (given, wanted) == (FieldType.STRING, FieldType.STRINGS)
    )


EMPTY = compile_template("")
