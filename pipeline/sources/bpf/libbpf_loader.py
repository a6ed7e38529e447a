"""Load prebuilt objects with the system's libbpf.so.1, through ctypes. The one home of libbpf.

Comes in: an object file. Goes out: an ``Object``, for the packet source a ``Program``, or ``CaptureError``. libbpf's own log
goes to Python's at debug level; of a refusal the verifier's last words are kept for the error.
"""

import ctypes
import errno
import logging
import os
from collections import deque
from functools import cache
from pathlib import Path

from pipeline.errors import OPEN_FILES_REMEDY, CaptureError
from pipeline.sources.bpf import program as programs
from pipeline.sources.bpf import rights

LIBRARY = "libbpf.so.1"
INSTALL = "install it: apt install libbpf1 (Debian, Ubuntu), dnf install libbpf (Fedora)"

LOG_BYTES = 1 << 20
"""Of one message of libbpf: the verifier's log is one, and says at its end why it refuses."""

SLEEPABLE = 1 << 4
"""``BPF_F_SLEEPABLE`` of ``bpf.h``."""

VERIFIER_LOG = "PROG LOAD LOG"
"""libbpf's heading of it. Where permission is missing nothing was verified."""

_log = logging.getLogger(__name__)
_last_words: deque[str] = deque(maxlen=8)
_Print = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


@cache
def library() -> ctypes.CDLL:
    """libbpf, its functions declared; raises ``OSError`` where it is missing."""
    lib = ctypes.CDLL(LIBRARY, use_errno=True)
    pointer, text, integer = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in (
        ("bpf_object__open_file", pointer, (text, pointer)),
        ("bpf_object__load", integer, (pointer,)),
        ("bpf_object__close", None, (pointer,)),
        ("bpf_object__find_map_by_name", pointer, (pointer, text)),
        ("bpf_object__find_program_by_name", pointer, (pointer, text)),
        ("bpf_map__set_max_entries", integer, (pointer, ctypes.c_uint32)),
        ("bpf_map__fd", integer, (pointer,)),
        ("bpf_map__reuse_fd", integer, (pointer, integer)),
        ("bpf_program__fd", integer, (pointer,)),
        ("bpf_program__set_expected_attach_type", integer, (pointer, integer)),
        ("bpf_program__set_autoload", integer, (pointer, ctypes.c_bool)),
        ("bpf_program__set_flags", integer, (pointer, ctypes.c_uint32)),
        ("ring_buffer__new", pointer, (integer, pointer, pointer, pointer)),
        ("ring_buffer__consume", integer, (pointer,)),
        ("ring_buffer__free", None, (pointer,)),
        ("libbpf_set_print", pointer, (_Print,)),
        ("libbpf_version_string", text, ()),
    ):
        function = getattr(lib, name)
        function.restype = result
        function.argtypes = arguments
    lib.libbpf_set_print(_print)
    return lib


@_Print  # type: ignore[untyped-decorator]
def _print(_level: int, form: bytes, arguments: int) -> int:
    """libbpf's printf; ``arguments`` is a va_list, which x86-64 and arm64 pass as a pointer."""
    buffer = ctypes.create_string_buffer(LOG_BYTES)
    ctypes.CDLL(None).vsnprintf(buffer, len(buffer), form, ctypes.c_void_p(arguments))
    text = buffer.value.decode(errors="replace").strip()
    _last_words.append(text if len(text) < 600 else f"{text[:100]}\n…\n{text[-500:]}")
    _log.debug("libbpf: %s", text)
    return 0


def version() -> str:
    """Such as ``v1.1``."""
    text: bytes = library().libbpf_version_string()
    return text.decode()


