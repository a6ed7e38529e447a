"""Decisions of the kernel become events."""

from socket import AF_INET6, inet_aton, inet_pton

from pipeline.sources.gate.abi import Action, Answer, Decision, Doubt, Mode, Reason
from pipeline.sources.gate.decisions import ACTIONS, ANSWERS, REASONS, doubts_of, event_of

KEY = inet_aton("192.0.2.1") + inet_aton("198.51.100.2") + (50000).to_bytes(2, "big") + (80).to_bytes(2, "big")


def decision(**changes: object) -> Decision:
    """A refused request."""
    made = Decision(
        ts_ns=5, key=KEY, seq=1, interface=2, doubts=Doubt.NONE, entry=2, generation=1, head_bytes=100, vlan=0, egress=False,
        mode=Mode.ENFORCE, reason=Reason.LISTED, action=Action.REFUSED, answer=Answer.FORBIDDEN, path_bytes=2,
        method=b"GET", host=b"shop.example", path=b"/a",
    )  # fmt: skip
    return made._replace(**changes)


def test_a_refused_request() -> None:
    """Who asked for what, on which interface, and which entry refused it."""
    event = event_of(decision(), ("/b", "/a"), "eth0", "gate")
    assert (event.timestamp_ns, event.client_address, event.client_port) == (5, "192.0.2.1", 50000)
    assert (event.server_address, event.server_port, event.network_local_address) == ("shop.example", 80, "198.51.100.2")
    assert (event.http_request_method, event.url_path, event.network_interface_name) == ("GET", "/a", "eth0")
    assert (event.httpipe_firewall_action, event.httpipe_firewall_reason, event.httpipe_firewall_entry) == (
        "refused",
        "denied",
        "/a",
    )
    assert (event.httpipe_firewall_mode, event.httpipe_firewall_answer) == ("enforce", "403")
    assert (event.httpipe_firewall_direction, event.httpipe_source, event.httpipe_capture) == ("ingress", "gate", "firewall")


def test_what_is_no_request() -> None:
    """Neither method nor path; the server is called by its address. Bytes that are no text are escaped."""
    key = inet_pton(AF_INET6, "fd25::1") + inet_pton(AF_INET6, "fd25::2") + KEY[-4:]
    event = event_of(
        decision(key=key, entry=0, reason=Reason.NOT_HTTP, answer=Answer.RESET, method=b"", host=b"", path=b""), (), None, "gate"
    )
    assert (event.server_address, event.network_type, event.http_request_method, event.url_path) == (
        "fd25::2",
        "ipv6",
        None,
        None,
    )
    assert (event.httpipe_firewall_entry, event.httpipe_firewall_reason) == (None, "not_http")
    assert event_of(decision(path=b"/\xff\n"), (), None, "gate").url_path == "/%FF\n"


def test_an_entry_of_a_list_that_nobody_remembers() -> None:
    """Is not guessed."""
    assert event_of(decision(entry=3), ("/b", "/a"), None, "gate").httpipe_firewall_entry is None


def test_every_word_of_the_kernel_has_one() -> None:
    """And facts are no doubts."""
    assert (set(ACTIONS), set(ANSWERS), set(REASONS)) == (set(Action), set(Answer), set(Reason))
    assert doubts_of(Doubt.FRAMING | Doubt.UTF8 | Doubt.UPGRADE | Doubt.SPLIT) == ("framing", "utf8")
    assert len(doubts_of(Doubt.ALL)) == 18
