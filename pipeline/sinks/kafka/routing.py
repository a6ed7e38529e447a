"""Which topic and which key an event gets: a literal, a field, or a template. Pure."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from pipeline.api import ConfigError, Context, Event
from pipeline.errors import Problem
from pipeline.expressions.errors import ExpressionError
from pipeline.expressions.template import compile_sanitised, compile_template
from pipeline.expressions.value import compile_value
from pipeline.model.events.exchange import BY_NAME
from pipeline.model.events.fields import Field, FieldType

LONGEST_TOPIC = 249
"""Kafka's limit: a topic's name is part of a folder's name there."""

_INSERTED = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_TOPIC = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Topic:
    """``of(event)`` is the event's topic, None where it has none; ``literal`` is set where it is the same for all."""

    of: Callable[[Event], str | None]
    literal: str | None
    overflows: Callable[[Iterable[Event]], int]


def compile_routing(topic: str, key: str, context: Context) -> tuple[Topic, Callable[[Event], str | None]]:
    """Both. Raises ``ConfigError`` with what is wrong in either."""
    problems: list[Problem] = []
    for compiled, text in ((compile_topic, topic), (compile_key, key)):
        try:
            compiled(text, context)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return compile_topic(topic, context), compile_key(key, context)


def compile_topic(text: str, context: Context) -> Topic:
    """A topic's name or a sanitised template (at most 1000 topics; later ones are called ``other``). Raises ``ConfigError``."""
    try:
        template = compile_sanitised(text, context.attributes)
    except ExpressionError as error:
        raise ConfigError(error.at("topic")) from error
    fixed = _INSERTED.sub("", text)
    if not _TOPIC.fullmatch(fixed) or fixed in (".", "..") or len(fixed) > LONGEST_TOPIC:
        raise ConfigError(
            [Problem("topic", f'"{text}" is not a topic name: letters, digits, ".", "_" and "-", at most {LONGEST_TOPIC}')]
        )
    if template.is_literal:
        return Topic(lambda _event: text, text, template.overflows)
    render = template.render

    def topic(event: Event) -> str | None:
        name = render(event)
        return name if len(name) <= LONGEST_TOPIC else None

    return Topic(topic, None, template.overflows)


def key_field(text: str) -> Field | None:
    """The field that is the key as it is, if one is."""
    field = BY_NAME.get(text)
    return field if field is not None and field.type is FieldType.STRING else None


def compile_key(text: str, context: Context) -> Callable[[Event], str | None]:
    """A field name, a template, or nothing. Raises ``ConfigError``."""
    if not text:
        return lambda _event: None
    try:
        if "{{" in text:
            render = compile_template(text, context.attributes).render
            return lambda event: render(event) or None
        if (field := key_field(text)) is not None:
            return partial(_text, field.attribute)  # half of what a compiled expression costs
        value = compile_value(text, context.attributes).of
    except ExpressionError as error:
        raise ConfigError(error.at("key")) from error

    def key(event: Event) -> str | None:
        found = value(event)
        return found if found is None or isinstance(found, str) else str(found)

    return key


def _text(attribute: str, event: Event) -> str | None:
    return getattr(event, attribute, None)
