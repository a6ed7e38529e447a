"""What the verifier says of a prebuilt program, by libbpf: how far it walked, and how long loading took."""

import ctypes
import os
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.sources.bpf import libbpf_loader, program

BPF_LOG_STATS = 4


def measure(
    path: Path = program.OBJECT, name: str = program.PROGRAM, others: Sequence[str] = (program.SOCKETS, program.SOCKETS_FRAMES)
) -> tuple[int, float]:
    """Instructions that it looked at, and milliseconds for maps, verification and translation together; without the others."""
    program.prepare()
    library = libbpf_loader.library()
    library.bpf_program__set_log_level.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    library.bpf_program__set_log_buf.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    handle = library.bpf_object__open_file(os.fsencode(path), None)
    words = ctypes.create_string_buffer(1 << 16)
    for other in others:
        library.bpf_program__set_autoload(library.bpf_object__find_program_by_name(handle, other.encode()), 0)
    function = library.bpf_object__find_program_by_name(handle, name.encode())
    library.bpf_program__set_log_level(function, BPF_LOG_STATS)
    library.bpf_program__set_log_buf(function, words, len(words))
    begin = time.perf_counter()
    result = library.bpf_object__load(handle)
    took_ms = (time.perf_counter() - begin) * 1000
    library.bpf_object__close(handle)
    said = words.value.decode()
    if result:
        raise OSError(-result, said)
    return int(said.split("processed ")[1].split()[0]), took_ms
