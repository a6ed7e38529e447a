"""Where datagrams of the sink `syslog` go when a host has several addresses."""

import socket
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from pipeline.api import Context, NotConnected
from pipeline.model.events.exchange import Exchange
from pipeline.sinks.syslog.sink import SyslogSink, SyslogSinkConfig

EVENTS = [Exchange(timestamp_ns=0, httpipe_sequence=1)]
NO_WAY = "255.255.255.255"
"""The kernel refuses to connect a datagram socket to it."""


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A datagram socket on 127.0.0.1; nobody listens on its port of 127.0.0.2."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        held.settimeout(5)
        yield held


def sink_for(monkeypatch: pytest.MonkeyPatch, listening: socket.socket, addresses: Sequence[str]) -> SyslogSink:
    """A sink whose host has these addresses."""
    real = socket.getaddrinfo

    def found(host: Any, *arguments: Any, **options: Any) -> list[Any]:
        hosts = addresses if host in ("logs.example", b"logs.example") else [host]
        return [each for name in hosts for each in real(name, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    config = SyslogSinkConfig.model_validate({"address": f"udp://logs.example:{listening.getsockname()[1]}"})
    return SyslogSink(config, Context("log"))


@pytest.mark.anyio
async def test_the_next_address_is_tried_where_nobody_listens(monkeypatch: pytest.MonkeyPatch, listening: socket.socket) -> None:
    """Each time that the engine opens the sink again, and round."""
    sink = sink_for(monkeypatch, listening, ["127.0.0.2", "127.0.0.1"])
    for _ in range(2):
        await sink.open()
        with pytest.raises(NotConnected, match="refused"):
            await sink.write(EVENTS)
        await sink.aclose()
        await sink.open()
        await sink.write(EVENTS)
        await sink.aclose()
        assert b"http.exchange" in listening.recv(4096)


@pytest.mark.anyio
async def test_an_address_to_which_there_is_no_way_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, listening: socket.socket
) -> None:
    """At once; where there is a way to none, that is told."""
    sink = sink_for(monkeypatch, listening, [NO_WAY, "127.0.0.1"])
    await sink.open()
    await sink.write(EVENTS)
    await sink.aclose()
    assert b"http.exchange" in listening.recv(4096)
    with pytest.raises(NotConnected, match=r"logs\.example"):
        await sink_for(monkeypatch, listening, [NO_WAY]).open()
