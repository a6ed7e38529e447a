"""Reports to systemd how the service fares (``Type=notify``): ready, reloading, stopping, alive. Does nothing elsewhere.

The protocol is one datagram of ``NAME=value`` lines to the socket in ``NOTIFY_SOCKET`` (sd_notify(3)).
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress


class SdNotify:
    """The way to systemd, if there is one."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path  # an abstract socket is written with @
        self.watchdog_secs = _watchdog_secs(environ)
        self._socket: socket.socket | None = None
        if path:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    def ready(self) -> None:
        """Capturing has begun, or a reload is done."""
        self._send("READY=1")

    def reloading(self) -> None:
        """A reload begins; systemd wants to know when (sd_notify(3), RELOADING)."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Draining has begun."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """The event loop turns."""
        if self.watchdog_secs:
            self._send("WATCHDOG=1")

    def status(self, sentence: str) -> None:
        """What ``systemctl status`` shows."""
        self._send(f"STATUS={sentence}")

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        if self._socket is not None:
            with suppress(OSError):  # whether systemd listens is not our business
                self._socket.sendto(message.encode(), self._address)


def _watchdog_secs(environ: Mapping[str, str]) -> float:
    """How often systemd wants to hear from this process; 0: never (sd_watchdog_enabled(3))."""
    usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or (pid and pid != str(os.getpid())):
        return 0.0
    return int(usec) / 1e6
