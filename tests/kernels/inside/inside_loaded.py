"""What of httpipe the kernel holds: programs and maps by name (bpftool), packet sockets by /proc/net/packet."""

import json
import subprocess

from live_namespace import Namespace

from pipeline.sources.bpf import owners, program

PACKETS = (program.ENTRY, program.PROGRAM, program.FRAMES, *program.MAPS)
OWNERS = ("who_sends", "who_receives", "who_reads", "who_connects", "who_closes", "sockets", "connecting", "who_scratch")
OURS = (*PACKETS, *OWNERS) if owners.BTF.exists() else PACKETS


def programs() -> list[str]:
    """Names of those that are loaded, with their maps."""
    found: list[str] = []
    for kind in ("prog", "map"):
        done = subprocess.run(["bpftool", "-j", kind, "show"], capture_output=True, text=True, check=True)
        found += [each["name"] for each in json.loads(done.stdout or "[]") if each.get("name") in OURS]
    return found


def sockets(namespace: Namespace) -> int:
    """Packet sockets in there."""
    done = subprocess.run(namespace.command("cat", "/proc/net/packet"), capture_output=True, text=True, check=True)
    return len(done.stdout.splitlines()) - 1
