"""Byte streams: connections as one process sees them, with owners and endpoints that may become known late."""

from collections.abc import Callable
from ipaddress import ip_address

import pytest
from decode_support import brief, decode

from pipeline.model.connection import Connection
from pipeline.model.records import Chunk, Closed, Gap, Opened, Owner, Process, Record, is_stream_key, reverse, stream_key
from pipeline.testing.packets import Talk, flow_key, request, response

GET = request("/")
OK = response(b"abc")
WHOLE = ("GET", "/", 200, 0, 3)
CURL, NGINX = Process(100, "curl"), Process(200, "nginx", "c0ffee")


def endpoint(address: str, port: int) -> bytes:
    """An endpoint as records have it."""
    return ip_address(address).packed + port.to_bytes(2, "big")


CLIENT, SERVER = endpoint("127.0.0.1", 40000), endpoint("127.0.0.1", 443)


def exchange(key: bytes, ts_ns: int = 1) -> list[Record]:
    """A request in the direction of ``key``, and its response."""
    return [Chunk(key, ts_ns, GET, len(GET)), Chunk(reverse(key), ts_ns + 1, OK, len(OK))]


@pytest.mark.parametrize("key", [stream_key(1, 2, sent=True), flow_key(), flow_key("fd00::1", 1, "fd00::2", 2)])
def test_the_other_direction_of_the_other_direction(key: bytes) -> None:
    """Is the direction itself, for every kind of key."""
    assert reverse(reverse(key)) == key != reverse(key)
    assert is_stream_key(key) == is_stream_key(reverse(key)) == (len(key) == 17)


def test_observer() -> None:
    """A connection knows whose view it is: a process, or nobody's in particular where packets show it."""
    assert Connection(stream_key(100, 7, sent=False), 1).observer == 100
    assert Connection(flow_key(), 1).observer is None


def test_both_ends_of_a_local_connection() -> None:
    """Two probes that see the same connection at its two ends are two connections, each with its own process."""
    asks, serves = stream_key(100, 7, sent=True), stream_key(200, 7, sent=False)
    records = [
        Opened(asks, 1, CLIENT, SERVER, CURL, "openssl"), Opened(serves, 1, CLIENT, SERVER, NGINX, "openssl"),
        *(record for pair in zip(exchange(asks, 2), exchange(serves, 2), strict=True) for record in pair),
    ]  # fmt: skip
    one, other = decode(records)
    assert brief(one) == brief(other) == WHOLE
    assert (one.process_pid, one.process_executable_name, one.container_id) == (100, "curl", None)
    assert (other.process_pid, other.process_executable_name, other.container_id) == (200, "nginx", "c0ffee")
    assert one.httpipe_connection != other.httpipe_connection
    for each in (one, other):
        assert (each.client_address, each.client_port, each.network_local_port) == ("127.0.0.1", 40000, 443)
        assert (each.network_type, each.url_scheme) == ("ipv4", "https")


def test_what_becomes_known_behind_the_first_exchange() -> None:
    """Owner and endpoints may come late: what is reported until then lacks them, what follows has them, and the id stays."""
    key = stream_key(100, 1, sent=False)
    late = Owner(reverse(key), 5, NGINX, endpoint("fd00::2", 443), endpoint("fd00::1", 40000))
    first, second = decode([Opened(key, 1), *exchange(key, 2), late, *exchange(key, 6)])
    assert brief(first) == brief(second) == WHOLE
    assert (first.process_pid, first.client_address, first.network_local_address, first.network_type) == (None,) * 4
    assert (second.process_pid, second.client_address, second.network_local_address) == (200, "fd00::1", "fd00::2")
    assert (second.network_type, second.client_port) == ("ipv6", 40000)
    assert first.httpipe_connection == second.httpipe_connection


def test_owner_before_the_first_bytes() -> None:
    """What is said of a connection that carries nothing yet is remembered until it does, and forgotten when it is over."""
    key = stream_key(100, 1, sent=True)
    (known,) = decode([Owner(key, 1, CURL), *exchange(key, 2)])
    assert known.process_pid == 100
    (unknown,) = decode([Owner(key, 1, CURL), Closed(key, 2), *exchange(key, 3)])
    assert unknown.process_pid is None


@pytest.mark.parametrize(
    ("owners", "pid"),
    [(lambda key: [Owner(key, 1, CURL)], 100), (lambda key: [Owner(key, 1, CURL), Owner(reverse(key), 1, NGINX)], 200)],
)
def test_owners_of_packets(owners: Callable[[bytes], list[Record]], pid: int) -> None:
    """Of a connection that packets show the process that serves is reported; where it is not known, the one that asks."""
    talk = Talk().exchange(GET, OK).close()
    (whole,) = decode([*owners(talk.key), *talk.segments])
    assert (brief(whole), whole.process_pid, whole.url_scheme) == (WHOLE, pid, "http")


def test_scheme_of_the_target() -> None:
    """A target in absolute form says its scheme itself, whatever protects the connection to the proxy."""
    key = stream_key(1, 1, sent=True)
    get = request("http://a.example/")
    records: list[Record] = [Chunk(key, 2, get, len(get)), Chunk(reverse(key), 3, OK, len(OK))]
    (proxied,) = decode([Opened(key, 1, security="openssl"), *records])
    assert (proxied.url_scheme, proxied.url_path) == ("http", "/")


@pytest.mark.parametrize(("cut", "marks"), [(True, ("gap",)), (False, ())])
def test_chunk_that_is_not_whole(*, cut: bool, marks: tuple[str, ...]) -> None:
    """Bytes of a body that were cut off are a gap, bytes that were left out on purpose are counted."""
    key = stream_key(1, 1, sent=True)
    answer = Chunk(reverse(key), 3, OK[:-2], len(OK), cut)
    assert [brief(each) for each in decode([Opened(key, 1), Chunk(key, 2, GET, len(GET)), answer])] == [(*WHOLE, *marks)]


@pytest.mark.parametrize("length", [0, 10])
def test_gap_before_all_bytes(length: int) -> None:
    """A response of which the source lost the very beginning is a gap, however long that was."""
    key = stream_key(1, 1, sent=True)
    records = [Opened(key, 1), Chunk(key, 2, GET, len(GET)), Gap(reverse(key), 3, length), *exchange(key, 4)]
    lost, whole = decode(records)
    assert brief(lost) == ("GET", "/", None, 0, None, "gap", "unmatched_request")
    assert brief(whole) == WHOLE


def test_bytes_behind_the_beginning() -> None:
    """Of a connection that was opened unseen only what surely is a request begins one, and it is marked."""
    key = stream_key(1, 1, sent=True)
    odd = b"ODD"
    assert decode([Chunk(key, 1, odd, len(odd)), Chunk(key, 2, b" / HTTP/1.1\r\n\r\n", 15)]) == []
    assert [brief(each) for each in decode(exchange(key))] == [(*WHOLE, "mid_stream")]
