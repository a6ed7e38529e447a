"""Reading of ELF files: as much as finding the functions of TLS libraries needs.

``file.py`` reads headers and bounded ranges; the other modules each know one table or one notation: symbols, Go's function
table, frames, x86-64 instructions, references to strings. Every file may be hostile or broken: all of them raise ``ElfError``
and nothing else, never read more than they say, and never map a file (one that is truncated meanwhile would end the process).
"""
