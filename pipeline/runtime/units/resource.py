"""What every event of this host says of it: ``[resource]``, and what is found here. Reads two small files; never raises."""

import logging
import re
import socket
from pathlib import Path

from pipeline.config.options import ResourceOptions
from pipeline.container import in_container

log = logging.getLogger("httpipe")

MACHINE_ID = ("etc/machine-id", "var/lib/dbus/machine-id")
"""machine-id(5); the second is where hosts without systemd have it."""

_INITIAL_UTS = 0xEFFFFFFE
"""Inode of the host's own UTS namespace (include/linux/proc_ns.h)."""


def found(options: ResourceOptions) -> dict[str, str]:
    """The attributes. What the file says comes before what is found; what is not known is left out."""
    host = _host(Path(options.host_root), named="host.name" in options.attributes) if options.host else {}
    return {**host, **options.attributes}


def _host(root: Path, *, named: bool) -> dict[str, str]:
    here = root == Path("/")
    name = socket.gethostname() if here else _line(root / "etc/hostname")
    if here and not named and _has_own_name() and in_container():
        log.warning(
            "host.name is the name of this container, not of its host; see docs/configuration.md, [resource]",
            extra={"host.name": name},
        )
    ids = (_line(root / path) for path in MACHINE_ID)
    # Empty or "uninitialized" in images: machine-id(5) says so of those that are made at the first boot.
    id_ = next((text for text in ids if re.fullmatch(r"[0-9a-f]{32}", text)), "")
    return {key: value for key, value in (("host.name", name), ("host.id", id_)) if value}


def _has_own_name() -> bool:
    """Whether the host name is of a namespace of its own."""
    try:
        return Path("/proc/self/ns/uts").stat().st_ino != _INITIAL_UTS
    except OSError:
        return False


def _line(path: Path) -> str:
    """The first line of a file; empty where there is none."""
    try:
        with path.open("rb") as file:
            return file.readline(256).decode("utf-8", "replace").strip()
    except OSError:
        return ""
