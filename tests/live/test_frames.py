"""The program on frames of our own making: header layouts that this kernel cannot send, and what is not decoded."""

from struct import pack

import pytest
from live_frames import (
    ACK,
    ARP,
    CLIENT4,
    CLIENT6,
    IPV4,
    IPV6,
    MPLS,
    PPPOE,
    PSH,
    QINQ,
    REQUEST,
    SERVER4,
    SERVER6,
    UDP,
    VLAN,
    ethernet,
    ipv4,
    ipv6,
    tcp,
)
from live_run import Run

from pipeline.decode.http1.recognition import KNOWN_METHODS

KEY4 = CLIENT4 + SERVER4 + pack("!HH", 40000, 80)
KEY6 = CLIENT6 + SERVER6 + pack("!HH", 40000, 80)
TIMESTAMPS = bytes.fromhex("0101080a0000000100000002")
HOP_BY_HOP = (0, bytes([0, 0, 5, 2, 0, 0, 1, 0]))
ROUTING = (43, bytes([0, 2, 4, 0]) + bytes(20))
DESTINATION = (60, bytes([0, 0, 1, 4, 0, 0, 0, 0]))
AUTHENTICATION = (51, bytes([0, 4]) + bytes(22))
ATOMIC = (44, bytes([0, 0, 0, 0, 0, 0, 0, 7]))

LAYOUTS = {
    "plain": (ethernet(IPV4, ipv4(tcp())), KEY4, 0),
    "padding": (ethernet(IPV4, ipv4(tcp(b"GET / HT")) + bytes(60)), KEY4, 0),
    "ipv4-options": (ethernet(IPV4, ipv4(tcp(), options=bytes([1] * 12))), KEY4, 0),
    "ipv4-40-bytes-of-options": (ethernet(IPV4, ipv4(tcp(), options=bytes([1] * 40))), KEY4, 0),
    "tcp-options": (ethernet(IPV4, ipv4(tcp(options=TIMESTAMPS))), KEY4, 0),
    "tcp-40-bytes-of-options": (ethernet(IPV4, ipv4(tcp(options=bytes([1] * 40)))), KEY4, 0),
    "all-options": (ethernet(IPV4, ipv4(tcp(options=bytes([1] * 40)), options=bytes([1] * 40))), KEY4, 0),
    "do-not-fragment": (ethernet(IPV4, ipv4(tcp(), fragment=0x4000)), KEY4, 0),
    "length-0-as-big-tcp": (ethernet(IPV4, ipv4(tcp(), total=0)), KEY4, 0),
    "vlan": (ethernet(IPV4, ipv4(tcp()), (VLAN, 42)), KEY4, 42),
    "vlan-with-priority": (ethernet(IPV4, ipv4(tcp()), (VLAN, 0x402A)), KEY4, 42),
    "vlan-that-looks-like-ipv6": (ethernet(IPV4, ipv4(tcp()), (VLAN, 0x602A)), KEY4, 42),
    "qinq": (ethernet(IPV4, ipv4(tcp()), (QINQ, 7), (VLAN, 42)), KEY4, 42),
    "three-tags": (ethernet(IPV4, ipv4(tcp()), (QINQ, 7), (VLAN, 8), (VLAN, 9)), KEY4, 9),
    "ipv6": (ethernet(IPV6, ipv6(tcp())), KEY6, 0),
    "ipv6-padding": (ethernet(IPV6, ipv6(tcp(b"GET / HT")) + bytes(7)), KEY6, 0),
    "ipv6-tcp-options": (ethernet(IPV6, ipv6(tcp(options=TIMESTAMPS))), KEY6, 0),
    "ipv6-hop-by-hop": (ethernet(IPV6, ipv6(tcp(), HOP_BY_HOP)), KEY6, 0),
    "ipv6-routing": (ethernet(IPV6, ipv6(tcp(), ROUTING)), KEY6, 0),
    "ipv6-authentication": (ethernet(IPV6, ipv6(tcp(), AUTHENTICATION)), KEY6, 0),
    "ipv6-atomic-fragment": (ethernet(IPV6, ipv6(tcp(), ATOMIC)), KEY6, 0),
    "ipv6-many": (ethernet(IPV6, ipv6(tcp(), HOP_BY_HOP, DESTINATION, ROUTING, ATOMIC, AUTHENTICATION, DESTINATION)), KEY6, 0),
    "ipv6-length-0-as-big-tcp": (ethernet(IPV6, ipv6(tcp(), length=0)), KEY6, 0),
    "ipv6-vlan": (ethernet(IPV6, ipv6(tcp()), (VLAN, 4094)), KEY6, 4094),
    "ipv6-qinq": (ethernet(IPV6, ipv6(tcp(), DESTINATION), (QINQ, 1), (VLAN, 2)), KEY6, 2),
}


def test_layouts(run: Run) -> None:
    """Whatever headers lie before it, the payload is found, whole and without padding."""
    for number, (name, (frame, key, vlan)) in enumerate(LAYOUTS.items()):
        port = pack("!H", 40000 + number)  # a connection each
        place = frame.index(pack("!HH", 40000, 80))
        [segment] = run(frame[:place] + port + frame[place + 2 :])
        expected = b"GET / HT" if "padding" in name else REQUEST
        assert (name, segment.payload, segment.length) == (name, expected, len(expected))
        assert (name, segment.key, segment.vlan) == (name, key[:-4] + port + key[-2:], vlan)
        assert (name, segment.seq, segment.ack, segment.flags, segment.cut) == (name, 1000, 2000, ACK | PSH, False)
    assert "malformed" not in run.counts


