"""What is made from the field table is fresh: the schema of events and the page of fields."""

import json
import re
from pathlib import Path

import pytest
from codec_samples import full

from pipeline.codecs.fields_page import fields_page
from pipeline.codecs.json import JsonCodec
from pipeline.codecs.schema import Dialect, columns, event_schema
from pipeline.model.fields import EVENT_NAME, FIELDS

_CHECKS = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: type(value) is int,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
}


def test_the_page_of_fields_is_fresh() -> None:
    """``python -m pipeline.codecs.fields_page > docs/fields.md`` was run after the table changed."""
    page = Path(__file__).parents[3] / "docs" / "fields.md"
    assert fields_page() == page.read_text()


def test_what_the_encoder_writes_has_the_types_of_the_schema() -> None:
    """Each key of a full exchange is described, with the type that it has."""
    schema = event_schema()
    for name, value in json.loads(JsonCodec().encode(full())).items():
        if name == EVENT_NAME:
            assert value == schema["properties"][name]["const"]
            continue
        patterns = [rule for pattern, rule in schema["patternProperties"].items() if re.search(pattern, name)]
        rules = [schema["properties"].get(name), *patterns]
        declared = [rule["type"] for rule in rules if rule is not None]
        if declared:
            assert all(_CHECKS[kind](value) for kind in declared), name
        else:
            assert any(_CHECKS[rule["type"]](value) for rule in schema["additionalProperties"]["anyOf"]), name
    assert set(schema["required"]) <= set(schema["properties"])


@pytest.mark.parametrize("dialect", ["clickhouse", "flink", "spark"])
def test_every_field_has_a_column(dialect: Dialect) -> None:
    """One column for the kind of event and one for each field, under the field's own name."""
    assert [name for name, _ in columns(dialect)] == ["`event.name`", *(f"`{field.name}`" for field in FIELDS)]
