"""May return probes be used on this kernel? Asked of a child of a few instructions, which nobody misses.

A return probe makes the traced program call the kernel (``uretprobe``, since 6.11), which a seccomp filter that does not know the
call answers by killing the program; later kernels let it pass. Whether this one does cannot be seen from its version, because
distributions take over fixes. So a child sets itself the strictest filter and returns from a probed function once: if it lives,
so do the others.
"""

import os
import subprocess
from platform import machine
from struct import Struct

from pipeline.errors import CaptureError
from pipeline.sources.tls.attach import Attacher
from pipeline.sources.tls.probe import Call, Probe, Program, Target
from pipeline.sources.tls.targets.look import identity

_BASE = 0x400000
_HEADERS = Struct("<4sBBBB8xHHIQQQIHHHHHHIIQQQQQQ")
"""An ELF header and one program header."""
_FILTER = Struct("<HBBI")
_PROGRAM = Struct("<H6xQ")

_LOAD_NUMBER, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_EXIT_GROUP = 231

_FUNCTION = bytes.fromhex("55 5d c3")  # push %rbp; pop %rbp; ret
WAIT_SECS = 5
NUMBER = 0xFFFFFF
"""Of the target, which no other has."""


def return_probes_are_safe(attacher: Attacher) -> bool:
    """Whether a child with a seccomp filter survived one; false too where that cannot be tried."""
    if machine() != "x86_64":
        return True  # elsewhere a return probe is a breakpoint, not a system call
    try:
        fd = os.memfd_create("httpipe-canary")
    except OSError:
        return False
    try:
        program, offset = _executable()
        os.write(fd, program)
        return _survives(attacher, fd, offset)
    except (OSError, CaptureError, subprocess.SubprocessError):
        return False
    finally:
        attacher.detach(NUMBER)
        os.close(fd)


def _survives(attacher: Attacher, fd: int, offset: int) -> bool:
    probe = Probe(Program.LEAVE, offset, Call.READ, at_return=True, function="canary")
    path = f"/proc/self/fd/{fd}"
    attacher.attach(path, Target("canary", "", identity(fd), (probe,)), NUMBER)
    done = subprocess.run([path], pass_fds=[fd], timeout=WAIT_SECS, check=False, stdin=subprocess.DEVNULL)  # noqa: S603  our own file
    return done.returncode == 0


def _executable() -> tuple[bytes, int]:
    """A static x86-64 program, and where in its file the probed function is."""
    start = _HEADERS.size
    rules = _rules()
    code_bytes = len(_code(0, 0))
    function_at = start + code_bytes
    rules_at = -(-(function_at + len(_FUNCTION)) // 8) * 8
    program_at = rules_at + len(rules)
    code = _code(_BASE + program_at, code_bytes)
    body = (code + _FUNCTION).ljust(rules_at - start, b"\0") + rules + _PROGRAM.pack(len(rules) // 8, _BASE + rules_at)
    size = start + len(body)
    header = (b"\x7fELF", 2, 1, 1, 0, 2, 62, 1, _BASE + start, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = (1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return _HEADERS.pack(*header, *segment) + body, function_at


def _code(filter_address: int, function: int) -> bytes:
    """prctl(PR_SET_NO_NEW_PRIVS, 1); prctl(PR_SET_SECCOMP, FILTER, …); call the function; exit_group(0)."""
    clear = "31 d2 45 31 d2 45 31 c0"  # %edx, %r10d, %r8d
    first = bytes.fromhex(f"{clear} b8 9d 00 00 00 bf 26 00 00 00 be 01 00 00 00 0f 05")
    second = bytes.fromhex("b8 9d 00 00 00 bf 16 00 00 00 be 02 00 00 00 ba") + filter_address.to_bytes(4, "little") + b"\x0f\x05"
    last = bytes.fromhex("b8 e7 00 00 00 31 ff 0f 05")
    before = len(first) + len(second) + 5
    return first + second + b"\xe8" + max(0, function - before).to_bytes(4, "little") + last


def _rules() -> bytes:
    """Every call but exit_group kills."""
    return b"".join(
        (
            _FILTER.pack(_LOAD_NUMBER, 0, 0, 0),
            _FILTER.pack(_JUMP_IF_EQUAL, 1, 0, _EXIT_GROUP),
            _FILTER.pack(_RETURN, 0, 0, _KILL),
            _FILTER.pack(_RETURN, 0, 0, _ALLOW),
        )
    )
