"""The other end of the control socket, for `httpipe top` and `httpipe tap`. Synchronous, as a terminal program is.

The protocol stands in ``control_server``.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec

from pipeline.errors import HttpipeError
from pipeline.runtime.status import Status

NAME = "httpipe.sock"
CONNECT_SECS = 5.0


def default_path(environ: Mapping[str, str] = os.environ) -> str | None:
    """Where a pipeline puts its socket unless its file says otherwise: the folder that systemd made for it, or the user's."""
    folder = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0] or ("/run" if os.geteuid() == 0 else "")
    folder = folder or environ.get("XDG_RUNTIME_DIR", "")
    return f"{folder}/{NAME}" if folder else None


def find(environ: Mapping[str, str] = os.environ) -> str:
    """The socket of the pipeline that runs here. Raises ``HttpipeError``."""
    places = [default_path(environ), f"/run/httpipe/{NAME}", f"/run/{NAME}"]
    found = [place for place in places if place and Path(place).exists()]
    if not found:
        raise HttpipeError("no running httpipe was found; name its socket as [process] control_socket does")
    return found[0]


class ControlClient:
    """One connection, one request. Close it to end the answers; closing from another thread works too."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(CONNECT_SECS)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise HttpipeError(f"cannot talk to httpipe at {path}: {error.strerror or error}") from error
        self._socket.settimeout(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up. Safe twice."""
        self._socket.close()

    def status(self, every_secs: float = 1.0) -> Iterator[Status]:
        """A picture of the pipeline, again and again, until it ends. Raises ``HttpipeError``."""
        decoder = msgspec.json.Decoder(Status)
        for line in self._ask({"ask": "status", "every_secs": every_secs}):
            if line.startswith(b'{"error"'):
                raise HttpipeError(str(msgspec.json.decode(line)["error"]))
            yield decoder.decode(line)

    def tap(self, component_id: str, where: str | None = None, per_sec: int = 100) -> Iterator[Mapping[str, Any] | int]:
        """What passes: events as mappings, named as in JSON output; a number where so many passed unseen.

        The first answer is an empty mapping: the tap is on. Raises ``HttpipeError``.
        """
        request = {"ask": "tap", "id": component_id, "where": where, "per_sec": per_sec}
        for line in self._ask(request):
            answer = msgspec.json.decode(line)
            if "error" in answer:
                raise HttpipeError(str(answer["error"]))
            if "missed" in answer:
                yield int(answer["missed"])
            else:
                yield answer.get("event", {})

    def _ask(self, request: Mapping[str, object]) -> Iterator[bytes]:
        try:
            self._socket.sendall(msgspec.json.encode(request) + b"\n")
            with self._socket.makefile("rb") as lines:
                yield from lines
        except OSError:
            return  # the pipeline has ended, or ``close`` was called
