"""``httpipe.firewall.decision``: what the HTTP firewall decided about one request."""

from typing import ClassVar

from pipeline.model.events.connection_event import ConnectionEvent, as_in_exchanges, connection_fields
from pipeline.model.events.fields import Field, FieldType
from pipeline.model.events.kind import TIMESTAMP, Kind

STRING, STRINGS = FieldType.STRING, FieldType.STRINGS


class FirewallDecision(ConnectionEvent, frozen=True, gc=False):
    """One decision about one request, or about what should have been one."""

    event_name: ClassVar[str] = "httpipe.firewall.decision"

    httpipe_firewall_action: str | None = None
    httpipe_firewall_reason: str | None = None
    httpipe_firewall_entry: str | None = None
    httpipe_firewall_mode: str | None = None
    httpipe_firewall_doubts: tuple[str, ...] = ()
    httpipe_firewall_answer: str | None = None
    httpipe_firewall_direction: str | None = None
    network_interface_name: str | None = None
    http_request_method: str | None = None
    url_path: str | None = None


# fmt: off
FIREWALL_DECISION = Kind(
    FirewallDecision,
    "What the HTTP firewall decided about one request.",
    (
        as_in_exchanges(TIMESTAMP.name, "Time of the decision."),
        Field("httpipe.firewall.action", STRING, "`allowed`, `would_refuse` (mode `monitor`) or `refused`.", number=81, ecs=("event.action",)),
        Field("httpipe.firewall.reason", STRING, "Why not: `denied` or `not_allowed` by the lists, `doubt`, `not_http`, `midstream`, `full`, `urgent`, `fragment` or `desynchronised`; absent where it is allowed.", number=82, ecs=("event.reason",)),
        Field("httpipe.firewall.entry", STRING, "The entry of the list that fits, as it is written there.", number=83, ecs=("rule.name",)),
        Field("httpipe.firewall.mode", STRING, "`monitor` or `enforce`.", number=84),
        Field("httpipe.firewall.doubts", STRINGS, "What servers may read in another way, by the names in docs/firewall.md, such as `framing`; also where it was not refused for it.", number=85),
        Field("httpipe.firewall.answer", STRING, "What the client gets instead: `403`, `reset`, or `dropped` where there is nobody to answer; absent where the request is let through.", number=86),
        Field("httpipe.firewall.direction", STRING, "`ingress`: towards a server of this host; `egress`: from one of its clients.", number=87, ecs=("network.direction",)),
        Field("network.interface.name", STRING, "The interface on which it was seen.", number=88, ecs=("httpipe.network.interface",)),
        as_in_exchanges("http.request.method"),
        as_in_exchanges("url.path", "The path as lists are compared with it: escapes decoded, dot segments followed; 256 bytes of it."),
        *connection_fields(),
    ),
)
# fmt: on
