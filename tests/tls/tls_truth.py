"""What was captured of both ends of local connections, compared with what the servers said and with each other."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from tls_recording import Taken

from pipeline.api import Exchange
from pipeline.model.records import reverse, sent_by_observer

_CHUNK_SIZE = re.compile(rb"\r\n[0-9a-f]{1,4}\r\n(?!\r\n)")
"""Apache sends its answer in several chunks."""
_ANSWER = re.compile(rb"peer=(\d+) uri=(/\S+) end")


class Side(NamedTuple):
    """The exchanges that one end saw, and how many of them had a wrong port, or none."""

    exchanges: list[Exchange]
    wrong: list[str]
    unknown: int


def ports(taken: Taken, pids: set[int]) -> dict[str, int]:
    """By path of the request: the client's port, as the server itself put it into its answer."""
    ours = [taken.streams.get(one, b"") for key, pid in taken.pids.items() if pid in pids for one in (key, reverse(key))]
    answers = [answer for stream in ours for answer in _ANSWER.findall(_CHUNK_SIZE.sub(b"", bytes(stream)))]
    return {path.decode(): int(port) for port, path in answers}


def side(taken: Taken, pids: Iterable[int]) -> Side:
    """What these processes saw: on a busy machine other programs of the same name are captured too."""
    processes, truth = set(pids), ports(taken, set(pids))
    exchanges = [exchange for exchange in taken.exchanges if exchange.process_pid in processes]
    known = [exchange for exchange in exchanges if exchange.client_port is not None]
    wrong = [
        f"{exchange.url_path} from {exchange.client_port}, not {truth.get(exchange.url_path or '')}"
        for exchange in known
        if exchange.client_port != truth.get(exchange.url_path or "")
    ]
    return Side(exchanges, wrong, len(exchanges) - len(known))


def assert_right(side: Side, count: int) -> None:
    """Each request once, whole, over TLS, and none with somebody else's port."""
    paths = [exchange.url_path for exchange in side.exchanges]
    assert (len(paths), len(set(paths))) == (count, count)
    assert {exchange.httpipe_marks for exchange in side.exchanges} == {()}
    assert {exchange.http_response_status_code for exchange in side.exchanges} == {200}
    assert {exchange.url_scheme for exchange in side.exchanges} == {"https"}
    assert side.wrong == []


def different_streams(taken: Taken, pids: Iterable[int]) -> tuple[int, list[str]]:
    """How many connections of these processes were seen from both ends with equal bytes both ways, and which were not."""
    ends: dict[bytes, list[tuple[bytes, bytes]]] = {}
    processes = set(pids)
    for key in {sent_by_observer(key) for key in taken.streams}:
        if taken.pids.get(key) not in processes:
            continue
        sent, received = (bytes(taken.streams.get(one, b"")) for one in (key, reverse(key)))
        serving = b"peer=" in sent
        request, response = (received, sent) if serving else (sent, received)
        ends.setdefault(request.split(b"\r\n", 1)[0], []).append((request, response))
    equal = [pair for pair in ends.values() if len(pair) == 2 and pair[0] == pair[1]]
    return len(equal), [first.decode("latin-1") for first, pair in ends.items() if len(pair) != 2 or pair[0] != pair[1]]
