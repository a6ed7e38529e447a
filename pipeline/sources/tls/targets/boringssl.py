"""BoringSSL: linked statically into everything that uses it, with symbols (often local ones), or stripped and then out of reach.

``SSL_read`` and ``SSL_write`` are all there is: its ``SSL_read`` calls ``SSL_peek``, which is not probed.
"""

from pipeline.sources.tls.probe import Call, Program
from pipeline.sources.tls.targets.code import ONLY_BY_RETURN_PROBES, Code, Found, Unsupported

LIBRARY = "boringssl"

_CALLS = {"SSL_read": Call.READ, "SSL_write": Call.WRITE}
_FREE = "SSL_free"
_OPENSSL = "SSL_read_ex"
"""What OpenSSL has and BoringSSL has not."""
_SOURCE_FILE = b"ssl/ssl_lib.cc\0"
"""In its error messages. OpenSSL's is ``ssl_lib.c``."""


def find(code: Code) -> Found | Unsupported | None:
    """By symbols."""
    functions = code.functions([*_CALLS, _OPENSSL, _FREE])
    if _OPENSSL in functions:
        return None
    if not functions.keys() >= _CALLS.keys():
        if any(_SOURCE_FILE in piece for piece in code.strings()):
            return Unsupported(LIBRARY, "", "it was stripped of the names of its functions")
        return None
    probes = []
    for name, call in _CALLS.items():
        found = code.call(functions[name], call)
        if not found:
            return Unsupported(LIBRARY, "", ONLY_BY_RETURN_PROBES)
        probes += found
    if _FREE in functions:
        probes.append(code.at_entry(functions[_FREE], Call.FREE, Program.FREE))
    return Found(LIBRARY, "", tuple(probes))
