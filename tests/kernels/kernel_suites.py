"""Which kernels the matrix has: README.md and docs/capture.md name exactly these."""

SUITES = ("bullseye", "bookworm", "trixie", "sid")
"""Debian's, whose cloud kernels are 5.10, 6.1, 6.12 and the newest that Debian has. This machine's own is that of tests/live."""

HAS_HEADERS = "bookworm"
"""bcc is tried on its kernel, and nowhere else."""

NEWEST = "sid"
"""Its kernel changes from week to week."""
