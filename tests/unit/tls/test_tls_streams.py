"""From what probes saw to records: connections, their sockets, what is lost, and what is kept back."""

import pytest
from tls_seen import CURL, GET, LOCAL, OK, REMOTE, UNWANTED, Fed, bound, seen

from pipeline.config.options import DecodeOptions
from pipeline.decode.decoder import Decoder
from pipeline.model.records import Chunk, Closed, Gap, Opened, Owner, Record, stream_key
from pipeline.sources.tls import abi
from pipeline.sources.tls.ring import Seen
from pipeline.sources.tls.streams import MAX_TOKENS, WAIT_BYTES, WAIT_NS, is_trusted

SENT, RECEIVED = (stream_key(1 << 32 | 77, 5, sent=each) for each in (True, False))
READ = 0
"""Bits of what was read."""


def kinds(records: list[Record]) -> list[str]:
    """Their names, in order."""
    return [type(record).__name__ for record in records]


def test_a_connection_with_proof() -> None:
    """It is opened with its addresses, process and library, and closed when the library frees it."""
    records = Fed().feed(bound(), bound(OK, bits=READ, ts_ns=2), bound(b"", kind=int(abi.Kind.CLOSED), ts_ns=3))
    assert records == [
        Opened(SENT, 10**9, LOCAL, REMOTE, CURL, "openssl"),
        Chunk(SENT, 10**9, GET, len(GET)),
        Chunk(RECEIVED, 2, OK, len(OK)),
        Closed(SENT, 3),
    ]


@pytest.mark.parametrize("observed_is_client", [True, False])
def test_as_an_exchange(observed_is_client: bool) -> None:  # noqa: FBT001  a parameter of the test
    """The decoder makes one exchange of it, and sees by itself which end is the client."""
    asked, answered = (int(abi.Bit.SENT), READ) if observed_is_client else (READ, int(abi.Bit.SENT))
    decoder = Decoder(DecodeOptions(), source="https", capture="probe")
    [exchange] = decoder.feed(Fed().feed(bound(GET, bits=asked), bound(OK, bits=answered, version=0x0304)))
    client, server = (("10.0.0.1", 40000), ("10.0.0.2", 443))
    if not observed_is_client:
        client, server = server, client
    assert (exchange.client_address, exchange.client_port) == client
    assert (exchange.network_local_address, exchange.network_local_port) == server
    assert (exchange.url_scheme, exchange.tls_protocol_version, exchange.httpipe_tls_library) == ("https", "1.3", "openssl")
    assert (exchange.process_pid, exchange.process_executable_name, exchange.httpipe_capture) == (77, "curl", "probe")
    assert exchange.httpipe_marks == ()


def test_first_bytes_wait_for_the_socket() -> None:
    """What comes before the socket is known is kept back, and then opened with it."""
    fed = Fed()
    assert fed.feed(seen()) == []
    assert fed.streams.waiting
    records = fed.feed(bound(OK, bits=READ))
    assert kinds(records) == ["Opened", "Chunk", "Chunk"]
    assert records[0].client == LOCAL
    assert not fed.streams.waiting


def test_waiting_ends_with_time() -> None:
    """After a second it goes on without addresses, which an ``Owner`` brings later."""
    fed = Fed()
    assert fed.feed(seen(), now_ns=10**9 + WAIT_NS - 1) == []
    assert fed.feed(now_ns=10**9 + WAIT_NS) == [
        Opened(SENT, 10**9, b"", b"", CURL, "openssl"),
        Chunk(SENT, 10**9, GET, len(GET)),
    ]
    assert fed.feed(bound(OK, bits=READ, ts_ns=5))[0] == Owner(SENT, 5, CURL, LOCAL, REMOTE)


def test_waiting_ends_with_bytes() -> None:
    """Nor is more than 64 KiB kept back."""
    assert kinds(Fed().feed(seen(length=WAIT_BYTES), seen(b"x", position=WAIT_BYTES))) == ["Opened", "Chunk", "Chunk"]


def test_a_version_that_becomes_known() -> None:
    """The first write tells the version: the connection learns it."""
    records = Fed().feed(bound(bits=READ), bound(OK, version=0x0303, ts_ns=7))
    assert records[2] == Owner(SENT, 7, CURL, LOCAL, REMOTE, "1.2")


def test_another_socket() -> None:
    """Where proof shows another socket, the connection gets its addresses."""
    other = bytes([10, 0, 0, 9, 1, 2])
    records = Fed().feed(bound(), bound(OK, bits=READ, local=other, ts_ns=7))
    assert records[2] == Owner(SENT, 7, CURL, other, REMOTE)


