"""The flow of a BPF program as the verifier's first pass sees it, from its object file alone: no kernel is asked.

``refused_edges`` does what ``check_cfg()`` did before Linux 6.8 (kernel/bpf/verifier.c): a walk, depth first, that allows an
edge back to an instruction on its own path only from a jump. An instruction that simply falls through into the head of a loop
is a "back-edge" to it, whatever the loop's bound.
"""

from collections.abc import Iterator
from pathlib import Path
from struct import iter_unpack, unpack_from

Edge = tuple[int, int]

_SYMBOLS, _FUNCTION = 2, 2
_JUMP, _JUMP32, _LOAD_64 = 5, 6, 0x18
_ALWAYS, _CALL, _EXIT = 0, 8, 9


def programs(path: Path) -> dict[str, bytes]:
    """The instructions of each program, by its name (ELF-64, little-endian: a symbol table and what its symbols stand for)."""
    data = path.read_bytes()
    [table] = unpack_from("<Q", data, 40)
    size, count = unpack_from("<HH", data, 58)
    sections = [unpack_from("<IIQQQQI", data, table + place * size) for place in range(count)]
    found = {}
    for _, kind, _, _, start, length, names in sections:
        if kind != _SYMBOLS:
            continue
        for name, info, _, section, value, extent in iter_unpack("<IBBHQQ", data[start : start + length]):
            if info & 15 == _FUNCTION:
                text, code = sections[names][4] + name, sections[section][4] + value
                found[data[text : data.index(0, text)].decode()] = data[code : code + extent]
    return found


def refused_edges(code: bytes) -> list[Edge]:
    """From which instruction to which, counted from 0."""
    instructions = list(iter_unpack("<Bxhi", code))
    on_path, done, refused = {0}, set[int](), []
    path = [(0, _edges(0, *instructions[0]))]
    while path:
        here, edges = path[-1]
        for there, may_go_back in edges:
            if there in on_path and not may_go_back:
                refused.append((here, there))
            elif there not in on_path and there not in done:
                on_path.add(there)
                path.append((there, _edges(there, *instructions[there])))
                break
        else:
            path.pop()
            on_path.discard(here)
            done.add(here)
    return refused


def _edges(here: int, code: int, offset: int, immediate: int) -> Iterator[tuple[int, bool]]:
    """Where it goes from an instruction, and whether that may be back."""
    kind, jump = code & 7, code >> 4
    if kind not in {_JUMP, _JUMP32} or jump == _CALL:
        yield here + (2 if code == _LOAD_64 else 1), False
    elif jump == _ALWAYS:
        yield here + 1 + (immediate if kind == _JUMP32 else offset), True
    elif jump != _EXIT:
        yield here + 1, True
        yield here + 1 + offset, True
