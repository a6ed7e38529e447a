"""`httpipe explain`: how an expression evaluates on one event, part by part."""

import sys
from pathlib import Path

import click

from pipeline.cli.exit_codes import ExitCode
from pipeline.codecs.errors import DecodeError
from pipeline.codecs.events import from_object
from pipeline.codecs.json import load
from pipeline.errors import ConfigError, InputError
from pipeline.expressions.explain import explain as parts_of
from pipeline.expressions.explain import lines
from pipeline.model.events.event import AttributeValue, Event
from pipeline.model.events.fields import FieldType

LONGEST_FILE = 16 << 20
"""An event has a kilobyte, one with bodies some more."""


@click.command()
@click.argument("expression")
@click.option(
    "--event", "file", required=True, metavar="FILE", help="File with an event as JSON, or with JSON lines; - is standard input."
)
@click.option("--line", default=1, show_default=True, type=click.IntRange(min=1), metavar="N", help="Which line of the file.")
def explain(*, expression: str, file: str, line: int) -> int:
    """Show how EXPRESSION evaluates on an event, part by part.

    Events as the file sink writes them: `httpipe explain 'status >= 500' --event events.jsonl --line 3`.
    """
    event = _event(file, line)
    try:
        part = parts_of(expression, event, {name: type_of(value) for name, value in event.attributes.items()})
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    click.echo("\n".join(lines(part)))
    return ExitCode.OK


def type_of(value: AttributeValue) -> FieldType:
    """The type of an attribute, from its value: here nobody upstream declares it."""
    types = {str: FieldType.STRING, bool: FieldType.BOOL, int: FieldType.INT, float: FieldType.FLOAT}
    return types.get(type(value), FieldType.STRINGS)


def _event(file: str, line: int) -> Event:
    data = _read(file)
    try:
        return _decoded(data) if line == 1 and data.count(b"\n", 0, len(data.rstrip())) == 0 else _line(data, line)
    except DecodeError as error:
        raise InputError(f"{file}: {error}") from error


def _line(data: bytes, line: int) -> Event:
    try:
        return _decoded(data.splitlines()[line - 1])
    except IndexError:
        raise DecodeError(f"has no line {line}") from None
    except DecodeError:
        if line == 1:  # one event over several lines, as people write them
            return _decoded(data)
        raise


def _decoded(data: bytes) -> Event:
    return from_object({"timestamp": "1970-01-01T00:00:00Z", **load(data)})


def _read(file: str) -> bytes:
    try:
        if file == "-":
            return sys.stdin.buffer.read(LONGEST_FILE)
        with Path(file).open("rb") as opened:
            return opened.read(LONGEST_FILE)
    except OSError as error:
        raise InputError(f"{file}: {(error.strerror or str(error)).lower()}") from error
