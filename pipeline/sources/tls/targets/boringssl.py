"""BoringSSL: linked statically into everything that uses it, with symbols (often local ones), or stripped and then out of reach.

``SSL_read`` and ``SSL_write`` are all there is: its ``SSL_read`` calls ``SSL_peek``, which is not probed.
"""

from pipeline.sources.tls.probe import Call, Program
from pipeline.sources.tls.targets.code import ONLY_BY_RETURN_PROBES, Code, Found, Unsupported
from pipeline.sources.tls.targets.traces import BORINGSSL_SOURCE

LIBRARY = "boringssl"

_CALLS = {"SSL_read": Call.READ, "SSL_write": Call.WRITE}
_FREE = "SSL_free"


def find(code: Code) -> Found | Unsupported | None:
    """By symbols."""
    if BORINGSSL_SOURCE not in code.traces.names:
        return None
    functions = code.functions([*_CALLS, _FREE])
    if not functions.keys() >= _CALLS.keys():
        return Unsupported(LIBRARY, "", "it was stripped of the names of its functions")
    probes = []
    for name, call in _CALLS.items():
        found = code.call(functions[name], call)
        if not found:
            return Unsupported(LIBRARY, "", ONLY_BY_RETURN_PROBES)
        probes += found
    if _FREE in functions:
        probes.append(code.at_entry(functions[_FREE], Call.FREE, Program.FREE))
    return Found(LIBRARY, "", tuple(probes))
