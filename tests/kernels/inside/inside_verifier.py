"""What the verifier says of the prebuilt program, by libbpf: how far it walked, and how long loading took."""

import ctypes
import os
import time

from pipeline.sources.bpf import libbpf_loader, program

BPF_LOG_STATS = 4


def measure() -> tuple[int, float]:
    """Instructions that it looked at, and milliseconds for maps, verification and translation together."""
    program.prepare()
    library = libbpf_loader.library()
    library.bpf_program__set_log_level.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    library.bpf_program__set_log_buf.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    handle = library.bpf_object__open_file(os.fsencode(program.OBJECT), None)
    words = ctypes.create_string_buffer(1 << 16)
    function = library.bpf_object__find_program_by_name(handle, program.PROGRAM.encode())
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
