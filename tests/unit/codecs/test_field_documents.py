"""What is made from the field table is fresh: the schema of events and the page of fields."""

import json
from pathlib import Path

import pytest
from codec_samples import full
from jsonschema import Draft202012Validator

from pipeline.codecs.fields_page import fields_page
from pipeline.codecs.json import JsonCodec
from pipeline.codecs.schema import Dialect, columns, event_schema
from pipeline.model.events.exchange import EXCHANGE, Exchange
from pipeline.model.events.kind import Kind
from pipeline.model.events.kinds import kinds


def test_the_page_of_fields_is_fresh() -> None:
    """``python -m pipeline.codecs.fields_page > docs/fields.md`` was run after the table changed."""
    page = Path(__file__).parents[3] / "docs" / "fields.md"
    assert fields_page() == page.read_text()


def test_what_the_encoder_writes_satisfies_the_schema() -> None:
    """A full exchange and an empty one do; a wrong type of a field, of a header or of an attribute does not."""
    Draft202012Validator.check_schema(event_schema(EXCHANGE))
    validator = Draft202012Validator(event_schema(EXCHANGE))
    written = json.loads(JsonCodec().encode(full()))
    validator.validate(written)
    validator.validate(json.loads(JsonCodec().encode(Exchange(timestamp_ns=0))))
    assert set(event_schema(EXCHANGE)["properties"]) <= set(written)
    for wrong in ({"server.port": "80"}, {"http.request.header.accept": "x"}, {"mine": {"a": 1}}, {"event.name": "other"}):
        assert not validator.is_valid(written | wrong), wrong


@pytest.mark.parametrize("dialect", ["clickhouse", "flink", "spark"])
@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_every_field_has_a_column(kind: Kind, dialect: Dialect) -> None:
    """One column for the kind of event and one for each field, under the field's own name, whatever its type."""
    names = [field.name for field in (*kind.fields, *kind.attributes)]
    assert [name for name, _ in columns(kind, dialect)] == ["`event.name`", *(f"`{name}`" for name in names)]
