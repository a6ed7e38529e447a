"""What lies beside the firewall is found in /proc."""

import os
import socket
from pathlib import Path

from pipeline.sources.gate.surroundings import other_ports, sentences


def test_other_ports_of_the_same_server() -> None:
    """Of a process that listens on one of these, over IPv4 and IPv6; of others nothing."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("::1", 0), family=socket.AF_INET6) as two:
        watched, other = one.getsockname()[1], two.getsockname()[1]
        name = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
        assert other_ports([watched])[other] == name
        assert other not in other_ports([watched, other])
    assert other not in other_ports([watched])


def test_what_is_said(tmp_path: Path) -> None:
    """Of a host that forwards; of one that cannot be read nothing."""
    assert list(sentences([80], tmp_path)) == []
    forwarding = tmp_path / "sys/net/ipv6/conf/all/forwarding"
    forwarding.parent.mkdir(parents=True)
    forwarding.write_text("1\n")
    (said,) = sentences([80], tmp_path)
    assert said.startswith("this host forwards: ")
