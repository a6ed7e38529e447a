"""Files of entries: each line is an entry or is said to be wrong, with its number."""

from pipeline.lists.files import Fault, Line, lines_of


def test_every_line_is_told() -> None:
    """Entries, comments and faults of a file that a Windows editor saved."""
    data = b"\xef\xbb\xbf# ours\r\n\r\nGET  /x # why\r\na*b.example\r\n/y\r\nevil.example:80/x\r\n"
    found = list(lines_of(data))
    assert [(each.number, each.entry.text) for each in found if isinstance(each, Line)] == [(3, "GET /x"), (5, "/y")]
    faults = [each for each in found if isinstance(each, Fault)]
    assert [each.line for each in faults] == [4, 6]
    assert str(faults[0]) == 'line 4: "a*b.example" is not an entry: a host may only begin with "*."'


def test_what_is_no_text() -> None:
    """The file as a whole is at fault."""
    assert [str(each) for each in lines_of(b"/a\n/\xff\n")] == ["not UTF-8 at byte 4"]
