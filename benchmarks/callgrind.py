"""Instructions instead of time: what some work executes, counted by Valgrind. The same on a busy machine as on an idle one.

``measure(module, arguments)`` starts a module again under callgrind and returns what each piece of work in it executed that was
``counted``, by name. Outside of those nothing is counted and hardly anything slowed down, so imports cost no minutes. A process
asks callgrind by a sequence of instructions that does nothing elsewhere (valgrind.h: "client request"); from Python it is a
function of a few bytes in a page of its own.

It needs Valgrind and x86-64; ``missing`` says what is not there.
"""

import ctypes
import mmap
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_TOOL = ord("C") << 24 | ord("T") << 16
_ZERO, _DUMP_AT, _START, _STOP = _TOOL + 1, _TOOL + 3, _TOOL + 4, _TOOL + 5

_counting: list[str] = []

_REQUEST = bytes.fromhex(
    "4889f8"  # mov rax, rdi: the arguments
    "31d2"  # xor edx, edx: the answer where nobody answers
    "48c1c703 48c1c70d 48c1c73d 48c1c733"  # rol rdi by 3, 13, 61, 51: what callgrind looks for, 128 bits in all
    "4887db"  # xchg rbx, rbx
    "4889d0"  # mov rax, rdx
    "c3"  # ret
)


def missing() -> str:
    """What keeps it from counting here; empty where nothing does."""
    if platform.machine() != "x86_64":
        return f"callgrind is asked in x86-64 instructions, this is {platform.machine()}"
    return "" if shutil.which("valgrind") else "valgrind is not installed"


@contextmanager
def counted(name: str) -> Iterator[None]:
    """Count what happens inside, under a name. Costs nothing where nobody counts."""
    ask = _request()
    if not _counting:  # what is counted first also holds what was before it
        _counting.append(name)
        with counted("nothing"):
            pass
    ask(_START)
    ask(_ZERO)
    try:
        yield
    finally:
        ask(_DUMP_AT, name)
        ask(_STOP)


def measure(module: str, arguments: Sequence[str]) -> dict[str, int]:
    """Run ``python -m module arguments`` under callgrind. Instructions by the names that it counted them under."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/out", "--dump-line=no"]
        command += [sys.executable, "-m", module, *arguments]
        env = {**os.environ, "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{module} failed under callgrind:\n{done.stderr}")
        return dict(_totals(Path(folder)))


def _totals(folder: Path) -> Iterator[tuple[str, int]]:
    for path in folder.glob("out*"):
        text = path.read_text()
        name = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE)
        total = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
        if name and total:
            yield name[1], int(total[1])


@cache
def _request() -> Callable[..., None]:
    if platform.machine() != "x86_64":
        return lambda *_: None
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(_REQUEST)
    call = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(ctypes.addressof(ctypes.c_char.from_buffer(page)))

    def ask(request: int, text: str = "", _page: mmap.mmap = page) -> None:
        name = ctypes.create_string_buffer(text.encode())
        arguments = (ctypes.c_uint64 * 6)(request, ctypes.addressof(name) if text else 0)
        call(ctypes.addressof(arguments))

    return ask
