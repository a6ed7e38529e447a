"""What the gate decided → events. Pure."""

from collections.abc import Sequence

from pipeline.lists.path import text_of
from pipeline.model.connection import ends
from pipeline.model.events.event import NO_ATTRIBUTES
from pipeline.model.events.firewall_decision import FirewallDecision
from pipeline.sources.gate.abi import Action, Answer, Decision, Doubt, Mode, Reason

ACTIONS = {Action.ALLOWED: "allowed", Action.WOULD_REFUSE: "would_refuse", Action.REFUSED: "refused"}
REASONS = {
    Reason.NONE: None,
    Reason.LISTED: "denied",
    Reason.NOT_LISTED: "not_allowed",
    Reason.DOUBT: "doubt",
    Reason.NOT_HTTP: "not_http",
    Reason.MIDSTREAM: "midstream",
    Reason.FULL: "full",
    Reason.URGENT: "urgent",
    Reason.FRAGMENT: "fragment",
    Reason.DESYNC: "desynchronised",
}
ANSWERS = {Answer.NOTHING: None, Answer.FORBIDDEN: "403", Answer.RESET: "reset", Answer.DROPPED: "dropped"}

_EVENT_BYTES = 900
"""What an event costs in memory beside its texts."""

MODES = {Mode.MONITOR: "monitor", Mode.ENFORCE: "enforce"}

_DOUBTS = [(int(doubt), str(doubt.name).lower()) for doubt in Doubt if doubt in Doubt.ALL and doubt.bit_count() == 1]
_ANY_DOUBT = int(Doubt.ALL)


def event_of(decision: Decision, entries: Sequence[str], interface: str | None, source: str) -> FirewallDecision:
    """The event. ``entries``: those of the list that was asked; ``interface``: the name of the one it was seen on."""
    client, client_port, server, server_port = ends(decision.key)
    host, path = text_of(decision.host), text_of(decision.path)
    entry = entries[decision.entry - 1] if 0 < decision.entry <= len(entries) else None
    return FirewallDecision(
        decision.ts_ns,
        NO_ATTRIBUTES,
        _EVENT_BYTES + len(host) + len(path) + len(entry or ""),
        server_address=host or server,
        server_port=server_port,
        client_address=client,
        client_port=client_port,
        network_local_address=server,
        network_local_port=server_port,
        network_type="ipv4" if len(decision.key) == 12 else "ipv6",
        httpipe_source=source,
        httpipe_capture="firewall",
        httpipe_firewall_action=ACTIONS[decision.action],
        httpipe_firewall_reason=REASONS[decision.reason],
        httpipe_firewall_entry=entry,
        httpipe_firewall_mode=MODES[decision.mode],
        httpipe_firewall_doubts=doubts_of(decision.doubts),
        httpipe_firewall_answer=ANSWERS[decision.answer],
        httpipe_firewall_direction="egress" if decision.egress else "ingress",
        network_interface_name=interface,
        http_request_method=text_of(decision.method) or None,
        url_path=path or None,
    )


def doubts_of(doubts: Doubt) -> tuple[str, ...]:
    """Their names, as ``pass_doubts`` has them."""
    bits = int(doubts)  # operators of an enumeration of flags take a microsecond each
    return tuple([name for doubt, name in _DOUBTS if bits & doubt]) if bits & _ANY_DOUBT else ()
