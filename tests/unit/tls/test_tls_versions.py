"""Which OpenSSL a shared libssl belongs to."""

import os
import ssl
from pathlib import Path

from mapped_libssl import libssl

from pipeline.sources.tls import mappings
from pipeline.sources.tls.probe import file_identity
from pipeline.sources.tls.versions import OpensslVersions, of_named

OURS = ssl.OPENSSL_VERSION.split()[1]


def test_beside_a_mapped_library() -> None:
    """The libcrypto of the same folder says it, and nothing else does."""
    versions, mapped = OpensslVersions(), list(mappings.of_process(os.getpid()))
    assert versions.beside(str(libssl()), mapped) == OURS
    assert versions.beside(str(libssl()), []) == ""
    assert versions.beside("/elsewhere/libssl.so.3", mapped) == ""
    assert versions.beside(str(libssl().with_name("libgnutls.so.30")), mapped) == ""


def test_of_a_file(tmp_path: Path) -> None:
    """Where nobody has mapped it; not where another file lies at its path."""
    status = libssl().stat()
    assert of_named(str(libssl()), file_identity(status)) == OURS
    other = tmp_path / libssl().name
    other.write_bytes(b"")
    assert of_named(str(libssl()), file_identity(other.stat())) == ""
    assert of_named(str(other), file_identity(other.stat())) == ""
