"""HTTP/2 over TLS libraries that hand their bytes on in ways of their own: many streams at once, captured at both ends."""

from collections.abc import Callable
from pathlib import Path

import pytest
from test_clients import run
from tls_programs import CannotBuildError, go_program, rust_program
from tls_recording import recording
from tls_servers import Server, nginx
from tls_truth import side

from pipeline.sources.tls.config import TlsConfig

CONNECTIONS, EACH = 10, 100
COUNT = CONNECTIONS * EACH

PROGRAMS: dict[str, Callable[[], Path]] = {
    "rustls": lambda: rust_program("rustls-http2"),
    "go": lambda: go_program("http2"),
}
"""Each is a client, and a server."""


def start(name: str, certificate: Path) -> Server:
    """A server of HTTP/2."""
    if name == "nginx":
        return nginx(Server(certificate), " http2")
    server = Server(certificate)
    return server.start(str(PROGRAMS[name]()), str(server.port), str(certificate))


@pytest.mark.anyio
@pytest.mark.parametrize(("client", "serving"), [("rustls", "nginx"), ("rustls", "rustls"), ("go", "nginx"), ("go", "go")])
async def test_http2(client: str, serving: str, certificate: Path) -> None:
    """Ten connections with a hundred requests each are whole at both ends, with the same ports."""
    try:
        server, program = start(serving, certificate), str(PROGRAMS[client]())
    except CannotBuildError as error:
        pytest.skip(str(error))
    try:
        config = TlsConfig(executables=(program, server.executable), files=(program,))
        async with recording(config) as taken:
            pid = await run([program, str(server.port), str(CONNECTIONS), str(EACH)])
            await taken.until(lambda taken: len(side(taken, {pid, *server.pids}).exchanges) >= 2 * COUNT)
        sides = (side(taken, {pid}), side(taken, server.pids))
    finally:
        server.stop()
    for seen in sides:
        assert len({exchange.url_path for exchange in seen.exchanges}) == len(seen.exchanges) == COUNT, taken.counts
        assert {(each.network_protocol_version, each.httpipe_marks) for each in seen.exchanges} == {("2", ())}
        assert seen.unknown == 0
        assert {each.server_port for each in seen.exchanges} == {server.port}
    theirs, ours = ({each.url_path: each.client_port for each in seen.exchanges} for seen in sides)
    assert theirs == ours
    assert {exchange.httpipe_tls_library for exchange in sides[0].exchanges} == {client}
