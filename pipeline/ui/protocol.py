"""HTTP as uvicorn speaks it, but with an end to patience: uvicorn waits for ever for the rest of a request.

Whoever can connect could else take all places (``limit_concurrency``) with half a request each, and nobody could look.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

LOOK_SECS = 10.0
"""A connection that has asked for nothing from one look to the next is closed: a request has 10 to 20 seconds to come."""


class PatientProtocol(H11Protocol):
    """One connection."""

    _looking: asyncio.TimerHandle | None = None
    _seen: Any = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look at the clock."""
        super().connection_made(transport)
        self._looking = self.loop.call_later(LOOK_SECS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """No more."""
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        """``cycle`` is the newest request with its answer; None before the first. A stream is an answer that goes on."""
        waits = self.cycle is None or self.cycle.response_complete
        if waits and self.cycle is self._seen:
            self.transport.close()
            return
        self._seen = self.cycle
        self._looking = self.loop.call_later(LOOK_SECS, self._look)
