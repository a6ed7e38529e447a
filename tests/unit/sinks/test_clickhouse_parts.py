"""What the sink `clickhouse` makes of answers and options, without a server."""

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.api import BackOff, NotConnected, Reject
from pipeline.sinks.clickhouse.answer import bad_row, code_of, fewer_would_do, judge_insert
from pipeline.sinks.clickhouse.sink import ClickHouseConfig
from pipeline.sinks.http.answer import Answer

OLD = b"Code: 27, e.displayText() = DB::Exception: Cannot parse input: (at row 2)\n, e.what() = DB::Exception"
NEW = b"Code: 38. DB::Exception: Cannot parse date here: x: (at row 4)\n: While executing. (CANNOT_PARSE_DATE) (version 26.5)"
PARTITIONS = b"Code: 252. DB::Exception: Too many partitions for single INSERT block (more than 100)."
PARTS = b"Code: 252. DB::Exception: Too many parts (3000). Merges are processing significantly slower than inserts."


@pytest.mark.parametrize(
    ("status", "body", "code", "row", "fewer", "signal"),
    [
        (200, b"", None, None, False, None),
        (400, OLD, 27, 1, False, Reject),
        (500, NEW, 38, 3, False, Reject),
        (500, PARTITIONS, 252, None, True, Reject),
        (500, PARTS, 252, None, False, BackOff),
        (500, b"Code: 241. DB::Exception: Memory limit", 241, None, False, BackOff),
        (404, b"Code: 60. DB::Exception: Table default.t does not exist.", 60, None, False, BackOff),
        (400, b"Code: 62. DB::Exception: Syntax error", 62, None, False, BackOff),
        (413, b"<html>nginx</html>", None, None, True, Reject),
        (502, b"<html>nginx: Code: 27.</html>", None, None, False, BackOff),
        (401, b"", None, None, False, BackOff),
    ],
)
def test_answers_are_judged_by_their_code(  # noqa: PLR0913, PLR0917  a table
    status: int,
    body: bytes,
    code: int | None,
    row: int | None,
    fewer: bool,  # noqa: FBT001
    signal: type[Exception] | None,
) -> None:
    """Of every version, and of what stands in front of the server."""
    answer = Answer(status, body=body)
    assert (code_of(answer), bad_row(answer), fewer_would_do(answer)) == (code, row, fewer)
    judged = judge_insert("http://h `d`.`t`", answer, makes_table=False, now_ns=0)
    assert type(judged) is (signal or type(None))
    assert signal is None or "`d`.`t`" in str(judged)


def test_a_table_that_is_gone_is_made_again_by_opening_again() -> None:
    """Where the sink makes it."""
    answer = Answer(404, body=b"Code: 60. DB::Exception: Table default.t does not exist.")
    assert isinstance(judge_insert("x", answer, makes_table=True, now_ns=0), NotConnected)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"url": "https://me:hidden@a/"}, "has credentials"),
        ({"url": "tcp://a:9000"}, "must be http"),
        ({"kinds": ["http.exchanges"]}, 'unknown kind of event "http.exchanges"; known are http.exchange'),
        ({"engine": "Memory"}, "engine"),
        ({"engine": "MergeTree; DROP TABLE x"}, "engine"),
        ({"settings": {"query": "x"}}, "follows from the request"),
        ({"settings": {"Bad-Name": "x"}}, "settings"),
        ({"auth": {"user": "me"}}, "belong together"),
        ({"table": ""}, "table"),
    ],
)
def test_mistakes_are_found_before_anything_runs(options: dict[str, Any], problem: str) -> None:
    """`httpipe validate` tells them, without what is secret."""
    with pytest.raises(ValidationError, match=problem) as raised:
        ClickHouseConfig.model_validate({"url": "http://a:8123", "table": "t", **options})
    assert "hidden" not in str(raised.value)
