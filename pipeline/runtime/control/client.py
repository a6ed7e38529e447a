"""The other end of the control socket, for `httpipe top` and `httpipe tap`. Synchronous, as a terminal program is.

The protocol stands in ``session``.
"""

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Self

import msgspec

from pipeline.errors import ConfigError, HttpipeError, Problem
from pipeline.model.snapshot import Snapshot
from pipeline.runtime.control.paths import sockets_here

Heads = tuple[bytes | None, bytes | None]
"""Of the request and of the response, as they were captured; None where they are not kept."""

CONNECT_SECS = 5.0
LOOK_SECS = 1.0
"""How long a pipeline among several may take to say who it is; one that is stopped does not."""


class ControlClient:
    """One connection, one request. Close it to end the answers; closing from another thread works too.

    ``complete``: the answers have ended with the run, and nothing is missing before that.
    """

    def __init__(self, path: str, timeout_secs: float | None = None) -> None:
        self.complete = False
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_secs or CONNECT_SECS)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise HttpipeError(f"cannot talk to httpipe at {path}: {error.strerror or error}") from error
        self._socket.settimeout(timeout_secs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up. Safe twice."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes whoever waits for an answer, which close(2) does not
        self._socket.close()

    def snapshots(self, every_secs: float = 1.0) -> Iterator[Snapshot]:
        """The state of the run, again and again, until it ends. Raises ``HttpipeError``."""
        decoder = msgspec.json.Decoder(Snapshot)
        for line in self._ask({"ask": "status", "every_secs": every_secs}):
            if line.startswith(b'{"error"'):
                raise HttpipeError(str(msgspec.json.decode(line)["error"]))
            yield decoder.decode(line)

    def tap(
        self, component_id: str | None = None, where: str | None = None, per_sec: int = 100
    ) -> Iterator[Mapping[str, Any] | int]:
        """What passes: events as mappings, named as in JSON output; a number where so many were not shown.

        The first answer is an empty mapping: the tap is on. Raises ``HttpipeError``.
        """
        for answer in self._tapped({"ask": "tap", "id": component_id, "where": where, "per_sec": per_sec}):
            yield answer if isinstance(answer, int) else answer.get("event", {})

    def exchanges(self, where: str | None, per_sec: int) -> Iterator[tuple[Mapping[str, Any], Heads] | int]:
        """The same of all sources, with the heads of those whose heads are kept."""
        request = {"ask": "tap", "where": where, "per_sec": per_sec, "heads": True}
        for answer in self._tapped(request):
            yield answer if isinstance(answer, int) else (answer.get("event", {}), _heads(answer))

    def _tapped(self, request: Mapping[str, object]) -> Iterator[Mapping[str, Any] | int]:
        for line in self._ask(request):
            answer = msgspec.json.decode(line)
            if "error" in answer:
                raise HttpipeError(str(answer["error"]))
            if "missed" in answer:
                yield int(answer["missed"])
            elif "ended" in answer:
                self.complete = True
            else:
                yield answer

    def reload(self) -> str:
        """Have the pipeline file read again; returns its name. Raises ``ConfigError`` when it cannot run: nothing has changed."""
        line = next(self._ask({"ask": "reload"}), None)
        if line is None:
            raise HttpipeError("the pipeline has ended before it answered")
        answer = msgspec.json.decode(line)
        if "problems" in answer:
            raise ConfigError([Problem("", each) for each in answer["problems"]])
        if "error" in answer:
            raise HttpipeError(str(answer["error"]))
        return str(answer["reloaded"])

    def _ask(self, request: Mapping[str, object]) -> Iterator[bytes]:
        """Whole lines: one that the end of the process has cut is none."""
        try:
            self._socket.sendall(msgspec.json.encode(request) + b"\n")
            with self._socket.makefile("rb") as lines:
                for line in lines:
                    if line.endswith(b"\n"):
                        yield line
        except OSError:
            return  # the pipeline has ended, or ``close`` was called


def _heads(answer: Mapping[str, Any]) -> Heads:
    request, response = (None if head is None else head.encode("latin-1") for head in answer.get("heads", (None, None)))
    return request, response


class Instance(NamedTuple):
    """A pipeline that runs here."""

    path: str
    snapshot: Snapshot

    def is_called(self, name: str) -> bool:
        """By its pipeline file, that file's name with or without the ending, its process, or its socket."""
        file = self.snapshot.file
        base = file.rpartition("/")[2]
        return name in (file, base, base.removesuffix(".toml"), str(self.snapshot.pid), self.path)


def instances(paths: Sequence[str] | None = None) -> list[Instance]:
    """The pipelines that answer, in the order of ``sockets_here``."""
    found = []
    for path in sockets_here() if paths is None else paths:
        try:
            with ControlClient(path, LOOK_SECS) as client:
                found += [Instance(path, snapshot) for snapshot in [next(client.snapshots(), None)] if snapshot is not None]
        except HttpipeError:
            continue  # nobody listens there any more, or it is somebody else's
    return found


def find(name: str | None = None) -> str:
    """The socket of the pipeline that runs here, of several the one that is called ``name``. Raises ``HttpipeError``."""
    paths = sockets_here()
    if name is None and len(paths) == 1:
        return paths[0]
    running = instances(paths)
    called = [each for each in running if name is None or each.is_called(name)]
    if len(called) == 1:
        return called[0].path
    if not running:
        raise HttpipeError("no running httpipe was found; name its socket with --socket, as [process] control_socket does")
    what = "several pipelines run here" if name is None else f'no pipeline here is called "{name}"'
    if name is not None and called:
        what = f'several pipelines here are called "{name}"'
    raise HttpipeError("\n".join([f"{what}; name one with --instance FILE or PID:", *listing(running)]))


def listing(running: Sequence[Instance]) -> list[str]:
    """A line for each pipeline."""
    width = max((len(each.snapshot.file) for each in running), default=0)
    return [f"  {each.snapshot.file:<{width}}  PID {each.snapshot.pid}  {each.path}" for each in running]
