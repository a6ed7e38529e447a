"""Whether this process runs in a container, as far as can be told: what a remedy or a name means depends on it."""

import os
from pathlib import Path

FILES = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""Docker and Podman leave them; systemd-nspawn, LXC and Podman set ``container``, Kubernetes its own variables."""
VARIABLES = ("container", "KUBERNETES_SERVICE_HOST")


def in_container() -> bool:
    """As far as can be told."""
    return any(map(os.environ.get, VARIABLES)) or any(file.exists() for file in FILES)
