"""Values, templates and their confinement, and the explanation of an expression."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.expressions.errors import ExpressionError
from pipeline.expressions.explain import explain, lines
from pipeline.expressions.literals import parse_duration, parse_size
from pipeline.expressions.template import LONGEST_VALUE, compile_sanitised, compile_template
from pipeline.expressions.value import compile_value
from pipeline.model.events.exchange import Exchange
from pipeline.model.events.fields import FieldType

EVENT = Exchange(
    timestamp_ns=1_767_225_600_000_000_001, http_response_status_code=503, url_path="/api/x", server_address="Shop.example"
)


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("status", FieldType.INT, 503),
        ("status // 100", FieldType.INT, 5),
        ("status / 2", FieldType.FLOAT, 251.5),
        ("host.lower() + path", FieldType.STRING, "shop.example/api/x"),
        ('duration_ms > "1s"', FieldType.BOOL, False),
        ("status >= 500", FieldType.BOOL, True),
        ("timestamp", FieldType.TIMESTAMP, "2026-01-01T00:00:00.000000001Z"),
        ("duration_ms", FieldType.FLOAT, None),
        ("coalesce(duration_ms, -1.0)", FieldType.FLOAT, -1.0),
        ("marks", FieldType.STRINGS, ()),
        ("'fixed'", FieldType.STRING, "fixed"),
        ('"5xx" if status >= 500 else str(status)', FieldType.STRING, "5xx"),
    ],
)
def test_values(text: str, type_: FieldType, value: object) -> None:
    """A value has its type before any event is seen; what is missing gives None."""
    compiled = compile_value(text)
    assert compiled.type is type_
    assert compiled.of(EVENT) == value


def test_template_joins_texts_and_values() -> None:
    """Values stand in their JSON form, what is missing is empty."""
    template = compile_template("{{method}} {{ host }}{{path}} {{status}}!")
    assert template.render(EVENT) == " Shop.example/api/x 503!"
    assert compile_template("plain").is_literal


@pytest.mark.parametrize("text", ["a {{status", "a }} b", "{{ nope }}", "{{}}"])
def test_faulty_templates(text: str) -> None:
    """Braces must match and hold expressions."""
    with pytest.raises(ExpressionError):
        compile_template(text)


def test_sanitised_template_starts_with_literal_text() -> None:
    """A stranger never chooses the beginning of a name."""
    with pytest.raises(ExpressionError, match="start with literal text"):
        compile_sanitised("{{host}}-x")


@given(st.text())
def test_sanitised_value_never_leaves_its_text(value: str) -> None:
    """Whatever the value is, the name stays in its folder, holds harmless characters only and is bounded."""
    name = compile_sanitised("/logs/{{host}}").render(Exchange(timestamp_ns=0, server_address=value))
    tail = name.removeprefix("/logs/")
    assert name.startswith("/logs/")
    assert tail
    assert not tail.startswith(".")
    assert ".." not in tail
    assert tail.isascii()
    assert all(char.isalnum() or char in "._-" for char in tail)
    assert len(tail) <= LONGEST_VALUE


def test_sanitised_template_gives_bounded_number_of_names() -> None:
    """Beyond the bound every new value is `other`, and counted; known ones keep their name. Long values cannot get around it."""
    template = compile_sanitised("t-{{host}}", most_results=3)
    events = [Exchange(timestamp_ns=0, server_address=f"{'x' * 200}{n}" if n % 2 else f"h{n}") for n in range(100)]
    names = {template.render(event) for event in events}
    assert names == {"t-h0", "t-h2", "t-" + "x" * LONGEST_VALUE, "t-other"}
    assert template.overflows(events) == sum(template.render(event) == "t-other" for event in events) == 48
    assert template.render(Exchange(timestamp_ns=0, server_address="h0")) == "t-h0"
    assert template.render(Exchange(timestamp_ns=0)) == "t-other"


def test_missing_value_has_a_name() -> None:
    """An event without the field goes to a name of its own."""
    assert compile_sanitised("t-{{host}}").render(Exchange(timestamp_ns=0)) == "t-unknown"


@pytest.mark.parametrize(
    ("text", "value"),
    [("10KiB", 10_240), ("1.5 MB", 1_500_000), ("0B", 0), ("5", None), ("5 parsecs", None), ("-1B", None), ("1e9B", None)],
)
def test_sizes(text: str, value: int | None) -> None:
    """K is 1000 and Ki is 1024."""
    assert parse_size(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("250ms", 250_000_000),
        ("1.5s", 1_500_000_000),
        ("2m", 120_000_000_000),
        ("1h", 3_600_000_000_000),
        ("5M", None),
        ("1 day", None),
    ],
)
def test_durations(text: str, value: int | None) -> None:
    """Units of time, exactly."""
    assert parse_duration(text) == value


def test_explanation_shows_every_part() -> None:
    """Each part stands with its outcome, each field with its value."""
    part = explain('status >= 500 and not (path.startswith("/x") or has(method))', EVENT)
    assert list(lines(part)) == [
        "true   status >= 500 and (not (path.startswith('/x') or has(method)))",
        "├─ true   status >= 500",
        "│  └─ status = 503",
        "└─ true   not (path.startswith('/x') or has(method))",
        "   └─ false  path.startswith('/x') or has(method)",
        "      ├─ false  path.startswith('/x')",
        '      │  └─ path = "/api/x"',
        "      └─ false  has(method)",
        "         └─ method = missing",
    ]


def test_explanation_is_harmless_on_a_terminal() -> None:
    """Control characters from the wire are shown escaped."""
    text = "\n".join(lines(explain("path == 'x'", Exchange(timestamp_ns=0, url_path="\x1b[2J\x9b\u202e"))))
    assert text.isprintable() or all(char == "\n" or char.isprintable() for char in text)
