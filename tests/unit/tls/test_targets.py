"""Which libraries are in a file, and which of their functions are probed: real files, and small ones that imitate the others."""

import subprocess
import sys
from pathlib import Path

import pytest
from mapped_libssl import libssl
from tls_files import compiled, looked

from pipeline.sources.tls.probe import Call, Program, Target
from pipeline.sources.tls.targets.code import Unsupported

SITE = Path(sys.prefix) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"

PLAIN = "{} int main(void) {{ return 0; }}"
BODY = "{{ volatile char held[64]; held[0] = (long)s; return held[0]; }}"
BORING = "".join(f"int {name}(void *s, void *b, int n) {BODY}\n".format() for name in ("SSL_read", "SSL_write", "SSL_free"))
SOURCE = """const char *source = "../ssl/ssl_lib.cc";"""


def only(found: list[Target | Unsupported]) -> Target:
    """The one library of a file, which can be probed."""
    [target] = found
    assert isinstance(target, Target)
    return target


def calls(target: Target, program: Program) -> set[Call]:
    """What its probes of one program take."""
    return {probe.call for probe in target.probes if probe.program is program}


def test_shared_openssl_at_its_internal_functions() -> None:
    """One function for reading and one for writing, with return probes at the very place where they are entered."""
    target = only(looked(libssl()))
    assert target.library == "openssl"
    [read, write, *files] = [probe for probe in target.probes if probe.program is Program.ENTER]
    assert (read.call, read.function) == (Call.READ_EX, "SSL_read → inner")
    assert write.call in {Call.WRITE_EX, Call.WRITE_EX2}
    leaves = [probe for probe in target.probes if probe.program is Program.LEAVE]
    assert [(probe.offset, probe.at_return) for probe in leaves[:2]] == [(read.offset, True), (write.offset, True)]
    assert [probe.call for probe in (*files, *leaves[2:])] in ([Call.SENDFILE] * 2, [])  # since OpenSSL 3.0
    assert calls(target, Program.FREE) == {Call.FREE}


def test_shared_openssl_without_return_probes() -> None:
    """The exported functions, each left at its RETs, because the internal ones end in jumps."""
    target = only(looked(libssl(), uretprobes=False))
    assert not any(probe.at_return for probe in target.probes)
    assert {Call.READ, Call.READ_EX, Call.WRITE} <= calls(target, Program.ENTER) == calls(target, Program.LEAVE)


def test_openssl_of_five_arguments() -> None:
    """From 3.3 on the internal writing function takes flags too."""
    [path] = (SITE / "psycopg_binary.libs").glob("libssl-*.so.3")
    assert Call.WRITE_EX2 in calls(only(looked(path)), Program.ENTER)


def test_static_openssl_with_its_version() -> None:
    """Within a library that exports none of it."""
    [path] = (SITE / "confluent_kafka.libs").glob("librdkafka-*.so.1")
    target = only(looked(path))
    assert target.library == "openssl"
    assert target.version.startswith("3.")
    assert calls(target, Program.ENTER) == {Call.READ_EX, Call.WRITE_EX2, Call.SENDFILE}


def test_stripped_boringssl_is_named() -> None:
    """With the reason why it is not captured."""
    [path] = (SITE / "grpc" / "_cython").glob("cygrpc.*.so")
    assert looked(path) == [Unsupported("boringssl", "", "it was stripped of the names of its functions")]


def test_boringssl_with_symbols(tmp_path: Path) -> None:
    """Has no SSL_read_ex; its functions may be local ones."""
    program = compiled(tmp_path, BORING + PLAIN.format(SOURCE))
    target = only(looked(program))
    assert target.library == "boringssl"
    assert calls(target, Program.LEAVE) == {Call.READ, Call.WRITE}
    rets = only(looked(program, uretprobes=False))
    assert not any(probe.at_return for probe in rets.probes)
    assert calls(rets, Program.LEAVE) == {Call.READ, Call.WRITE}


def test_static_openssl_of_which_little_is_used(tmp_path: Path) -> None:
    """Is OpenSSL all the same: without SSL_read_ex, which BoringSSL has not either."""
    target = only(looked(compiled(tmp_path, BORING + PLAIN.format("""const char *v = "OpenSSL 3.5.4 30 Sep 2025";"""))))
    assert (target.library, target.version) == ("openssl", "3.5.4")
    assert calls(target, Program.LEAVE) == {Call.READ, Call.WRITE}


def test_gnutls(tmp_path: Path) -> None:
    """Where gnutls_record_send2 is there, gnutls_record_send is a jump to it and not probed too."""
    names = ("gnutls_record_recv", "gnutls_record_send", "gnutls_record_send2", "gnutls_deinit")
    source = "".join(f"long {name}(void *s, void *b, long n) {BODY}\n".format() for name in names)
    target = only(looked(compiled(tmp_path, source + PLAIN.format("""const char *v = "GnuTLS 3.7.9 logging...\\n";"""))))
    assert (target.library, target.version) == ("gnutls", "3.7.9")
    entered = {probe.function for probe in target.probes if probe.program is Program.ENTER}
    assert entered == {"gnutls_record_recv", "gnutls_record_send2"}


def test_nss_needs_return_probes(tmp_path: Path) -> None:
    """Its functions are jumps through a table."""
    jump = "int {0}(void *s, void *b, int n) {{ return ((int (**)(void *, void *, int))*(void **)s)[2](s, b, n); }}\n"
    source = "".join(jump.format(name) for name in ("PR_Read", "PR_Recv", "PR_Write", "PR_Send", "PR_Close"))
    program = compiled(tmp_path, source + PLAIN.format(""), "-O2")
    assert calls(only(looked(program)), Program.ENTER) == {Call.NSPR_READ, Call.NSPR_RECEIVE, Call.NSPR_WRITE}
    [refused] = looked(program, uretprobes=False)
    assert isinstance(refused, Unsupported)
    assert "return probes" in refused.why


def test_java_is_named(tmp_path: Path) -> None:
    """Its own TLS is out of reach."""
    source = "int JNI_CreateJavaVM(void) { return 0; } int JVM_DefineClass(void) { return 0; }"
    [refused] = looked(compiled(tmp_path, source, "-shared", "-fPIC"))
    assert isinstance(refused, Unsupported)
    assert refused.library == "jsse"


def test_stripped_rustls_is_named(tmp_path: Path) -> None:
    """By the paths of its sources, which its panics name."""
    path = 'const char *p = "/root/.cargo/registry/src/index/rustls-0.23.37/src/conn.rs";'
    program = compiled(tmp_path, PLAIN.format(path))
    subprocess.run(["strip", str(program)], check=True)
    [refused] = looked(program)
    assert isinstance(refused, Unsupported)
    assert (refused.library, refused.version) == ("rustls", "0.23.37")


@pytest.mark.parametrize("path", [sys.executable, "/bin/sh", __file__])
def test_files_without_tls(path: str) -> None:
    """Have nothing to probe; an interpreter that imports a library has it elsewhere."""
    assert looked(Path(path)) == []
