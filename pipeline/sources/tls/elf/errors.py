"""The one error of this package."""


class ElfError(Exception):
    """A file that is no ELF program, is broken, or is larger than httpipe reads; the text says which."""
