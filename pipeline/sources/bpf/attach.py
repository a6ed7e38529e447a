"""Packet sockets with the program on them: from ``attach`` on, packets pass it; closing them ends that, come what may.

In two steps, so that privileges may be dropped between them: creating a packet socket needs cap_net_raw; attaching
and binding do not. The sockets themselves receive nothing (the program answers 0), so nothing is ever read from them.
"""

import ctypes
import errno
import os
import socket
from collections.abc import Iterator
from struct import Struct

from pipeline.errors import CaptureError
from pipeline.sources.bpf import rights
from pipeline.sources.bpf.config import ANY

ETH_P_ALL = 0x0003
SO_ATTACH_BPF = 50

_ADDRESS = Struct("=HHiHBB8s")
"""``struct sockaddr_ll``: family, protocol in network byte order, interface, and what bind(2) does not read."""


def interface_names() -> list[str]:
    """Interfaces of this network namespace."""
    return [name for _, name in socket.if_nameindex()]


def check_interfaces(wanted: tuple[str, ...]) -> None:
    """Raise ``CaptureError`` naming those that do not exist."""
    there = interface_names()
    missing = [name for name in wanted if name not in there and name != ANY]
    if missing:
        what = f"there is no interface {', '.join(missing)}"
        raise CaptureError(what, remedy=f'interfaces of this host: {", ".join(there)}; or "any"')


class Sockets:
    """One socket per interface, or one for all of them."""

    def __init__(self, interfaces: tuple[str, ...]) -> None:
        self._interfaces = interfaces
        self._sockets: list[socket.socket] = []
        self._bound: dict[str, int] = {}

    def open(self) -> None:
        """Create the sockets. They see nothing yet: their protocol is 0."""
        try:
            for _ in self._interfaces:
                self._sockets.append(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0))
        except PermissionError as error:
            remedy = rights.capabilities_remedy()
            raise CaptureError("no permission to open a packet socket", remedy=remedy, denied=True) from error
        except OSError as error:
            what = f"cannot open a packet socket: {error.strerror}"
            raise CaptureError(what, remedy="the kernel needs CONFIG_PACKET") from error

    def attach(self, program_fd: int) -> None:
        """Put the program on each socket, then let packets pass."""
        for name, packets in zip(self._interfaces, self._sockets, strict=True):
            try:
                packets.setsockopt(socket.SOL_SOCKET, SO_ATTACH_BPF, program_fd)
                self._bind(name, packets)
            except OSError as error:
                raise _cannot_attach(name, error) from error

    def follow(self) -> Iterator[str]:
        """What became of named interfaces, as sentences.

        One that went and came back under its name is watched again; the kernel itself looks after one that was only down.
        """
        for name, packets in zip(self._interfaces, self._sockets, strict=False):
            if name == ANY or self._bound[name] == (now := _index(name)):
                continue
            if not now:
                self._bound[name] = 0
                yield f"the interface {name} has gone; nothing is captured there until it comes back"
                continue
            try:
                self._bind(name, packets)
            except OSError:
                continue  # gone again: the next look reports it
            yield f"the interface {name} has come back, and is captured again"

    def close(self) -> None:
        """Detach. Safe twice."""
        while self._sockets:
            self._sockets.pop().close()

    def _bind(self, name: str, packets: socket.socket) -> None:
        index = 0 if name == ANY else socket.if_nametoindex(name)
        _bind(packets, index)
        self._bound[name] = index


def _index(name: str) -> int:
    """0 where no interface has this name."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def _bind(packets: socket.socket, interface: int) -> None:
    """bind(2) itself: Python's looks the name up, and would refuse interface 0, which is all of them."""
    address = _ADDRESS.pack(socket.AF_PACKET, socket.htons(ETH_P_ALL), interface, 0, 0, 0, b"")
    if ctypes.CDLL(None, use_errno=True).bind(packets.fileno(), address, len(address)):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _cannot_attach(name: str, error: OSError) -> CaptureError:
    if error.errno == errno.ENODEV:
        return CaptureError(f"the interface {name} has gone", remedy=f"interfaces of this host: {', '.join(interface_names())}")
    if error.errno == errno.ENETDOWN:
        return CaptureError(f"the interface {name} is down", remedy=f"bring it up: ip link set {name} up")
    return CaptureError(f"cannot attach to {name}: {os.strerror(error.errno or 0)}", remedy="httpipe doctor checks this host")
