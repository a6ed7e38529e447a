"""A gate that runs, and what outlasts the source that loaded it: a reload shares it between the old source and the new one."""

import socket
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Self

from pipeline.api import CaptureError, HttpipeError
from pipeline.model.events.firewall_decision import FirewallDecision
from pipeline.sources.bpf.attach import interface_names
from pipeline.sources.gate import pins
from pipeline.sources.gate.config import FirewallConfig
from pipeline.sources.gate.decisions import event_of
from pipeline.sources.gate.gate import Gate, Sizes
from pipeline.sources.gate.place import REMEDY, Direction
from pipeline.sources.gate.watch import News

Where = tuple[str, Direction]
"""Interface and direction."""


class Running:
    """Closed when the last source has left it. Raises ``CaptureError`` where it cannot be loaded."""

    def __init__(self, config: FirewallConfig) -> None:
        self.sizes = _sizes(config)
        try:
            self.gate = Gate(self.sizes)
        except CaptureError as error:
            if not error.denied:
                raise
            raise CaptureError(str(error).partition("\n")[0], remedy=REMEDY, denied=True) from error
        self._changing = Lock()
        self._sources = 1
        self._generation = 0
        self.closed = False
        self._entries: dict[int, Sequence[str]] = {}
        self._interfaces: dict[int, str | None] = {}

    def shared(self) -> Self:
        """For one source more."""
        self._sources += 1
        return self

    def leave(self) -> None:
        """One source less."""
        self._sources -= 1
        if not self._sources:
            self.gate.close()

    def refuse_other_sizes(self, config: FirewallConfig) -> None:
        """Raise where the new options need other maps, in which no connection would be known."""
        if _sizes(config) != self.sizes:
            raise HttpipeError("ring_bytes and kernel_connections cannot change while the firewall runs; restart httpipe")

    def attach(self, config: FirewallConfig) -> list[Where]:
        """Where the options say and it does not stand yet; returns where that was. Raises ``CaptureError``."""
        refuse_missing(config.interfaces)
        added: list[Where] = []
        for interface in config.interfaces:
            if (interface, config.direction) not in self.gate.attachments:
                self.gate.attach(interface, config.direction)
                added.append((interface, config.direction))
        return added

    def detach(self, places: Iterable[Where], name: str) -> None:
        """A change that does not come about: it stands where it stood."""
        for interface, direction in places:
            self.gate.detach(interface, direction)
        self.keep(name, closed=self.closed)

    def stand(self, config: FirewallConfig, name: str) -> None:
        """It stands where the options say and nowhere else, and stays or goes with this process as they say."""
        for interface, direction in self.gate.attachments:
            if interface not in config.interfaces or direction != config.direction:
                self.gate.detach(interface, direction)
        self.closed = config.on_exit == "closed"
        self.keep(name, closed=self.closed)

    def keep(self, name: str, *, closed: bool) -> None:
        """Whether it goes on when this process ends; one of that name that has gone on is taken away. Raises ``CaptureError``."""
        if closed:
            self.gate.pin(name)
        else:
            pins.detach(name)

    def check(self, name: str) -> str:
        """What is wrong with where it stands, or empty. An interface that came back has it again, and keeps it as the others."""
        before = [(place.interface, place.index) for place in self.gate.places]
        try:
            for _ in self.gate.check():
                """What is news to the gate is in ``wrong`` as long as it lasts."""
            if [(place.interface, place.index) for place in self.gate.places] != before:
                self.keep(name, closed=self.closed)
        except Exception as error:  # noqa: BLE001  a fault here would end the source, and with it what it looks after
            return f"cannot look after the firewall: {str(error) or type(error).__name__}"
        return "; ".join(self.gate.wrong())

    def configure(self, config: FirewallConfig) -> None:
        """These options hold from the next packet on."""
        self.gate.configure(config.settings())

    def install(self, news: News) -> None:
        """These lists hold from the next request on. The kernel takes a tenth of a second: for a thread."""
        with self._changing:
            self._install(news)

    def sweep(self) -> None:
        """Give back what holds no more; for a thread, too."""
        with self._changing:
            self.gate.sweep()

    def _install(self, news: News) -> None:
        before, self._generation = self._generation, self._generation + 1
        self._entries = {before: self._entries.get(before, ()), self._generation: news.entries}
        self.gate.install(news.prepared)

    def read(self, offset_ns: int, source: str) -> list[FirewallDecision]:
        """What has been decided since."""
        return [
            event_of(each, self._entries.get(each.generation, ()), self._name(each.interface), source)
            for each in self.gate.drain(offset_ns)
        ]

    def forget_names(self) -> None:
        """Interfaces may have been renamed."""
        self._interfaces.clear()

    def _name(self, index: int) -> str | None:
        if index not in self._interfaces:
            try:
                self._interfaces[index] = socket.if_indextoname(index)
            except OSError:
                self._interfaces[index] = None
        return self._interfaces[index]


def refuse_missing(interfaces: Iterable[str]) -> None:
    """Raise ``CaptureError`` naming those that there are not."""
    there = interface_names()
    missing = [name for name in interfaces if name not in there]
    if missing:
        raise CaptureError(f"there is no interface {', '.join(missing)}", remedy=f"there are: {', '.join(there)}")


def _sizes(config: FirewallConfig) -> Sizes:
    return Sizes(ring_bytes=config.ring_bytes, connections=config.kernel_connections)
