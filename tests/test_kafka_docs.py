"""docs/kafka.md is true: its table definitions are fresh, and name every field once."""

import re

from pipeline.model.events.exchange import FIELDS
from tools.kafka_ddl import DIALECTS, PAGE, page


def test_table_definitions_are_fresh() -> None:
    """`python -m tools.kafka_ddl` after a change to the field table."""
    text = PAGE.read_text()
    assert page(text) == text
    assert set(re.findall(r"made by tools\.kafka_ddl: (\w+)", text)) == set(DIALECTS)


def test_every_field_is_a_column() -> None:
    """No field is left out of any dialect, none stands twice in one table."""
    for _, make in DIALECTS.values():
        names = re.findall(r"^  `([^`]+)` ", make(), re.MULTILINE)
        tables = len(names) // (len(FIELDS) + 1)
        assert sorted(names) == sorted([*(field.name for field in FIELDS), "event.name"] * tables)
        assert tables >= 1
