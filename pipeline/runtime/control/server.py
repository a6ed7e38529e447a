"""The control socket: what `httpipe top` and `httpipe tap` ask a running pipeline. A local socket, for its owner only (0600).

It listens, lets few clients in at a time, and keeps every client apart: what one of them does, or what goes wrong while it is
served, ends its own connection and never reaches the run. What is asked and answered stands in ``session``.
"""

import socket
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import anyio

from pipeline.runtime.control.connection import Connection, Listener
from pipeline.runtime.control.service import ControlService
from pipeline.runtime.control.session import ControlSession, line
from pipeline.telemetry.logs import ComponentLog

MAX_CLIENTS = 8
"""Each may cost some milliseconds a second, and a descriptor that a sink may want. One more gets an error and is disconnected."""
BACKLOG = 64
"""What may stand in the kernel before it is accepted; it costs the process nothing."""
PAUSE_SECS = 0.005
"""Between two clients: whoever connects as fast as it can takes a few percent of the loop."""
FAILED_PAUSE_SECS = 0.5
"""Before trying again after the process had no descriptor left."""


class ControlServer:
    """Answers on the first of ``paths`` that no other httpipe answers on. ``asked_for``: the pipeline file names the path."""

    def __init__(self, paths: Sequence[str], service: ControlService, *, asked_for: bool = True) -> None:
        self.path = ""
        self._paths = paths
        self._asked_for = asked_for
        self._service = service
        self._log = ComponentLog("")
        self._clients = 0

    async def run(self) -> None:
        """Listen until cancelled. The pipeline runs without a socket too; that it has none is logged."""
        try:
            listener = self._listen()
        except OSError as error:
            report = self._log.warning if self._asked_for else self._log.debug
            report("no control socket: top and tap will not work", extra={"path": self._paths[0], "error": str(error)})
            return
        if listener is None:
            self._log.warning(
                "no control socket: another httpipe listens there; top and tap show that one, not this one. "
                "Name one of its own in [process] control_socket",
                extra={"path": self._paths[-1]},
            )
            return
        try:
            with closing(listener):
                await self._serve(listener)
        except Exception as error:  # noqa: BLE001  whatever fails here, the run goes on without top and tap
            self._log.error("the control socket has failed: top and tap no longer work", exc_info=error)
        finally:
            with suppress(OSError):  # the folder may no longer be ours to change
                Path(self.path).unlink(missing_ok=True)  # noqa: ASYNC240  one system call at the end

    def _listen(self) -> Listener | None:
        """None where others listen everywhere. Raises ``OSError``."""
        self.path = next((path for path in self._paths if not somebody_answers(path)), "")
        if not self.path:
            return None
        if self.path != self._paths[0]:
            self._log.debug("another httpipe has the first control socket, this one has its own", extra={"path": self.path})
        Path(self.path).unlink(missing_ok=True)  # a socket that a crash left behind
        return Listener(self.path, BACKLOG)

    async def _serve(self, listener: Listener) -> None:
        async with anyio.create_task_group() as clients:
            while True:
                try:
                    client = await listener.accept()
                except OSError as error:  # EMFILE, mostly: the client waits in the kernel
                    self._log.warning("cannot accept a client of the control socket; it waits", extra={"error": str(error)})
                    await anyio.sleep(FAILED_PAUSE_SECS)
                    continue
                if self._clients < MAX_CLIENTS:
                    self._clients += 1
                    clients.start_soon(self._serve_one, client)
                else:
                    client.send_now(line({"error": f"{MAX_CLIENTS} clients are connected, more are not served; end one of them"}))
                    client.close()
                await anyio.sleep(PAUSE_SECS)

    async def _serve_one(self, client: Connection) -> None:
        try:
            with closing(client):
                await ControlSession(client, self._service).run()
        except* OSError:
            pass  # it hung up, at whatever byte, or did not ask in time
        except* Exception as errors:  # noqa: BLE001  one client's trouble, or ours with it: the others and the run go on
            self._log.warning("a client of the control socket could not be served", exc_info=errors)
        finally:
            self._clients -= 1


def somebody_answers(path: str) -> bool:
    """Whether a process listens there."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(path) == 0
