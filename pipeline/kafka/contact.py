"""Contact with a cluster: its loss is noticed and reported, and it is looked for at the bootstrap servers again.

An aiokafka client knows its brokers by the addresses of the last metadata, and asks only those. A cluster that comes back at
other addresses, as one does that a scheduler has moved, would stay unknown for ever, and the client silent.

Uses names of aiokafka with an underscore (the connections of a client, its topics); pyproject.toml bounds the version for it.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from pipeline.cancellation import guarded
from pipeline.kafka.connection import ConnectionOptions
from pipeline.kafka.ending import finish, patiently
from pipeline.kafka.findings import unreachable

if TYPE_CHECKING:
    from aiokafka.client import AIOKafkaClient

LOOK_SECS = 1.0
"""How often the connections are looked at; that costs nothing."""

QUIET_SECS = 5.0
"""After so long without an answer from any broker, one is asked. A consumer hears from them twice a second."""

ANSWER_SECS = 5.0
"""A broker that takes longer to answer that counts as no contact."""

CLOSE_SECS = 1.0


class Contact:
    """Keeps a client in contact. ``tell`` is called with a sentence when contact is lost, with "" when it is back."""

    def __init__(self, client: "AIOKafkaClient", options: ConnectionOptions, tell: Callable[[str], None]) -> None:
        self._client = client
        self._options = options
        self._tell = tell
        self._answered = time.monotonic()

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECS)
            if self._needed() and self._quiet_secs() >= QUIET_SECS and not await self._asked():
                await self._look_again()
            else:
                self._tell("")

    def _needed(self) -> bool:
        """A producer that has not written yet needs nobody; to ask for no topic in particular would be to ask for all of them."""
        return bool(self._client._topics)  # noqa: SLF001  see the module's docstring

    def _quiet_secs(self) -> float:
        connections = self._client._conns.values()  # noqa: SLF001  as above
        self._answered = max([self._answered, *(each._last_action for each in connections)])  # noqa: SLF001  time of the last answer
        return time.monotonic() - self._answered

    async def _asked(self) -> bool:
        """Whether a broker that is known answers."""
        with anyio.move_on_after(ANSWER_SECS):
            return bool(await guarded(self._client.force_metadata_update()))
        return False

    async def _look_again(self) -> None:
        """Ask the bootstrap servers where the cluster is now, as at the start."""
        from aiokafka.conn import create_conn  # noqa: PLC0415  an optional dependency

        try:
            arguments = await anyio.to_thread.run_sync(self._options.arguments)
            found = await patiently(unreachable(self._options, create_conn, arguments))
            if not found and await patiently(self._bootstrapped(arguments)) and await self._asked():
                self._tell("")
                return
        except Exception as error:  # noqa: BLE001  whatever it is, there is no contact, and it is looked for again
            found = [f"{type(error).__name__} {error}".rstrip()]
        why = "; ".join(found) or "a bootstrap server answers, but not at the address that its cluster advertises"
        since = datetime.fromtimestamp(time.time() - self._quiet_secs(), UTC).isoformat(timespec="seconds")
        self._tell(f"no contact with any broker since {since.replace('+00:00', 'Z')}: {why}")

    async def _bootstrapped(self, arguments: dict[str, Any]) -> bool:
        """The client's own ``bootstrap`` would forget all topics for a moment, and a consumer with them its partitions."""
        from aiokafka.client import AIOKafkaClient  # noqa: PLC0415  an optional dependency

        fresh = AIOKafkaClient(**(arguments | {"request_timeout_ms": int(ANSWER_SECS * 1000)}))
        try:
            with anyio.fail_after(ANSWER_SECS * (len(self._options.hosts()) + 1)):
                await guarded(fresh.bootstrap())
                return bool(await guarded(fresh._metadata_update(self._client.cluster, self._client._topics)))  # noqa: SLF001  as above
        finally:
            await finish(fresh.close(), CLOSE_SECS)
