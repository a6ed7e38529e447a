"""Programs of other types that include ``parse/`` and ``classify/`` and nothing else of ours, in the running kernel."""

import os
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from live_frames import ARP, IPV4, IPV6, QINQ, REQUEST, RESPONSE, UDP, VLAN, ethernet, ipv4, ipv6, tcp

from hatch_build import FLAGS, includes
from pipeline.sources.bpf import libbpf_loader, program
from pipeline.sources.bpf.syscall import Map, run_on_frame

SOURCE = Path(__file__).with_name("request_counter.bpf.c")
PROGRAMS = ("at_tc", "at_cgroup")
COUNTED = {
    "ipv4": ethernet(IPV4, ipv4(tcp())),
    "ipv4 with options": ethernet(IPV4, ipv4(tcp(options=bytes([1] * 40)), options=bytes([1] * 40))),
    "ipv6": ethernet(IPV6, ipv6(tcp())),
    "ipv6 with an extension header": ethernet(IPV6, ipv6(tcp(), (0, bytes([0, 0, 5, 2, 0, 0, 1, 0])))),
    "two tags": ethernet(IPV4, ipv4(tcp()), (QINQ, 7), (VLAN, 42)),
    "CONNECT": ethernet(IPV4, ipv4(tcp(b"CONNECT example.com:443 HTTP/1.1\r\n\r\n"))),
    "a long method": ethernet(IPV4, ipv4(tcp(b"VERSION-CONTROL / HTTP/1.1\r\n\r\n"))),
}
PASSED_OVER = {
    "a response": ethernet(IPV4, ipv4(tcp(RESPONSE))),
    "a segment without payload": ethernet(IPV4, ipv4(tcp(b""))),
    "a part of a method": ethernet(IPV4, ipv4(tcp(b"GE"))),
    "another protocol": ethernet(IPV4, ipv4(tcp(b"EHLO example.com\r\n"))),
    "a datagram": ethernet(IPV4, ipv4(tcp(), protocol=UDP)),
    "a fragment": ethernet(IPV4, ipv4(tcp(), fragment=1)),
    "a header that is too long": ethernet(IPV4, ipv4(tcp(offset=15))),
    "no IP at all": ethernet(ARP, REQUEST),
}

Count = Callable[[bytes], int]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The object, by the flags of our own."""
    path = tmp_path_factory.mktemp("other") / "request_counter.bpf.o"
    folder = program.SOURCE.parent
    command = ["clang", *FLAGS, *includes(), "-c", str(SOURCE), "-o", str(path)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(params=PROGRAMS)
def count(request: pytest.FixtureRequest, compiled: Path) -> Generator[Count, None, None]:
    """``count(frame)``: how many requests the program found there."""
    library = libbpf_loader.library()
    handle = library.bpf_object__open_file(os.fsencode(compiled), None)
    assert handle
    try:
        assert library.bpf_object__load(handle) == 0
        fd = library.bpf_program__fd(library.bpf_object__find_program_by_name(handle, request.param.encode()))
        requests = Map(library.bpf_map__fd(library.bpf_object__find_map_by_name(handle, b"requests")), 4, 8)

        def run(frame: bytes) -> int:
            requests.update(bytes(4), bytes(8))
            run_on_frame(fd, frame)
            return int.from_bytes(requests.lookup(bytes(4)) or b"", "little")

        yield run
    finally:
        library.bpf_object__close(handle)


def test_requests_are_counted(count: Count) -> None:
    """Whatever stands in front of them, by a classifier of TC that is given the frame and by one of a cgroup that is not."""
    assert {name: count(frame) for name, frame in COUNTED.items()} == dict.fromkeys(COUNTED, 1)


def test_everything_else_is_passed_over(count: Count) -> None:
    """Responses, parts of segments, other protocols."""
    assert {name: count(frame) for name, frame in PASSED_OVER.items()} == dict.fromkeys(PASSED_OVER, 0)
