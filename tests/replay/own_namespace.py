"""A network namespace of one's own, for the scripts that make captures."""

import os
import sys

INSIDE = "HTTPIPE_REPLAY_INSIDE"


def enter_namespace(script: str) -> None:
    """Run again in a new network namespace, which goes away with this process."""
    environment = {**os.environ, INSIDE: "1"}
    command = ["unshare", "--net", "--", sys.executable, script, *sys.argv[1:]]
    os.execvpe(command[0], command, environment)  # noqa: S606  no shell is what is wanted
