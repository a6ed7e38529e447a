"""``struct process_facts``: what the kernel says of a process at first sight."""

import re
from dataclasses import dataclass
from struct import Struct

from pipeline.model.records import Process

_HEAD = Struct("=IHBBH6x")
_CONTAINER = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one process."""

    pid: int
    path: str
    container: str = ""

    @classmethod
    def parse(cls, raw: bytes) -> "Facts":
        """As far as it was filled."""
        pid, _, components, groups, _ = _HEAD.unpack_from(raw)
        words = raw[_HEAD.size :].split(b"\0")
        path = "/" + "/".join(word.decode(errors="replace") for word in reversed(words[:components]))
        names = b" ".join(words[components : components + groups]).decode(errors="replace")
        found = _CONTAINER.search(names)
        return cls(pid, path, found.group() if found else "")

    @property
    def process(self) -> Process:
        """For records."""
        return Process(self.pid, self.path.rpartition("/")[2], self.container)
