"""Zstandard (RFC 8878): the module of the standard library, which Python has from 3.14 on, or its backport before.

Whoever needs it imports this when it does, and nothing else: it takes 5 ms. Unlike other bindings it bounds what one call gives
(``max_length``), so a few bytes that stand for gigabytes cost no memory.
"""

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["zstd"]