@pytest.mark.parametrize(
    ("frame", "counter"),
    [
        pytest.param(ethernet(IPV4, ipv4(tcp(), fragment=0x2000)), "ip_fragments", id="first-fragment"),
        pytest.param(ethernet(IPV4, ipv4(tcp(), fragment=0x0010)), "ip_fragments", id="later-fragment"),
        pytest.param(ethernet(IPV6, ipv6(tcp(), (44, bytes([0, 0, 0, 1, 0, 0, 0, 7])))), "ip_fragments", id="ipv6-first"),
        pytest.param(ethernet(IPV6, ipv6(tcp(), (44, bytes([0, 0, 5, 0, 0, 0, 0, 7])))), "ip_fragments", id="ipv6-later"),
        pytest.param(ethernet(IPV4, ipv4(ipv4(tcp()), protocol=4)), "tunnelled", id="ip-in-ip"),
        pytest.param(ethernet(IPV4, ipv4(ipv6(tcp()), protocol=41)), "tunnelled", id="6in4"),
        pytest.param(ethernet(IPV4, ipv4(pack("!HH", 0, IPV4) + ipv4(tcp()), protocol=47)), "tunnelled", id="gre"),
        pytest.param(ethernet(IPV4, ipv4(pack("!HHHH", 1, 4789, 60, 0) + bytes(60), protocol=UDP)), "tunnelled", id="vxlan"),
        pytest.param(ethernet(IPV6, ipv6(pack("!HHHH", 1, 6081, 60, 0) + bytes(60), protocol=UDP)), "tunnelled", id="geneve"),
        pytest.param(ethernet(MPLS, pack("!I", 0x140) + ipv4(tcp())), "tunnelled", id="mpls"),
        pytest.param(ethernet(PPPOE, bytes(8) + ipv4(tcp())), "tunnelled", id="pppoe"),
        pytest.param(ethernet(IPV4, ipv4(tcp(offset=4))), "malformed", id="tcp-header-too-short"),
        pytest.param(ethernet(IPV4, ipv4(tcp(b"", offset=15))), "malformed", id="tcp-header-beyond-the-end"),
        pytest.param(ethernet(IPV4, ipv4(tcp(), version_ihl=0x44)), "malformed", id="ip-header-too-short"),
        pytest.param(ethernet(IPV4, ipv4(tcp(), version_ihl=0x65)), "malformed", id="wrong-version"),
        pytest.param(ethernet(IPV4, ipv4(tcp(), total=30)), "malformed", id="ip-shorter-than-tcp"),
        pytest.param(
            ethernet(IPV6, ipv6(tcp(b""), (60, bytes([0, 255]) + bytes(6)))), "malformed", id="ipv6-header-beyond-the-end"
        ),
        pytest.param(ethernet(IPV4, ipv4(tcp(b"SSH-2.0-OpenSSH_9.2p1"))), "not_http", id="ssh"),
        pytest.param(ethernet(IPV4, ipv4(tcp(b"GETTER of things"))), "not_http", id="no-method"),
        pytest.param(ethernet(IPV4, ipv4(tcp(b"GET"))), "not_http", id="short-and-opening-not-seen"),
        pytest.param(ethernet(IPV4, ipv4(tcp(bytes.fromhex("160301020001000102") + bytes(64)))), "tls_connections", id="tls"),
    ],
)
def test_what_is_not_decoded_is_counted(run_once: Run, frame: bytes, counter: str) -> None:
    """Nothing is reported of it, and a counter says why."""
    assert run_once(frame) == []
    assert run_once.counts[counter] == 1


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(ethernet(ARP, bytes(28)), id="arp"),
        pytest.param(ethernet(IPV4, ipv4(bytes(40), protocol=1)), id="icmp"),
        pytest.param(ethernet(IPV4, ipv4(b"")), id="nothing"),
        pytest.param(ethernet(IPV6, ipv6(bytes(8), protocol=58)), id="icmpv6"),
    ],
)
def test_other_protocols(run_once: Run, frame: bytes) -> None:
    """They pass without a word."""
    assert run_once(frame) == []
    assert set(run_once.counts) <= {"packets"}


def test_any_cut_of_any_frame(run_once: Run) -> None:
    """A frame cut anywhere never gives payload that was not there."""
    for frame, _, _ in LAYOUTS.values():
        # The kernel refuses to run on less than an IP header.
        for size in range(14 + (40 if b"\x86\xdd" in frame[:14] else 20), len(frame)):
            for segment in run_once(frame[:size]):
                assert REQUEST.startswith(segment.payload)
                assert segment.cut or len(segment.payload) == segment.length


def test_lengths_that_lie(run_once: Run) -> None:
    """A header that promises more than the packet has: what is there, marked as cut."""
    [segment] = run_once(ethernet(IPV4, ipv4(tcp(), total=1400)))
    assert (segment.payload, segment.length, segment.cut) == (REQUEST, 1360, True)


def test_methods(run_once: Run) -> None:
    """A segment that starts with a method makes its connection HTTP, one that merely begins like it does not."""
    for number, method in enumerate([*sorted(method.decode() for method in KNOWN_METHODS), "PRI"]):
        start = f"{method} * HTTP/1.1\r\n".encode()
        [segment] = run_once(ethernet(IPV4, ipv4(tcp(start, ports=(30000 + number, 80)))))
        assert segment.payload == start
        assert run_once(ethernet(IPV4, ipv4(tcp(start.lower(), ports=(31000 + number, 80))))) == []
        if len(method) < 8:
            assert run_once(ethernet(IPV4, ipv4(tcp(f"{method}X * HTTP/1.1\r\n".encode(), ports=(32000 + number, 80))))) == []
