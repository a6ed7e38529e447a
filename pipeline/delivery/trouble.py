"""Something that fails for a while: reported once when it begins and once when it is over, and waited for in between."""

from pipeline.delivery.clock import Backoff, Clock
from pipeline.delivery.health import Health, Logger

PAUSE_SECS = (0.1, 2.0)
"""The first pause at most, and every one: local trouble may be over soon, and looking again costs little."""


class Trouble:
    """``what`` completes both sentences, "cannot be written" and "can be written again"; it is also its part of the health."""

    def __init__(self, subject: str, what: str, *, log: Logger, health: Health, clock: Clock) -> None:
        self._subject = subject
        self._what = what
        self._log = log
        self.health = health
        self._clock = clock
        self._backoff = Backoff(*PAUSE_SECS, clock.random)
        self._failed_attempts = 0

    def failed(self, error: Exception, **fields: object) -> None:
        """Once more; the fields say what else matters now."""
        level = self._log.debug if self._failed_attempts else self._log.error
        level(f"{self._subject} cannot be {self._what}", extra={"error": str(error), **fields})
        self.health.trouble(error, part=self._what)
        self._failed_attempts += 1

    async def pause(self) -> None:
        """Before the next attempt: longer each time."""
        await self._clock.sleep(self._backoff.next_secs())

    def eased(self) -> None:
        """It went well this time, but it is too early to say more."""
        self._backoff.reset()

    def over(self) -> None:
        """It works again. Costs nothing where there was no trouble."""
        if self._failed_attempts:
            self._log.info(f"{self._subject} can be {self._what} again", extra={"failed_attempts": self._failed_attempts})
            self.health.ok(self._what)
            self._backoff.reset()
            self._failed_attempts = 0
