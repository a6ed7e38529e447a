"""How serious an event is, for sinks whose other end asks: syslog, OpenTelemetry's log records. Pure."""

from enum import StrEnum

from pipeline.model.events.event import Event
from pipeline.model.events.exchange import Exchange
from pipeline.model.events.firewall_decision import FirewallDecision

SERVER_CALL_ERRORS = {2, 4, 12, 13, 14, 15}
"""Statuses of gRPC that are the server's fault: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS
(OpenTelemetry's semantic conventions, "gRPC")."""


class Severity(StrEnum):
    """``ERROR``: a server failed, or no whole answer came; ``WARNING``: a client was told that it is wrong, or was refused."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def severity_of(event: Event) -> Severity:
    """By status, ``error.type`` and what the firewall decided."""
    if isinstance(event, Exchange):
        if is_server_error(event):
            return Severity.ERROR
        wrong = (event.http_response_status_code or 0) >= 400 or event.rpc_grpc_status_code
        return Severity.WARNING if wrong else Severity.INFO
    if isinstance(event, FirewallDecision):
        return Severity.INFO if event.httpipe_firewall_action == "allowed" else Severity.WARNING
    return Severity.INFO if getattr(event, "error_type", None) is None else Severity.ERROR


def is_server_error(event: Exchange) -> bool:
    """Whether the server failed: by its status, by that of a gRPC call, or since it gave no whole answer."""
    return (
        event.error_type is not None
        or (event.http_response_status_code or 0) >= 500
        or event.rpc_grpc_status_code in SERVER_CALL_ERRORS
    )