@pytest.mark.parametrize(
    ("fields", "trusted"),
    [
        ({"how": abi.How.NESTED, "conflicts": 9}, True),
        ({"how": abi.How.FD}, True),
        ({"how": abi.How.UNKNOWN}, False),
        ({"how": abi.How.READ, "votes": 0, "process_votes": 99}, False),
        ({"how": abi.How.READ, "votes": 1, "process_votes": 99}, True),
        ({"how": abi.How.WRITE, "votes": 4, "conflicts": 2, "process_votes": 99}, False),
        ({"how": abi.How.WRITE, "votes": 5, "conflicts": 2, "process_votes": 99}, True),
        ({"how": abi.How.READ, "votes": 5, "process_votes": 30, "process_conflicts": 3}, False),
        ({"how": abi.How.READ, "votes": 5, "process_votes": 31, "process_conflicts": 3}, True),
    ],
)
def test_trust(fields: dict[str, int], trusted: bool) -> None:  # noqa: FBT001  a parameter of the test
    """Lengths are believed with more than twice as many votes as conflicts, and ten times as many in the whole process."""
    assert is_trusted(bound(**fields)) is trusted
    assert not is_trusted(bound(**fields, local=b""))


def test_records_that_were_lost() -> None:
    """What the ring lost is a gap of exactly its length, in its direction only."""
    records = Fed().feed(bound(), bound(OK, bits=READ), bound(b"x", position=len(GET) + 100, ts_ns=4))
    assert records[3:] == [Gap(SENT, 4, 100), Chunk(SENT, 4, b"x", 1)]


def test_bytes_that_were_not_copied() -> None:
    """A body beyond the budget is a length, and what could not be copied says so."""
    records = Fed().feed(
        bound(), bound(b"", length=5000, position=len(GET)), bound(b"", length=9, bits=int(abi.Bit.SENT | abi.Bit.CUT))
    )
    assert [(each.length, each.cut) for each in records[2:]] == [(5000, False), (9, True)]


def test_a_connection_that_is_left_under_load() -> None:
    """It ends unseen, and its next request begins it again."""
    records = Fed().feed(bound(), bound(b"", kind=int(abi.Kind.SHED), ts_ns=3), bound(position=900, ts_ns=4))
    assert kinds(records) == ["Opened", "Chunk", "Closed", "Opened", "Chunk"]
    assert records[2] == Closed(SENT, 3, unseen=True)


def test_a_process_that_ends() -> None:
    """All its connections do, and those of others do not."""
    fed = Fed()
    fed.feed(bound(), bound(connection=6), bound(connection=7, tgid=99))
    assert kinds(fed.feed(bound(b"", kind=int(abi.Kind.EXIT)))) == ["Closed", "Closed"]


def test_a_connection_without_an_end() -> None:
    """Where there are too many, the oldest makes place, counted."""
    fed = Fed(most=2)
    records = fed.feed(bound(connection=1), bound(connection=2), bound(connection=3))
    assert kinds(records) == ["Opened", "Chunk", "Opened", "Chunk", "Closed", "Opened", "Chunk"]
    assert fed.counted == {"streams_evicted": 1}


def test_a_process_that_is_not_wanted() -> None:
    """What was captured before that was known is dropped, counted."""
    fed = Fed()
    assert fed.feed(bound(tgid=UNWANTED)) == []
    assert fed.counted == {"unwanted_records": 1}


def test_http2_joined_late() -> None:
    """The decoder is told that the beginning is missing."""
    opened = Fed().feed(bound(b"\0\0\1\1", bits=int(abi.Bit.SENT | abi.Bit.MID)))[0]
    assert isinstance(opened, Opened)
    assert opened.mid_stream


TOKEN = int(abi.Bit.SENT | abi.Bit.TOKEN)


def sent(token: int, connection: int = 5, length: int = len(OK)) -> Seen:
    """The thread sent what it wrote under a token."""
    return bound(b"", kind=int(abi.Kind.SENT), how=int(abi.How.TAKEN), position=token, connection=connection, length=length)


def test_rustls_writes_before_it_sends() -> None:
    """What was written waits for its socket, and stands in its place then, with the time when it was written."""
    fed = Fed()
    taken = bound(GET, bits=READ, how=int(abi.How.TAKEN))
    assert kinds(fed.feed(taken, seen(OK, connection=900, bits=TOKEN, ts_ns=3))) == ["Opened", "Chunk"]
    assert fed.feed(sent(900)) == [Chunk(SENT, 3, OK, len(OK))]


def test_rustls_writes_that_nobody_knows() -> None:
    """Where lengths do not fit, or nothing was sent for a second, they are dropped, counted."""
    fed = Fed()
    assert fed.feed(seen(OK, connection=900, bits=TOKEN), sent(900, connection=0), seen(OK, connection=901, bits=TOKEN)) == []
    assert fed.feed(now_ns=10**9 + WAIT_NS) == []
    assert fed.counted == {"not_attributed": 2, "not_attributed_bytes": 2 * len(OK)}
    assert not fed.streams.waiting


def test_rustls_writes_that_the_ring_lost() -> None:
    """They are a gap of their length."""
    fed = Fed()
    fed.feed(bound(GET, bits=READ))
    assert fed.feed(sent(900, length=50)) == [Gap(SENT, 10**9, 50)]


def test_rustls_writes_are_bounded() -> None:
    """More than so many at once drop the oldest."""
    fed = Fed()
    fed.feed(*(seen(OK, connection=1000 + number, bits=TOKEN) for number in range(MAX_TOKENS + 1)))
    assert fed.counted["not_attributed"] == 1
