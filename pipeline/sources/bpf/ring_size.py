"""How large the ring buffer of a BPF source may be: a power of two, as the kernel wants it (Documentation/bpf/ringbuf.rst)."""


def power_of_two(value: int) -> int:
    """The size in bytes, as a validator of an option; raises ``ValueError`` that names the next size that is one."""
    if value & (value - 1):
        raise ValueError(f"must be a power of two, such as {1 << value.bit_length()}")
    return value
