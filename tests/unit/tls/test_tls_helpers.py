"""What the probes' programs call of the kernel: nothing that Linux 5.15, the oldest that loads them, has not.

And a tail call each: without one, Linux 6.13 and later give them a stack that they share with whoever preempts them.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from struct import iter_unpack, unpack_from

import pytest

from pipeline.sources.tls import program
from pipeline.sources.tls.probe import Program

OBJECTS = sorted(program.FOLDER.glob("tls.*.bpf.o"))
NEWEST = 175
"""``bpf_task_pt_regs`` of ``enum bpf_func_id``, the last one of Linux 5.15; ``bpf_get_attach_cookie`` is 174."""
ATTACH_COOKIE = 174
TAIL_CALL = 12
_CALL, _EXECUTABLE = 0x85, 4


def helpers(path: Path) -> Iterator[int]:
    """Numbers of the helpers that an object's instructions call (source register 0; calls within the object have 1)."""
    data = path.read_bytes()
    sections_at, size, count = unpack_from("<Q", data, 40)[0], *unpack_from("<HH", data, 58)
    for number in range(count):
        _, _, flags, _, offset, length = unpack_from("<IIQQQQ", data, sections_at + number * size)
        if flags & _EXECUTABLE:
            for code, registers, _, value in iter_unpack("<BBhi", data[offset : offset + length]):
                if code == _CALL and registers >> 4 == 0:
                    yield value


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: path.name)
def test_helpers(path: Path) -> None:
    """All of them are from 5.15 or before."""
    called = Counter(helpers(path))
    assert ATTACH_COOKIE in called
    assert max(called) <= NEWEST
    assert called[TAIL_CALL] == len(Program)
