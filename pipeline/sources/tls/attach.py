"""Probes on files: attached when a target is found, detached when it is given up or the capture ends.

Comes in: the file descriptors of the loaded programs, and targets. A link of many uprobes (Linux 6.6) is made in a millisecond
and undone in some tens; without it each probe is a perf event, which the kernel takes 100 ms to undo, one after the other.
The kernel detaches everything when this process ends, however it ends.
"""

import errno
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path

from pipeline.errors import OPEN_FILES_REMEDY, CaptureError
from pipeline.sources.bpf import rights
from pipeline.sources.bpf.syscall import link_perf_event, link_uprobes, open_uprobe_event
from pipeline.sources.tls.probe import Probe, Program, Target, cookie

MULTI_SINCE = (6, 6)
"""Linux that has links of many uprobes. Programs are loaded for one way or the other."""

PERF_SINCE = (5, 15)
"""Linux that gives perf uprobes their cookies."""

PMU = Path("/sys/bus/event_source/devices/uprobe/type")

_CLOSERS = 16
"""Threads that close links: each waits for the kernel, together they do so at the same time."""


class Attacher:
    """The probes of one capture. Not safe against two threads."""

    def __init__(self, programs: Mapping[Program, int], *, multi: bool) -> None:
        self._programs = programs
        self._multi = multi
        self._links: dict[int, list[int]] = {}

    def attach(self, path: str, target: Target, number: int) -> None:
        """All probes of a target, or none. ``number`` (from 1) stands in the cookies. Raises ``CaptureError``."""
        links: list[int] = []
        self._links[number] = links
        try:
            for (program, at_return), probes in _grouped(target.probes).items():
                places = {probe.offset: cookie(probe.call, number) for probe in probes}
                make = self._link if self._multi else self._perf_links
                make(links, program, path, places, at_return)
        except OSError as error:
            self.detach(number)
            raise _refused(target, error) from error

    @property
    def attached(self) -> set[int]:
        """Numbers of the targets that have probes."""
        return set(self._links)

    def detach(self, number: int) -> None:
        """Take the probes of a target away. Unknown numbers have none."""
        _close(self._links.pop(number, []))

    def close(self) -> None:
        """Take all probes away. Safe twice."""
        links, self._links = self._links, {}
        _close(link for opened in links.values() for link in opened)

    def _link(self, links: list[int], program: Program, path: str, places: Mapping[int, int], at_return: bool) -> None:  # noqa: FBT001  called by either name
        links.append(link_uprobes(self._programs[program], path, places, at_return=at_return))

    def _perf_links(self, links: list[int], program: Program, path: str, places: Mapping[int, int], at_return: bool) -> None:  # noqa: FBT001
        for offset, number in places.items():
            event = open_uprobe_event(_pmu(), path, offset, at_return=at_return)
            links.append(event)
            links.append(link_perf_event(self._programs[program], event, number))


@cache
def _pmu() -> int:
    try:
        return int(PMU.read_text(encoding="ascii"))
    except OSError as error:
        raise OSError(errno.ENOENT, "the kernel has no uprobes (CONFIG_UPROBE_EVENTS)") from error


def _grouped(probes: Iterable[Probe]) -> dict[tuple[Program, bool], list[Probe]]:
    groups: dict[tuple[Program, bool], list[Probe]] = {}
    for probe in probes:
        groups.setdefault((probe.program, probe.at_return), []).append(probe)
    return groups


def _close(links: Iterable[int]) -> None:
    closing = list(links)
    if len(closing) < 2:
        _close_one(closing)
        return
    with ThreadPoolExecutor(min(_CLOSERS, len(closing)), thread_name_prefix="httpipe-detach") as threads:
        list(threads.map(lambda link: _close_one([link]), closing))


def _close_one(links: Iterable[int]) -> None:
    for link in links:
        with suppress(OSError):
            os.close(link)


def _refused(target: Target, error: OSError) -> CaptureError:
    what = f"cannot attach to {target.library} {target.version}".rstrip()
    if error.errno in {errno.EPERM, errno.EACCES}:
        return CaptureError(f"{what}: no permission", remedy=rights.PROBING_REMEDY, denied=True)
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return CaptureError(f"{what}: {os.strerror(error.errno).lower()}", remedy=OPEN_FILES_REMEDY)
    return CaptureError(f"{what}: {error.strerror or error}", remedy="httpipe doctor --tls looks at the processes of this host")
