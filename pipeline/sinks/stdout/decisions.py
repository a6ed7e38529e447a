"""A decision of the firewall as the parts of a line: what the client got, what it asked for, and why."""

from pipeline.codecs.text import visible
from pipeline.model.events.firewall_decision import FirewallDecision
from pipeline.sinks.stdout.event_cells import EventCells, host_of
from pipeline.sinks.stdout.screen import GREEN, RED, YELLOW

HTTP_PORT = 80

_STATES = {"403": "403", "reset": "rst", "dropped": "drp"}
_TINTS = {"refused": RED, "would_refuse": YELLOW}


def cells_of(event: FirewallDecision) -> EventCells:
    """What stands where: what was refused has the status that its client got, what only would be has none."""
    action = event.httpipe_firewall_action or ""
    refused = action == "refused"
    state = _STATES.get(event.httpipe_firewall_answer or "", "---") if refused else "---" if action == "would_refuse" else "ok"
    why = [
        "" if refused or action == "allowed" else action,
        event.httpipe_firewall_reason or "",
        event.httpipe_firewall_entry or ",".join(event.httpipe_firewall_doubts),
    ]
    return EventCells(
        state,
        visible(event.http_request_method or "-"),
        host_of(event, HTTP_PORT),
        visible(event.url_path or ""),
        visible(" ".join(filter(None, why))),
        _TINTS.get(action, GREEN),
    )
