"""`httpipe doctor --tls`: the TLS processes of this host as a table, and why some of them cannot be captured."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:  # start-up
    from pipeline.sources.tls.survey import Survey, TlsProcess

NAMES = {"openssl": "OpenSSL", "boringssl": "BoringSSL", "gnutls": "GnuTLS", "nss": "NSS", "go": "Go", "jsse": "JSSE"}
"""As their makers write them; others are written as `httpipe.tls.library` has them."""

NARROWEST = 60
"""Columns."""


def show_tls(found: "Survey", *, as_json: bool) -> None:
    """Print it: one process and library a line."""
    if as_json:
        for process in found.processes:
            click.echo(json.dumps({name: getattr(process, name) for name in process.__slots__}))
        return
    width = max(NARROWEST, shutil.get_terminal_size().columns)
    for line in table(found.processes, width):
        click.echo(line)
    click.echo()
    click.echo(summary(found))


def table(processes: "Sequence[TlsProcess]", width: int) -> Iterator[str]:
    """Lines of at most so many columns; reasons stand below, once each."""
    if not processes:
        return
    ordered = sorted(processes, key=lambda process: (process.executable, process.pid))
    reasons = {why: number for number, why in enumerate(dict.fromkeys(process.why for process in ordered if process.why), 1)}
    rows = [(str(process.pid), process.executable, library(process), state(process, reasons)) for process in ordered]
    heading = ("PID", "EXECUTABLE", "LIBRARY", "CAPTURE")
    pid, _, name, last = (max(len(row[column]) for row in [heading, *rows]) for column in range(4))
    path = max(len(heading[1]), min(max(len(row[1]) for row in rows), width - pid - name - last - 6))
    for row in (heading, *rows):
        yield f"{row[0]:>{pid}}  {shortened(row[1], path):<{path}}  {row[2]:<{name}}  {row[3]}".rstrip()
    if reasons:
        yield ""
    for why, number in reasons.items():
        yield from wrapped(f"({number}) ", why, width)


def library(process: "TlsProcess") -> str:
    """Such as ``OpenSSL 3.0.19``."""
    return f"{NAMES.get(process.library, process.library)} {process.version}".rstrip()


def state(process: "TlsProcess", reasons: dict[str, int]) -> str:
    """Whether probes are attached, can be, or why not."""
    if process.why:
        return f"no ({reasons[process.why]})"
    return "attached" if process.attached else "possible"


def shortened(path: str, width: int) -> str:
    """Its end is what tells programs apart."""
    return path if len(path) <= width else f"…{path[len(path) - width + 1 :]}"


def wrapped(mark: str, words: str, width: int) -> Iterator[str]:
    """Lines of words behind a mark."""
    line = mark
    for word in words.split():
        if len(line) + len(word) > width and line.strip():
            yield line.rstrip()
            line = " " * len(mark)
        line += f"{word} "
    yield line.rstrip()


def summary(found: "Survey") -> str:
    """How many there are, and what could not be seen."""
    possible = len({process.pid for process in found.processes if not process.why})
    attached = len({process.pid for process in found.processes if process.attached})
    everyone = len({process.pid for process in found.processes})
    words = f"{_count(everyone, 'process speaks', 'processes speak')} TLS: {possible} can be captured, {attached} attached now."
    if found.hidden:
        words += f"\n{_count(found.hidden, 'process', 'processes')} could not be looked at"
        words += "." if os.geteuid() == 0 else "; root can look at more."
    return words


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
