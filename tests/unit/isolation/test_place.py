"""Where a process stands that does not answer, as faulthandler writes it piece by piece."""

from pipeline.isolation.process import PLACE

STACK = 'Thread 0x7f (most recent call first):\n  File "/a/b.py", line 120 in waiting\n  File "/a/c.py", line 7 in run\n'


def test_a_place_counts_when_it_is_written_to_its_end() -> None:
    """Else the number of its line, or the function, would be the beginning of another one."""
    found = {match.groups() for length in range(len(STACK) + 1) if (match := PLACE.search(STACK[:length]))}
    assert found == {("/a/b.py", "120", "waiting")}
