"""The files of an installed distribution: whether they are what its RECORD says, and who could change them.

In: the distribution's ``.dist-info`` folder. Out: hashes and findings in words. It reads files and never imports one. RECORD is
a CSV table of path, hash and size (recording installed projects, Python Packaging User Guide); it is untrusted.
"""

import base64
import csv
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MAX_RECORD_BYTES = 16 << 20
"""The largest RECORD of a common package (a machine-learning framework) has 2 MB."""


class Recorded(NamedTuple):
    """A line of RECORD; ``sha256`` is empty where the installer gave none."""

    path: Path
    sha256: str


def record_sha256(folder: Path | None) -> str:
    """SHA-256 of a distribution's RECORD; empty where there is none."""
    try:
        return hashlib.sha256((folder / "RECORD").read_bytes()).hexdigest() if folder else ""
    except OSError:
        return ""


def recorded(folder: Path) -> Iterator[Recorded]:
    """The files that belong to a distribution. Raises ``OSError`` without RECORD, ``ValueError`` where it is not a table."""
    with (folder / "RECORD").open("rb") as file:
        data = file.read(MAX_RECORD_BYTES + 1)
    if len(data) > MAX_RECORD_BYTES:
        raise ValueError(f"RECORD is larger than {MAX_RECORD_BYTES >> 20} MiB")
    try:
        for row in csv.reader(data.decode().splitlines()):
            if row:
                algorithm, _, digest = (row[1] if len(row) > 1 else "").partition("=")
                yield Recorded(folder.parent / row[0], digest if algorithm == "sha256" else "")
    except csv.Error as error:
        raise ValueError(f"RECORD is not a table: {error}") from error


def altered(folder: Path) -> str:
    """The first file that is not what RECORD says, in words; empty where all are."""
    try:
        for file in recorded(folder):
            if not file.sha256:
                continue
            digest = base64.urlsafe_b64encode(hashlib.sha256(file.path.read_bytes()).digest()).decode().rstrip("=")
            if digest != file.sha256.rstrip("="):
                return f"{file.path} has changed since it was installed"
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def editable(folder: Path) -> bool:
    """Installed with ``pip install -e``: the code lies elsewhere, and RECORD says nothing about it (PEP 610)."""
    try:
        origin = json.loads((folder / "direct_url.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(origin, dict) and bool(origin.get("dir_info", {}).get("editable"))


def writable_by_others(folder: Path, uid: int) -> list[Path]:
    """Files and folders of a distribution, and the folders it lies in, that somebody else than this user or root may write."""
    places = {folder, *folder.parents}
    try:
        for file in recorded(folder):
            path = Path(os.path.normpath(file.path))
            places |= {path, path.parent}
    except (OSError, ValueError):
        pass  # reported by ``altered``
    return sorted(place for place in places if _open_to_others(place, uid))


def _open_to_others(path: Path, uid: int) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    sticky_folder = stat.S_ISDIR(status.st_mode) and bool(status.st_mode & stat.S_ISVTX)
    loose = bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)) and not sticky_folder
    return loose or status.st_uid not in (0, uid)
