"""NSS, through NSPR's calls.

``libnspr4`` hands them on to NSS where the descriptor is a TLS connection, and to a socket or a file where it is not, which the
program in the kernel tells apart.
"""

from pipeline.sources.tls.probe import Call, Program
from pipeline.sources.tls.targets.code import ONLY_BY_RETURN_PROBES, Code, Found, Unsupported

LIBRARY = "nss"

_CALLS = {"PR_Read": Call.NSPR_READ, "PR_Recv": Call.NSPR_RECEIVE, "PR_Write": Call.NSPR_WRITE, "PR_Send": Call.NSPR_WRITE}
_FREE = "PR_Close"


def find(code: Code) -> Found | Unsupported | None:
    """By its exported names. All of them end in a jump through a table, which only return probes see the end of."""
    functions = code.functions([*_CALLS, _FREE])
    if len(functions) <= len(_CALLS):
        return None
    probes = [probe for name, call in _CALLS.items() for probe in code.call(functions[name], call)]
    if not probes:
        return Unsupported(LIBRARY, "", ONLY_BY_RETURN_PROBES)
    return Found(LIBRARY, "", (*probes, code.at_entry(functions[_FREE], Call.FREE, Program.FREE)))
