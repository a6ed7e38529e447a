"""Where the container engine is: a unix socket of this host."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.following.requests import Server

SOCKETS = ("/run/docker.sock", "/run/podman/podman.sock")
"""Where Docker and Podman listen, as root."""


class NoEngineError(Exception):
    """There is no engine, said to whoever runs this."""


def server_at(socket: str | None, sockets: Sequence[str] = SOCKETS) -> Server:
    """The engine behind this socket; None: behind the first of the usual ones that is there. Raises ``NoEngineError``."""
    path = socket or next((each for each in sockets if Path(each).is_socket()), None)
    if path is None:
        raise NoEngineError(f"no container engine listens here (looked at {', '.join(sockets)}); name its socket under socket")
    return Server("the container engine", path, "http://engine", socket=path)
