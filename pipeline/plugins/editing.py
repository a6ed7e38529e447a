"""Changing the trust list: ``httpipe plugins trust`` and ``untrust``. Comments and order of the file stay as they are.

Written whole to a file beside it and put in place at once, so that no run ever reads half a list.
"""

import os
import tempfile
from pathlib import Path

import tomlkit
from tomlkit.items import Table

from pipeline.plugins.discovery import canonical
from pipeline.plugins.trust import Entry, parse_trust

HEADER = """# Which distributions' plugins httpipe may import; see docs/plugins.md. Built-ins are always allowed.
"""


def put(file: Path, distribution: str, entry: Entry) -> None:
    """Trust a distribution, instead of what the list said of it before. Raises ``ConfigError`` where the list is wrong."""
    document = _read(file)
    table = _trusted(document)
    for name in [name for name in table if canonical(name) == distribution]:
        del table[name]
    table[distribution] = entry.model_dump(exclude_none=True, exclude_defaults=True, mode="json")
    _write(file, document)


def remove(file: Path, distribution: str) -> bool:
    """Trust a distribution no more; False where it was not trusted."""
    document = _read(file)
    table = _trusted(document)
    names = [name for name in table if canonical(name) == distribution]
    for name in names:
        del table[name]
    if names:
        _write(file, document)
    return bool(names)


def _read(file: Path) -> tomlkit.TOMLDocument:
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return tomlkit.parse(HEADER)
    parse_trust(data, str(file))
    return tomlkit.parse(data)


def _trusted(document: tomlkit.TOMLDocument) -> Table:
    """The table of distributions; a super table, so that only ``[trust.NAME]`` is written."""
    table = document.get("trust")
    if not isinstance(table, Table):
        table = tomlkit.table(is_super_table=True)
        document["trust"] = table
    return table


def _write(file: Path, document: tomlkit.TOMLDocument) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    mode = file.stat().st_mode & 0o755 if file.exists() else 0o644
    with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=".plugins-", delete=False) as new:
        try:
            new.write(tomlkit.dumps(document))
            new.flush()
            os.fsync(new.fileno())
            Path(new.name).chmod(mode)
            Path(new.name).replace(file)
        except BaseException:
            Path(new.name).unlink(missing_ok=True)
            raise
