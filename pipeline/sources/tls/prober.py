"""Attaches to TLS libraries: those in use when the capture begins, and from a thread of its own those that come.

Comes in: what is wanted, and the loaded program. Goes out: probes, and the name of each library by the number in its cookies. The
thread exists because reading a file takes up to a tenth of a second, in which the ring must go on being read.
"""

import logging
import os
import select
import threading
import time
from collections.abc import Callable, Sequence
from typing import Literal

from pipeline.errors import CaptureError
from pipeline.sources.tls import mappings
from pipeline.sources.tls.attach import Attacher
from pipeline.sources.tls.canary import return_probes_are_safe
from pipeline.sources.tls.discovery import Discovery, Finding
from pipeline.sources.tls.probe import Target
from pipeline.sources.tls.program import TlsProgram
from pipeline.sources.tls.versions import OpensslVersions, of_named

MAX_TARGETS = 0xFFFF
"""Numbers of targets have 16 bits in records; none is used again."""

TIDY_SECS = 60
"""How often it is looked for files that nobody uses any more."""

Log = logging.Logger | logging.LoggerAdapter[logging.Logger]


class Prober:
    """``open``, then ``start``; ``close`` takes every probe away."""

    def __init__(self, program: TlsProgram, wanted: Callable[[str], bool], files: Sequence[str], log: Log) -> None:
        self._wanted = wanted
        self._files = files
        self._log = log
        self._attacher = Attacher(program.programs, multi=program.multi)
        self._discovery: Discovery | None = None
        self._versions = OpensslVersions()
        self._libraries: dict[int, str] = {}
        self._numbers: dict[str, list[int]] = {}
        self._turned_away = 0
        self._stop = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread: threading.Thread | None = None

    @property
    def attached(self) -> int:
        """How many libraries have probes."""
        return len(self._attacher.attached)

    def library(self, number: int) -> str:
        """The name of a target."""
        return self._libraries.get(number, "tls")

    def open(self, returns: Literal["auto", "probes", "instructions"]) -> None:
        """Attach to what is in use. Takes up to a second; raises ``CaptureError``."""
        uretprobes = returns == "probes" or (returns == "auto" and return_probes_are_safe(self._attacher))
        self._discovery = discovery = Discovery(self._wanted, self._files, uretprobes=uretprobes)
        discovery.open()
        self._log.info("ends of calls are seen by %s", "return probes" if uretprobes else "probes on return instructions")
        for finding in discovery.scan():
            self._take(finding)

    def start(self) -> None:
        """Look for libraries that come."""
        self._thread = threading.Thread(target=self._run, name="httpipe-tls-discovery", daemon=True)
        self._thread.start()

    def detach(self) -> None:
        """Take every probe away, and look for no more. Safe twice."""
        if self._thread is not None:
            os.eventfd_write(self._stop, 1)
            self._thread.join()
            self._thread = None
        self._attacher.close()

    def close(self) -> None:
        """Let go of everything. Safe twice."""
        self.detach()
        if self._discovery is not None:
            self._discovery.close()
            self._discovery = None
        if self._stop >= 0:
            os.close(self._stop)
            self._stop = -1

    def _run(self) -> None:
        discovery = self._discovery
        if discovery is None:
            return
        poll = select.poll()
        poll.register(self._stop, select.POLLIN)
        poll.register(discovery.fileno(), select.POLLIN)
        tidy_due = time.monotonic() + TIDY_SECS
        while True:
            ready = {fd for fd, _ in poll.poll(TIDY_SECS * 1000)}
            if self._stop in ready:
                return
            try:
                for finding in discovery.read():
                    self._take(finding)
                if time.monotonic() >= tidy_due:
                    tidy_due = time.monotonic() + TIDY_SECS
                    self._tidy(discovery)
            except (CaptureError, OSError) as error:
                self._log.warning("cannot look for TLS libraries: %s", error)
            except Exception:  # noqa: BLE001  whatever a strange file brings about, the next one must still be found
                self._log.exception("cannot look for TLS libraries")
            self._report_turned_away(discovery)

    def _take(self, finding: Finding) -> None:
        if not isinstance(finding.target, Target):
            self._log.warning("cannot capture %s: %s", _named(finding), finding.target.why)
            return
        number = len(self._libraries) + 1
        if number > MAX_TARGETS:
            return
        self._libraries[number] = finding.target.library
        try:
            self._attacher.attach(finding.attach_by, finding.target, number)
        except CaptureError as error:
            if error.denied:
                raise
            self._log.warning("cannot capture %s: %s", _named(finding), error)
            return
        self._numbers.setdefault(finding.attach_by, []).append(number)
        self._log.info("capturing %s", _named(finding, self._version(finding)))

    def _version(self, finding: Finding) -> str:
        """Of a shared libssl it is in another file, which is looked at when the probes are there."""
        if finding.target.version or not isinstance(finding.target, Target):
            return finding.target.version
        found = self._versions.beside(finding.path, mappings.of_process(finding.pid)) if finding.pid else ""
        return found or of_named(finding.path, finding.target.file)  # a process may be gone, or may not have mapped it yet

    def _report_turned_away(self, discovery: Discovery) -> None:
        """Files beyond what is kept open are not captured."""
        if discovery.turned_away > self._turned_away:
            self._turned_away = discovery.turned_away
            self._log.warning("%d more files with TLS libraries than are kept open: not captured", self._turned_away)

    def _tidy(self, discovery: Discovery) -> None:
        """Detach from files that were deleted and that nobody uses any more, so that their file system can go."""
        for attach_by in discovery.unused():
            for number in self._numbers.pop(attach_by, []):
                self._attacher.detach(number)
            discovery.forget(attach_by)


def _named(finding: Finding, version: str = "") -> str:
    """The library, its file, and the program that was seen with it first: a file may hold one that its user does not know of."""
    user = "" if finding.executable in ("", finding.path) else f", first used by {finding.executable}"
    library = f"{finding.target.library} {finding.target.version or version}".rstrip()
    return f"{library} in {finding.path}{user}"
