"""What is probed: the places in a file that a TLS library's calls pass, and what stands in their registers there.

Comes in: what ``targets`` found in a file. Goes out: programs of ``pipeline/bpf/tls.bpf.c``, and the cookies that they are
attached with. Nothing here does I/O. ``enum tls_call`` in ``pipeline/bpf/tls.h`` has the same numbers as ``Call``.
"""

import os
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Program(StrEnum):
    """The BPF programs (all ``SEC("uprobe")``) by their names in the object; each takes one kind of calling convention.

    ``ENTER``       C: first instruction of a function, or a later one where the argument registers still hold their values.
    ``LEAVE``       C: its return, as a uretprobe, or on each RET instruction (``rax`` and ``rdx`` are read).
    ``GO_ENTER``    Go's register ABI: behind the stack check, before ``rax``, ``rbx``, ``rcx``, ``r14`` were changed.
    ``GO_LEAVE``    Go: each RET instruction. Never a uretprobe: Go moves its stacks.
    ``RUST_ENTER``  ``<rustls::conn::Writer as Write>::write``: entry. ``RUST_LEAVE``  its return.
    ``RUST_TAKE``   ``CommonState::take_received_plaintext``: entry; no return.
    ``FREE``        C: entry of what frees or closes the connection in the first argument.
    ``GO_FREE``     Go: the same, in ``rax``.
    """

    ENTER = "tls_enter"
    LEAVE = "tls_leave"
    GO_ENTER = "go_enter"
    GO_LEAVE = "go_leave"
    RUST_ENTER = "rust_enter"
    RUST_LEAVE = "rust_leave"
    RUST_TAKE = "rust_take"
    FREE = "tls_free"
    GO_FREE = "go_free"


class Call(IntEnum):
    """The arguments of a function, and how it returns the number of bytes; odd numbers write. The low byte of a cookie.

    ``READ``, ``WRITE``        (connection, buffer, size) → n > 0: ``SSL_read``, ``gnutls_record_recv``, ``gnutls_record_send``.
    ``READ_EX``, ``WRITE_EX``  (connection, buffer, size, size_t *n) → 1: ``SSL_read_ex``, ``ssl_read_internal``.
    ``WRITE_EX2``              (connection, buffer, size, flags, size_t *n) → 1: ``ssl_write_internal`` since OpenSSL 3.2.
    ``NSPR_READ``, ``NSPR_WRITE``  as ``READ`` and ``WRITE``, of functions that serve plain sockets and files, too: ``PR_Read``.
    ``NSPR_RECEIVE``           (connection, buffer, size, flags) → n > 0: ``PR_Recv``; bytes that are only looked at do not count.
    ``SENDFILE``               (connection, file, offset, size) → n > 0: ``SSL_sendfile``; the bytes never are in the program.
    ``GO_READ``, ``GO_WRITE``  ``crypto/tls.(*Conn).Read``, ``Write``: (conn, buffer, size) → n; ``Write`` without ``GO_LEAVE``.
    ``RUST_READ``              ``take_received_plaintext``: words 2 and 3 of the second argument are pointer and length.
    ``RUST_WRITE``             (writer, buffer, size) → tag in ``rax`` (0 for Ok), n in ``rdx``; the writer's first word is the
                               connection.
    ``RUST_WRITE_VECTORED``    the same with (writer, struct iovec *, count): ``write_vectored``.
    ``FREE``                   (connection): ``SSL_free``, ``gnutls_deinit``, ``PR_Close``, ``crypto/tls.(*Conn).Close``.
    """

    READ = 2
    WRITE = 3
    READ_EX = 4
    WRITE_EX = 5
    WRITE_EX2 = 7
    GO_READ = 8
    GO_WRITE = 9
    RUST_READ = 10
    RUST_WRITE = 11
    NSPR_READ = 12
    NSPR_WRITE = 13
    NSPR_RECEIVE = 14
    RUST_WRITE_VECTORED = 15
    FREE = 16
    SENDFILE = 17


@dataclass(frozen=True, slots=True)
class Probe:
    """One place: ``offset`` in the file of the instruction; ``at_return`` makes it a uretprobe; ``function`` is for people."""

    program: Program
    offset: int
    call: Call
    at_return: bool = False
    function: str = ""


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """A file whatever its path: two overlay mounts show one file with different ``st_dev``, so that is no part of it."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


def file_identity(status: os.stat_result) -> FileIdentity:
    """Of what ``stat`` says."""
    return FileIdentity(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class Target:
    """A file with a TLS library in it: ``library`` as in ``httpipe.tls.library``, ``version`` empty where it is not known."""

    library: str
    version: str
    file: FileIdentity
    probes: tuple[Probe, ...]


def cookie(call: Call, number: int) -> int:
    """Of a probe of the target that the source gave ``number``, counted from 1: records say it, so that the library is known."""
    return call | number << 8
