"""Two network namespaces, joined by every kind of device that is tried: veth, a VLAN on it, GRE over it, and tun.

A packet that is sent into a veth pair waits in a queue of the CPU that sent it (Documentation/networking/scaling.rst, RPS). Where
a server moves to another CPU while it sends, its segments overtake each other, and frames cannot be followed over that. What a
network card does for a connection is asked for here: one CPU takes all packets of a device, in their order.
"""

import fcntl
import os
import selectors
import subprocess
import threading
from pathlib import Path
from struct import pack

from live_namespace import Namespace, ip, join

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000

VETH4, VETH6, VLAN, GRE, TUN = "10.9.0.2", "[fd09::2]", "10.9.7.2", "10.9.8.2", "10.9.9.2"
"""The far end's addresses; the near end has 1 in place of 2."""


class Network:
    """``near`` and ``far``; the packets of the tun devices are carried by a thread."""

    def __init__(self) -> None:
        self.near, self.far = Namespace(), Namespace()
        join(self.near, self.far, [("10.9.0.1/24", "10.9.0.2/24"), ("fd09::1/64", "fd09::2/64")])
        for namespace, own, other in ((self.near, 1, 2), (self.far, 2, 1)):
            _in_order(namespace, "wire")
            here = ("-n", namespace.name)
            ip(*here, "link", "add", "link", "wire", "name", "wire.7", "type", "vlan", "id", "7")
            ends = ("local", f"10.9.0.{own}", "remote", f"10.9.0.{other}")
            ip(*here, "link", "add", "name", "tunnel", "type", "gre", *ends)
            for device, subnet in (("wire.7", 7), ("tunnel", 8)):
                _up(namespace, device, f"10.9.{subnet}.{own}/24")
        ends = [_tun(self.near, 1), _tun(self.far, 2)]
        threading.Thread(target=_carry, args=ends, daemon=True).start()

    def remove(self) -> None:
        """Gone, with their devices."""
        self.near.remove()
        self.far.remove()


def _in_order(namespace: Namespace, device: str) -> None:
    """The first CPU takes what the device receives, whichever CPU sent it."""
    subprocess.run(namespace.command("sh", "-c", f"echo 1 >/sys/class/net/{device}/queues/rx-0/rps_cpus"), check=True)


def _up(namespace: Namespace, device: str, address: str) -> None:
    ip("-n", namespace.name, "address", "add", address, "dev", device)
    ip("-n", namespace.name, "link", "set", device, "up")


def _tun(namespace: Namespace, own: int) -> int:
    """A device without a link header, and this end of it."""
    with namespace.entered():
        end = os.open(Path("/dev/net/tun"), os.O_RDWR)
        fcntl.ioctl(end, TUNSETIFF, pack("16sH22x", b"tun", IFF_TUN | IFF_NO_PI))
    _up(namespace, "tun", f"10.9.9.{own}/24")
    return end


def _carry(left: int, right: int) -> None:
    """From each to the other, as long as we live."""
    with selectors.DefaultSelector() as selector:
        selector.register(left, selectors.EVENT_READ, right)
        selector.register(right, selectors.EVENT_READ, left)
        while True:
            for key, _ in selector.select():
                os.write(key.data, os.read(key.fd, 65536))
