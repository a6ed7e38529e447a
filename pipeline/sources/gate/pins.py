"""What outlives its process: links that are pinned, and below Linux 6.6 filters that a killed process left behind.

Links are pinned in the BPF file system, one folder for each gate, by its name; filters bear none.

Comes in: places, or a name. Goes out: what is kept, as ``Pinned``. Whoever starts a gate of the same name attaches before the
one that is pinned, and then takes its place: there is no gap.
"""

import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import CaptureError
from pipeline.sources.bpf import clsact, tcx
from pipeline.sources.gate import holders
from pipeline.sources.gate.place import Place, by_links

FOLDER = Path("/sys/fs/bpf/httpipe-gate")

LEFT = "left-behind"
"""The name of filters that a killed process left behind: they bear none."""

_DIRECTIONS = {tcx.INGRESS: "ingress", tcx.EGRESS: "egress"}
_CLSACT = {"ingress": clsact.INGRESS, "egress": clsact.EGRESS}


@dataclass(frozen=True, slots=True)
class Pinned:
    """A link that is kept, or a filter, which has no path.

    ``interface`` is empty where it has gone. ``before``: programs that come first.
    """

    gate: str
    interface: str
    direction: str
    program: int
    before: tuple[int, ...]
    path: Path | None

    @property
    def judges(self) -> bool:
        """Whether it refuses; each gate has a second one, for what servers answer."""
        return self.path is None or self.path.name.endswith(":judge")


def keep(places: Iterable[Place], name: str, folder: Path | None = None) -> None:
    """Pin all links of these places, and let go of others of the same name. Raises ``CaptureError``."""
    if not by_links():
        what = 'on_exit = "closed" needs Linux 6.6 or later'
        raise CaptureError(what, remedy='set on_exit = "open"')
    ours = (folder or FOLDER) / name
    try:
        ours.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = set(ours.iterdir())
        for place in (each for each in places if each.links):  # the interfaces of others have gone
            for kind, link in zip(("answers", "judge"), place.links, strict=True):
                path = ours / f"{place.interface}:{place.direction}:{kind}"
                unfinished = ours / f"{path.name}:new"
                unfinished.unlink(missing_ok=True)
                tcx.pin(link, unfinished)
                unfinished.replace(path)
                there.discard(path)
        for path in there:
            path.unlink(missing_ok=True)
    except OSError as error:
        remedy = "mount -t bpf bpf /sys/fs/bpf, and let this user write there"
        raise CaptureError(f"cannot pin the firewall in {ours}: {error.strerror}", remedy=remedy) from error


def status(folder: Path | None = None) -> Iterator[Pinned]:
    """What is kept, of the gates of every name. Raises ``OSError`` where that may not be read."""
    for path in sorted((folder or FOLDER).glob("*/*")):
        link = tcx.pinned(path)
        try:
            program, index, place = tcx.program_of(link)
        finally:
            os.close(link)
        interface = ""
        before: tuple[int, ...] = ()
        with suppress(OSError):
            interface = socket.if_indextoname(index)
            there = tcx.order(index, place)
            before = tuple(there[: there.index(program)]) if program in there else ()
        yield Pinned(path.parent.name, interface, _DIRECTIONS.get(place, "?"), program, before, path)
    if not by_links():
        yield from (each for each in filters() if holders.is_gate(each.program))


def filters() -> Iterator[Pinned]:
    """Those that a killed process left behind, of both kinds."""
    for index, interface in socket.if_nameindex():
        for place, direction in ((clsact.INGRESS, "ingress"), (clsact.EGRESS, "egress")):
            program = clsact.program(index, place)
            if program and not any(holders.holders(program)):
                yield Pinned(LEFT, interface, direction, program, (), None)


def detach(name: str = "*", folder: Path | None = None) -> int:
    """Let go of what is kept, of one gate or of all; how many links and filters that were. Raises ``OSError``."""
    folder = folder or FOLDER
    found = sorted(folder.glob(f"{name}/*"))
    for path in found:
        path.unlink(missing_ok=True)
    for each in folder.glob(name):
        with suppress(OSError):
            each.rmdir()
    left = list(filters()) if name in {LEFT, "*"} and not by_links() else []
    for filter_ in left:
        clsact.detach(socket.if_nametoindex(filter_.interface), _CLSACT[filter_.direction])
    return len(found) + len(left)