class Object:
    """An object file: opened by the constructor, loaded by ``load``; between the two its sizes and programs may be chosen."""

    def __init__(self, path: Path, instead: str = "") -> None:
        """``instead``: the end of the sentence that says what to do where the file is missing."""
        try:
            self._lib = lib = library()
        except OSError as error:
            raise CaptureError(f"{LIBRARY} is not on this host", remedy=INSTALL) from error
        if not path.exists():
            raise CaptureError(f"the prebuilt BPF program is missing: {path}", remedy=f"reinstall httpipe{instead}")
        self._handle = lib.bpf_object__open_file(os.fsencode(path), None)
        if not self._handle:
            raise _refused("libbpf cannot read the BPF program", ctypes.get_errno())

    def size(self, name: str, entries: int) -> None:
        """Of a map: entries, of a ring bytes."""
        self._lib.bpf_map__set_max_entries(self._map(name), entries)

    def reuse(self, name: str, fd: int) -> None:
        """Take a map that another object has made already for the one of this name."""
        if code := self._lib.bpf_map__reuse_fd(self._map(name), fd):
            raise _refused(f"the BPF programs cannot share the map {name}", -code)

    def attach_type(self, name: str, kind: int) -> None:
        """How a program will be attached, where its section does not say it (``enum bpf_attach_type``)."""
        self._lib.bpf_program__set_expected_attach_type(self._program(name), kind)

    def sleepable(self, name: str) -> None:
        """The kernel may let this program wait, for memory of a process; where it cannot, it refuses to load it."""
        self._lib.bpf_program__set_flags(self._program(name), SLEEPABLE)

    def leave_out(self, name: str) -> None:
        """Do not load this program: this kernel has nothing to attach it to."""
        self._lib.bpf_program__set_autoload(self._program(name), False)

    def load(self) -> None:
        """Into the kernel; nothing is attached yet."""
        _last_words.clear()
        result = self._lib.bpf_object__load(self._handle)
        if result:
            raise _refused("the kernel refuses the BPF program", -result)

    def map_fd(self, name: str) -> int:
        """Of a map, once loaded."""
        fd: int = self._lib.bpf_map__fd(self._map(name))
        return fd

    def program_fd(self, name: str) -> int:
        """Of a program, once loaded."""
        fd: int = self._lib.bpf_program__fd(self._program(name))
        return fd

    def close(self) -> None:
        """Let go of programs and maps. Safe twice."""
        if self._handle:
            self._lib.bpf_object__close(self._handle)
            self._handle = None

    def _map(self, name: str) -> int:
        return self._found(self._lib.bpf_object__find_map_by_name(self._handle, name.encode()), f"map {name}")

    def _program(self, name: str) -> int:
        return self._found(self._lib.bpf_object__find_program_by_name(self._handle, name.encode()), f"program {name}")

    @staticmethod
    def _found(found: int | None, what: str) -> int:
        if not found:
            remedy = "reinstall httpipe: program and package do not belong together"
            raise CaptureError(f"the BPF program has no {what}", remedy=remedy)
        return found


def load(sizes: programs.Sizes, path: Path = programs.OBJECT, at: programs.At = "interfaces") -> programs.Program:
    """The program of the packet source, as it is attached there; nothing is yet."""
    programs.prepare()
    loaded = Object(path, instead=', or set loader = "bcc"')
    try:
        loaded.size("events", sizes.ring_bytes)
        loaded.size("connections", sizes.max_connections)
        loaded.size("owners", sizes.owners)
        loaded.size("scratch", programs.PLACES[at])
        other: programs.At = "sockets" if at == "interfaces" else "interfaces"
        wanted = programs.stages(at)
        for name in (programs.ATTACHED[other], *programs.STAGES[other], *programs.STAGES[at]):
            if name not in wanted:
                loaded.leave_out(name)
        loaded.load()
        maps = {name: loaded.map_fd(name) for name in programs.MAPS}
        programs.link(maps, at, loaded.program_fd)
        return programs.Program("libbpf", loaded.program_fd(programs.ATTACHED[at]), maps, loaded.close)
    except BaseException:
        loaded.close()
        raise


def _refused(what: str, code: int) -> CaptureError:
    if code in {errno.EPERM, errno.EACCES} and not any(VERIFIER_LOG in words for words in _last_words):
        limit = rights.locked_memory()
        if limit is not None and rights.may_load():
            words = f"{what}: {limit >> 10} KiB of locked memory (RLIMIT_MEMLOCK) are too few for its maps"
            return CaptureError(words, remedy=rights.locked_memory_remedy(), denied=True)
        return CaptureError(f"{what}: no permission", remedy=rights.capabilities_remedy(), denied=True)
    if code in {errno.EMFILE, errno.ENFILE}:  # denied, for bcc needs as many
        return CaptureError(f"{what}: {os.strerror(code).lower()}", remedy=OPEN_FILES_REMEDY, denied=True)
    if code == errno.ENOMEM:
        return CaptureError(f"{what}: no memory", remedy="set a smaller ring_bytes or kernel_connections")
    words = "\n".join(_last_words)
    return CaptureError(f"{what}: {os.strerror(code)}\n{words}".rstrip(), remedy='try loader = "bcc", and please report this')
