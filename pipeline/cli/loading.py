"""From the name of a pipeline file to its plan: the one place that reads the file, the environment and the trust list.

Raises ``ConfigError`` for a file that is missing, a directory or wrong, ``PermissionError`` for one that may not be read.
"""

import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.document import Document, parse
from pipeline.errors import ConfigError, Problem
from pipeline.plugins.discovery import Plugin, discover
from pipeline.plugins.registry import Registry, Trust
from pipeline.topology.build import build
from pipeline.topology.components import Mode
from pipeline.topology.plan import Plan

if TYPE_CHECKING:
    from mmap import mmap

    from pipeline.topology.cases import Case

DEFAULT_FILE = "pipeline.toml"
PLUGINS_FILE = "plugins.toml"

FIRST_FILE = """; name another, or write it. This shows the HTTP traffic of this host; `httpipe list` has more:
    [sources.http]
    type = "bpf"

    [sinks.console]
    type = "stdout"
    inputs = ["http"]"""
"""What a new user in an empty folder reads."""

_JSON_LOG = re.compile(rb'^\s*(telemetry\.)?log_format\s*=\s*"json"', re.MULTILINE)
"""What a file that is not valid TOML still says."""

MAX_FILE_BYTES = 16 << 20
"""A pipeline file is a few KB; this bounds what a wrong argument (a capture file, /dev/zero) costs."""


def load(file: str) -> Plan:
    """The plan of a pipeline file, wholly checked: for a run that reads its file again, with the privileges it has by then."""
    return build(document(file), registry(file), read_table, map_file=map_table)


def load_for_start(file: str, log_format: Callable[[str], None]) -> Plan:
    """The plan to begin with: a broken plugin does not keep the others from running.

    Where privileges will be given up, the plugins of others are not imported before that. ``log_format`` learns how the file
    wants the log as soon as that can be known, so that what is wrong with the file is reported in the same way.
    """
    data = _read(file)
    if _JSON_LOG.search(data):
        log_format("json")
    read = _parsed(data, file)
    log_format(str(read.telemetry.get("log_format", "text")))
    drops = os.geteuid() == 0 and "user" in read.process
    return build(read, registry(file), read_table, Mode.DEFERRED if drops else Mode.TOLERANT, map_table)


def load_to_look(file: str) -> Plan:
    """The plan of a pipeline file, wholly checked and not to be run."""
    return build(*_without_privileges(file), read_table, map_file=map_table)


def load_to_check(file: str) -> "tuple[Plan, list[Case]]":
    """The plan of a pipeline file and its tests, both wholly checked and not to be run. Every problem is reported at once."""
    read, known = document(file), registry(file)
    nobody = _nobody(read)
    try:
        if nobody is None:
            _drop_privileges(read, known)
            return _with_tests(read, known, Mode.STRICT)
        _with_tests(read, known, Mode.DEFERRED)  # as whom plugins may be imported is not known
    except ConfigError as error:
        problems = [*([nobody] if nobody else ()), *error.problems]
        raise ConfigError(read.in_order(problems), file=error.file, warnings=error.warnings) from error
    raise ConfigError([nobody], file=read.file)


def _nobody(read: Document) -> Problem | None:
    """What is wrong with the account that the pipeline shall run as, as far as can be known without privileges."""
    user = read.process.get("user")
    if not isinstance(user, str):
        return None
    from pipeline.runtime.process import privileges  # noqa: PLC0415  seldom needed

    return privileges.unknown(user)


def _without_privileges(file: str) -> tuple[Document, Registry]:
    """What a plan is built from."""
    read, known = document(file), registry(file)
    _drop_privileges(read, known)
    return read, known


def _drop_privileges(read: Document, known: Registry) -> None:
    """Give privileges up before anybody else's code is imported, as `run` would."""
    user = read.process.get("user")
    if os.geteuid() == 0 and isinstance(user, str):
        from pipeline.runtime.process import privileges  # noqa: PLC0415  seldom needed

        if build(read, known, read_table, Mode.DEFERRED, map_table).complete is not None:
            privileges.drop(privileges.find(user))


def _with_tests(read: Document, known: Registry, mode: Mode) -> "tuple[Plan, list[Case]]":
    try:
        plan = build(read, known, read_table, mode, map_table)
    except ConfigError as error:
        if not read.tests:
            raise
        from pipeline.topology.cases import problems_without_plan  # noqa: PLC0415  start-up: `run` looks at no tests

        problems = [*error.problems, *problems_without_plan(read.tests, read.entries)]
        raise ConfigError(read.in_order(problems), file=error.file, warnings=error.warnings) from error
    if not read.tests or mode is Mode.DEFERRED:
        return plan, []
    from pipeline.topology.case_runner import added_attributes  # noqa: PLC0415  start-up: `run` looks at no tests
    from pipeline.topology.cases import cases  # noqa: PLC0415

    found, problems = cases(read.tests, plan, added_attributes(plan, read_table, map_table))
    if problems:
        raise ConfigError(read.in_order(problems), file=read.file)
    return plan, found


def read_table(path: str) -> bytes:
    """A file that a transform names."""
    from pipeline.runtime.units import files  # noqa: PLC0415  start-up: most pipelines name none

    return files.read_table(path)


def map_table(path: str) -> "mmap":
    """The same, mapped."""
    from pipeline.runtime.units import files  # noqa: PLC0415  as above

    return files.map_table(path)


def document(file: str) -> Document:
    """The file, parsed; ``-`` is standard input."""
    return _parsed(_read(file), file)


def _parsed(data: bytes, file: str) -> Document:
    return parse(data, "standard input" if file == "-" else file, os.environ)


def registry(file: str) -> Registry:
    """The plugins there are, and the trust list that holds for this file."""
    return Registry(discover(), TrustBeside(file))


class TrustBeside:
    """The trust list that holds for a pipeline file; it is read when the first plugin of somebody else is named."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._list: Trust | None = None

    def refusal(self, plugin: Plugin) -> str:
        """Why this plugin may not be imported; empty where it may."""
        if self._list is None:
            from pipeline.plugins.trust import find_trust  # noqa: PLC0415  start-up: most pipelines name none

            self._list = find_trust(Path(self._file).parent, self._meant())
        return self._list.refusal(plugin)

    def _meant(self) -> str:
        """What `httpipe plugins trust`, called from here, needs so that it writes the list of this file."""
        if Path(self._file) == Path(DEFAULT_FILE):
            return ""
        return f" --file {PLUGINS_FILE}" if self._file == "-" else f" --plugins-for {shlex.quote(self._file)}"


def _read(file: str) -> bytes:
    try:
        if file == "-":
            return _bounded(sys.stdin.buffer.read(MAX_FILE_BYTES + 1), file)
        with Path(file).open("rb") as opened:
            return _bounded(opened.read(MAX_FILE_BYTES + 1), file)
    except PermissionError:
        raise
    except OSError as error:
        raise ConfigError([Problem("", _words(error, file))], file=file) from error


def _bounded(data: bytes, file: str) -> bytes:
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError([Problem("", f"is larger than {MAX_FILE_BYTES >> 20} MiB: not a pipeline file")], file=file)
    return data


def _words(error: OSError, file: str) -> str:
    if isinstance(error, FileNotFoundError):
        return f"no such file{FIRST_FILE if file == DEFAULT_FILE else ''}"
    if isinstance(error, IsADirectoryError):
        return f"is a folder; did you mean {Path(file) / DEFAULT_FILE}?"
    return (error.strerror or str(error)).lower()
