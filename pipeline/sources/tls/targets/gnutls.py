"""GnuTLS: ``gnutls_record_recv``, and ``gnutls_record_send2``, which ``gnutls_record_send`` is a jump to since 3.6.3."""

from pipeline.sources.tls.probe import Call, Program
from pipeline.sources.tls.targets.code import ONLY_BY_RETURN_PROBES, Code, Found, Unsupported

LIBRARY = "gnutls"

_RECEIVE, _SEND, _SEND2, _FREE = "gnutls_record_recv", "gnutls_record_send", "gnutls_record_send2", "gnutls_deinit"


def find(code: Code) -> Found | Unsupported | None:
    """By its exported names."""
    functions = code.functions([_RECEIVE, _SEND, _SEND2, _FREE])
    send = functions.get(_SEND2) or functions.get(_SEND)
    if send is None or _RECEIVE not in functions:
        return None
    version = code.traces.version(LIBRARY)
    reads, writes = code.call(functions[_RECEIVE], Call.READ), code.call(send, Call.WRITE)
    if not reads or not writes:
        return Unsupported(LIBRARY, version, ONLY_BY_RETURN_PROBES)
    frees = [code.at_entry(functions[_FREE], Call.FREE, Program.FREE)] if _FREE in functions else []
    return Found(LIBRARY, version, (*reads, *writes, *frees))
