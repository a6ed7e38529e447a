"""OpenSSL 1.1.1, 3 and 4: shared, linked statically, and, from 3 on, stripped.

Every call passes ``ssl_read_internal`` and ``ssl_write_internal``, which begin with a PUSH (0.5 µs a hit; the ``SSL_*`` in front
of them 10), and which BIO_f_ssl calls too. They have no exported name: they are what both ``SSL_read`` and ``SSL_read_ex`` call,
or the one function that refers to the string of its own name, which OpenSSL 3 puts into its errors.
"""

from pipeline.sources.tls.elf import places, references
from pipeline.sources.tls.elf.symbols import Function
from pipeline.sources.tls.elf.x86 import instructions
from pipeline.sources.tls.probe import Call, Probe, Program
from pipeline.sources.tls.targets.code import ONLY_BY_RETURN_PROBES, Code, Found, Unsupported
from pipeline.sources.tls.targets.traces import BORINGSSL_SOURCE, OPENSSL_READ

LIBRARY = "openssl"

_READ = {"SSL_read": Call.READ, "SSL_read_ex": Call.READ_EX}
_WRITE = {"SSL_write": Call.WRITE, "SSL_write_ex": Call.WRITE_EX, "SSL_write_ex2": Call.WRITE_EX2}
_CALLS = _READ | _WRITE
_FREE = "SSL_free"
_SENDFILE = "SSL_sendfile"
_INNER = {"ssl_read_internal": Call.READ_EX, "ssl_write_internal": Call.WRITE_EX}

_R8 = 8


def find(code: Code) -> Found | Unsupported | None:
    """By symbols, else by strings. A program that links it statically has only what it uses of it."""
    functions = code.functions([*_CALLS, _FREE, _SENDFILE])
    if functions.keys() >= {"SSL_read", "SSL_write"}:
        if "SSL_read_ex" in functions or BORINGSSL_SOURCE not in code.traces.names:
            return _by_symbols(code, functions)
        return None
    return _by_strings(code) if code.x86 and OPENSSL_READ in code.traces.names else None


def _by_symbols(code: Code, functions: dict[str, Function]) -> Found | Unsupported:
    version = code.traces.version(LIBRARY)
    probes = _inner_calls(code, functions) if code.x86 and code.uretprobes else []
    if not probes:
        probes = [probe for name, call in _CALLS.items() if name in functions for probe in code.call(functions[name], call)]
    left = {probe.call for probe in probes if probe.program is Program.LEAVE}
    if not left & set(_READ.values()) or not left & set(_WRITE.values()):
        return Unsupported(LIBRARY, version, ONLY_BY_RETURN_PROBES)
    if _SENDFILE in functions:
        probes += code.call(functions[_SENDFILE], Call.SENDFILE)
    if _FREE in functions:
        probes.append(code.at_entry(functions[_FREE], Call.FREE, Program.FREE))
    return Found(LIBRARY, version, tuple(probes))


def _inner_calls(code: Code, functions: dict[str, Function]) -> list[Probe]:
    """Both inner functions, or none."""
    read = _inner(code, functions, "SSL_read", "SSL_read_ex")
    write = _inner(code, functions, "SSL_write", "SSL_write_ex2" if "SSL_write_ex2" in functions else "SSL_write_ex")
    if read is None or write is None:
        return []
    return [*code.call(read, Call.READ_EX), *code.call(write, _write_call(code, write))]


def _inner(code: Code, functions: dict[str, Function], plain: str, extended: str) -> Function | None:
    """What both wrappers call, where the extended one does so in a straight line with the arguments that it was given.

    node's compiler puts the inner function into its callers and keeps a copy that nobody calls.
    """
    if extended not in functions:
        return None
    called, passed = _first_call(code.text(functions[plain])), places.passed_on(code.text(functions[extended]))
    if called is None or passed is None:
        return None
    address = functions[plain].address + called
    if address != functions[extended].address + passed:
        return None
    inner = Function(f"{plain} → inner", address, 0)
    entry = code.entry(inner)
    return inner if entry.emulated and entry.returns_visible else None


def _first_call(text: bytes) -> int | None:
    """Where the first direct call goes."""
    return next((instruction.target for instruction in instructions(text) if instruction.opcode == 0xE8), None)


def _write_call(code: Code, write: Function) -> Call:
    """From OpenSSL 3.3 on it takes flags too: five arguments, of which the last is kept for later at its beginning."""
    for instruction in instructions(code.text(write)[:96]):
        if instruction.opcode == 0x89 and (instruction.operands[0] >> 3 & 7 | (instruction.rex & 4) << 1) == _R8:
            return Call.WRITE_EX2
        if instruction.opcode == 0xE8 or instruction.returns:
            break
    return Call.WRITE_EX


def _by_strings(code: Code) -> Found | Unsupported:
    version = code.traces.version(LIBRARY)
    functions = references.functions(code.elf, _INNER)
    if len(functions) < len(_INNER):
        return Unsupported(LIBRARY, version, "linked statically and stripped, and its functions cannot be told apart")
    probes = []
    for name, call in _INNER.items():
        function = functions[name]._replace(name=name)
        found = code.call(function, call if call is Call.READ_EX else _write_call(code, function))
        if not found:
            return Unsupported(LIBRARY, version, ONLY_BY_RETURN_PROBES)
        probes += found
    return Found(LIBRARY, version, tuple(probes))
