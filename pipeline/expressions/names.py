"""What a name in an expression stands for: a field, its alias, a header, a query parameter, or an attribute known upstream."""

from collections.abc import Mapping

from pipeline.errors import did_you_mean
from pipeline.expressions.elsewhere import ELSEWHERE
from pipeline.expressions.errors import UNKNOWN_FIELD, ExpressionError
from pipeline.expressions.helpers import PYTHON_TYPES, reader_of
from pipeline.expressions.term import Scope, Term
from pipeline.model.events.exchange import BY_ALIAS, BY_NAME, FAMILIES, Exchange
from pipeline.model.events.fields import EVENT_NAME, Field, FieldType
from pipeline.model.events.kinds import field_named, field_names, is_held

NUMBER_UNITS = {"_ms": "ms", "_secs": "secs", "_ns": "ns", "_bytes": "bytes", ".size": "bytes"}
"""Units by the ending of an attribute's name: the house's own rule for names."""

KIND = f"({Exchange.event_name!r} if event.__class__ is Exchange else name_of(event))"
"""The code of ``event.name``."""

QUERY = ("url.query", "query")


class Names:
    """Looks names up; ``extra`` are the attributes that transforms upstream add."""

    def __init__(self, scope: Scope, extra: Mapping[str, FieldType]) -> None:
        self.scope = scope
        self.extra = extra

    def knows(self, name: str) -> bool:
        """Whether this is the whole name of something, a header included."""
        return name in self.extra or name == EVENT_NAME or field_named(name) is not None or _family(name) is not None

    def term(self, name: str) -> Term:
        """The term of a name. Raises ``ExpressionError`` with the nearest known name."""
        if name == EVENT_NAME:
            return Term(KIND, FieldType.STRING, text=name)
        if name in self.extra and not is_held(name):
            return self.attribute(name)
        field = BY_NAME.get(name) or BY_ALIAS.get(name)
        if field is not None:
            self.scope.fields.add(field.name)
            unit = "ns" if field.type is FieldType.TIMESTAMP else field.unit
            maybe = field.type not in (FieldType.TIMESTAMP, FieldType.STRINGS)
            return Term(f"x.{field.attribute}", field.type, maybe=maybe, leaf=True, unit=unit, text=field.name)
        other = field_named(name)
        if other is not None:
            return self.other(other)
        found = _family(name)
        if found is not None:
            return self.header(found[0], found[1])
        raise ExpressionError(self.unknown(name))

    def other(self, field: Field) -> Term:
        """A field that only other kinds than exchanges have, or that they usually have among their attributes."""
        self.scope.fields.add(field.name)
        code = f"{self.scope.constant(reader_of(field))}(event)"
        return Term(code, field.type, maybe=field.type is not FieldType.STRINGS, leaf=True, unit=field.unit, text=field.name)

    def header(self, prefix: str, key: str) -> Term:
        """A header's combined value; ``prefix`` with or without its last dot."""
        family = next(family for family in FAMILIES if family.prefix.rstrip(".") == prefix.rstrip("."))
        key = key.lower()
        self.scope.fields.add(family.prefix + key)
        code = f"combined(x.{family.attribute}.get({key!r}))"
        return Term(code, FieldType.STRING, maybe=True, leaf=True, text=family.prefix + key)

    def parameter(self, key: str) -> Term:
        """A query parameter's first value."""
        self.scope.fields.add("url.query")
        return Term(f"query_parameter(x.url_query, {key!r})", FieldType.STRING, maybe=True, leaf=True, text=f'url.query["{key}"]')

    def attribute(self, name: str, asked: FieldType | None = None) -> Term:
        """An attribute. One that nobody upstream declares has the type that its context asks for."""
        known = self.extra.get(name)
        kind = known or asked or FieldType.STRING
        # JSON knows no times: a time in an attribute is text.
        kind = FieldType.STRING if kind is FieldType.TIMESTAMP else kind
        self.scope.fields.add(name)
        variable = self.scope.local()
        classes = self.scope.constant(frozenset(PYTHON_TYPES[kind]))
        code = f"({variable} if ({variable} := x.attributes.get({name!r})).__class__ in {classes} else None)"
        unit = next((unit for ending, unit in NUMBER_UNITS.items() if name.endswith(ending)), "")
        retype = None if known else lambda wanted: self.attribute(name, wanted)
        return Term(code, kind, maybe=True, leaf=True, unit=unit, text=name, retype=retype)

    def unknown(self, name: str) -> str:
        """The message for a name that nothing has."""
        known = [*field_names(), *self.extra]
        meant = ELSEWHERE.get(name.lower())
        hint = f'; did you mean "{meant}"?' if meant else did_you_mean(name, known)
        if not hint and "." not in name and any(full.endswith("." + name) for full in field_names()):
            hint = f'; did you mean "{next(full for full in field_names() if full.endswith("." + name))}"?'
        hint = hint or f'; an attribute that no transform upstream adds is written attributes["{name}"]'
        return f'{UNKNOWN_FIELD} "{name}"{hint}'


def _family(name: str) -> tuple[str, str] | None:
    for family in FAMILIES:
        if name.startswith(family.prefix) and len(name) > len(family.prefix):
            return family.prefix, name[len(family.prefix) :]
    return None
