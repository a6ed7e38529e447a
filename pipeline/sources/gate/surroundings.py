"""What of this host lies outside of what the firewall watches: other ports of the same servers, traffic that only passes through.

Looked up in /proc once, when it starts. Raises nothing: what cannot be read is not said.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

PROC = Path("/proc")
_LISTEN = "0A"
"""TCP_LISTEN of include/net/tcp_states.h, as /proc/net/tcp has it."""


def sentences(ports: Collection[int], proc: Path = PROC) -> Iterator[str]:
    """Ways around it that only the host shows."""
    others = other_ports(ports, proc)
    if others:
        named = ", ".join(f"{port} ({program})" for port, program in sorted(others.items()))
        yield f"its servers listen on other ports, too, which it does not watch: {named}"
    if _forwards(proc):
        yield "this host forwards: requests that only pass through are judged by their port like those to its own servers"


def other_ports(ports: Collection[int], proc: Path = PROC) -> dict[int, str]:
    """Other ports of the processes that listen on these, with their names."""
    listening = _listening(proc)
    found: dict[int, str] = {}
    for process in proc.glob("[0-9]*"):
        own = {listening[inode] for inode in _sockets(process) if inode in listening}
        if own & set(ports):
            name = _read(process / "comm").strip()
            found.update(dict.fromkeys(own - set(ports), name))
    return found


def _listening(proc: Path) -> dict[str, int]:
    """Inode of each listening TCP socket of this network namespace → its port."""
    lines = [line.split() for table in ("tcp", "tcp6") for line in _read(proc / "self/net" / table).splitlines()[1:]]
    return {line[9]: int(line[1].rpartition(":")[2], 16) for line in lines if line[3] == _LISTEN}


def _sockets(process: Path) -> Iterator[str]:
    """Inodes of the sockets that it holds open."""
    try:
        for descriptor in (process / "fd").iterdir():
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                yield target[8:-1]
    except OSError:
        return  # it ended meanwhile, or is not ours to look at


def _forwards(proc: Path) -> bool:
    return any(_read(proc / "sys/net" / name).strip() == "1" for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"))


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
