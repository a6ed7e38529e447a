"""What ClickHouse's answer to an insert means for its rows: by the code of the exception, whatever the status. Pure.

The codes are those of ClickHouse's ``ErrorCodes.cpp``; they never change their meaning. Statuses do: a full server answers 500 or
503, an unknown table 404 or 500.
"""

import re

from pipeline.errors import BackOff, NotConnected, Reject, SinkSignal
from pipeline.sinks.http.answer import CONTENT_TOO_LARGE, QUOTED, RETRY_STATUSES, Answer, judge

UNKNOWN_TABLE = 60
TOO_MANY_PARTS = 252
BAD_ROWS = {
    6: "cannot parse text",
    25: "cannot parse escape sequence",
    26: "cannot parse quoted string",
    27: "cannot parse input",
    32: "end of file within a value",
    33: "cannot read all data",
    38: "cannot parse date",
    41: "cannot parse date and time",
    53: "type mismatch",
    69: "argument out of bounds",
    72: "cannot parse number",
    117: "incorrect data, or an unknown column",
    130: "cannot read array",
    131: "string too large",
    190: "sizes of arrays do not match",
    321: "value out of range of the column's type",
    349: "no NULL in this column",
    376: "cannot parse UUID",
    407: "time or number too large for the column",
    467: "cannot parse Bool",
    469: "violates a constraint of the table",
    675: "cannot parse IPv4",
    676: "cannot parse IPv6",
    691: "no element of the Enum",
}
"""What a row can be at fault for, so that it would never be taken. After every other code the same rows may be taken later:
memory, quotas, parts, replicas come right by themselves; a table, a column's type, a password can be put right by somebody."""

_CODE = re.compile(r"Code: (\d+)[.,]")
_ROW = re.compile(r"\(at row (\d+)\)")
MOST_PARTITIONS = "Too many partitions"
"""With which ``TOO_MANY_PARTS`` says that one insert reaches into more than 100 of them: a smaller one does not."""


def code_of(answer: Answer) -> int | None:
    """The code of the exception that is the answer; None where ClickHouse has none, or something before it answered."""
    found = _CODE.match(_text(answer))
    return int(found[1]) if found else None


def bad_row(answer: Answer) -> int | None:
    """Which row the exception names, from 0; None where it names none."""
    found = _ROW.search(_text(answer))
    return int(found[1]) - 1 if found else None


def fewer_would_do(answer: Answer) -> bool:
    """Whether the insert was too large, or reached into too many partitions."""
    code = code_of(answer)
    return answer.status == CONTENT_TOO_LARGE if code is None else code == TOO_MANY_PARTS and MOST_PARTITIONS in _text(answer)


def judge_insert(who: str, answer: Answer, *, makes_table: bool, now_ns: int) -> SinkSignal | None:
    """None where the rows are stored, else what the engine is to do with them.

    ``who`` is named in the message. ``makes_table``: a table that is gone comes back when the sink is opened again.
    """
    code = code_of(answer)
    if code is None:
        return judge(who, answer, RETRY_STATUSES, now_ns)
    sentence = f"{who}: {answer.said}"
    if code in BAD_ROWS or fewer_would_do(answer):
        return Reject(sentence)
    return NotConnected(sentence) if code == UNKNOWN_TABLE and makes_table else BackOff(message=sentence)


def _text(answer: Answer) -> str:
    return answer.body[:QUOTED].decode(errors="replace")
