"""What the terminal view writes: it fits its cells, says what it means, and holds no control character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pipeline.cli.watch import columns
from pipeline.cli.watch.details import text_of
from pipeline.cli.watch.layout import fit, laid_out
from pipeline.codecs.text import visible
from pipeline.expressions.completion import completed, completions, words
from pipeline.expressions.condition import compile_filter
from pipeline.live.endpoint_filter import condition_of
from tests.unit.watch.watch_events import exchange

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\r\n"


@given(st.text(max_size=30), st.integers(1, 20), st.booleans())
def test_a_cell_is_exactly_as_wide_as_its_column(text: str, width: int, right: bool) -> None:  # noqa: FBT001  hypothesis'
    """Whatever stands in it: wide characters, combining ones, none."""
    assert cell_len(fit(visible(text), width, right=right)) == width


@pytest.mark.parametrize("table", [columns.EXCHANGES, columns.PENDING, columns.ENDPOINTS, columns.CALLS])
@pytest.mark.parametrize("width", [78, 79, 115, 116, 118, 155, 156, 198])
def test_columns_fill_the_screen(table: tuple[columns.Column, ...], width: int) -> None:
    """No cell more, none less."""
    layout = laid_out(table, width)
    assert sum(cells for _, cells in layout) + len(layout) - 1 == width


def test_no_control_character_reaches_the_terminal() -> None:
    """From path, host, method, names of programs, heads or bodies."""
    head = f"GET / HTTP/1.1\r\nX-Evil: {EVIL}\r\n\r\n".encode()
    event = exchange(
        1,
        url_path=EVIL,
        httpipe_request_target=EVIL,
        server_address=EVIL,
        http_request_method_original=EVIL,
        process_executable_name=EVIL,
        error_type=EVIL,
        httpipe_marks=("gap",),
        request_head=head,
        http_response_body_content=EVIL,
        attributes={EVIL: EVIL},
    )
    shown = [column for column, _ in laid_out(columns.EXCHANGES, 198)]
    texts = [text for text, _ in columns.exchange(1, event, shown)] + text_of(1, event, 80).plain.split("\n")
    assert all(visible(text) == text for text in texts)
    assert "Bytes of this exchange were lost by the capture." in "".join(texts)


def test_details_set_json_out_and_say_how_long_each_part_took() -> None:
    """The wait is up to the first byte."""
    event = exchange(8, http_response_body_content='{"a":[1,2]}', http_response_body_size=11)
    plain = text_of(1, event, 80).plain
    assert '  "a": [' in plain
    assert "request and wait 4.0ms" in plain
    assert "response 4.0ms" in plain


def test_names_are_completed_but_not_within_texts() -> None:
    """Behind a field and a dot its methods; as far as all that fits agrees."""
    known = words({"team": "string"})  # type: ignore[dict-item]
    assert completions("stat", known)[0] == "status"
    assert "path.startswith(" in completions("status > 3 and path.st", known)
    assert completions('path == "stat', known) == []
    assert completed("not http.request.meth", completions("not http.request.meth", known)) == "not http.request.method"
    assert "team" in completions("te", known)


@pytest.mark.parametrize("key", ["GET shop.example/items/{id}", "GET shop.example:8080/a.b", "- shop.example/"])
def test_an_endpoint_is_a_filter(key: str) -> None:
    """That compiles."""
    condition = condition_of(key)
    assert condition is not None
    compile_filter(condition)


def test_the_filter_of_an_endpoint_holds_for_its_requests_only() -> None:
    """A number stands for any, the rest for itself."""
    wanted = compile_filter(condition_of("GET shop.example/items/{id}") or "")
    assert wanted(exchange(7))
    assert not wanted(exchange(7, url_path="/items/7/more"))
    assert condition_of("{other}") is None


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0.44, "0.4ms"), (99.99, "100ms"), (1500, "1.50s"), (125_000, "2m05s")])
def test_times_have_their_unit(value: float | None, text: str) -> None:
    """At most seven cells."""
    assert columns.milliseconds(value) == text


def test_bars_are_as_high_as_their_share() -> None:
    """A step with anything in it shows."""
    assert columns.sparkline([0, 1, 50, 100], 4) == " ▁▄█"
