"""The transform `user_agent`: which program, on which system, says each exchange's User-Agent field.

The names are OpenTelemetry's (`user_agent.*`). What the field says is the client's word, and anybody can lie. The rules
are those of uap-core, matched by regular expressions that take linear time whatever the text is.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import ua_parser

from httpipe import DEFAULT, AttributeValue, Config, Context, Event, Exchange, FieldType, Outputs, Transform

LONGEST = 512
"""Characters that are looked at: browsers send 80 to 250, and anybody may send megabytes."""
REMEMBERED = 2048
"""Different fields whose meaning is kept, 4 MB at the most: an exchange with a new one costs 50 to 100 µs, with a known one 2."""


class UserAgentConfig(Config):
    """Options of the `user_agent` transform."""

    keep_original: bool = True
    """Whether `user_agent.original` stays: it tells people apart better than the names alone."""


class UserAgent(Transform):
    """Adds `user_agent.name`, `.version`, `.os.name`, `.os.version`, and `.synthetic.type` = `bot` for known robots."""

    api_version = 1
    Config = UserAgentConfig
    adds = dict.fromkeys(
        ("user_agent.name", "user_agent.version", "user_agent.os.name", "user_agent.os.version", "user_agent.synthetic.type"),
        FieldType.STRING,
    )

    def __init__(self, config: UserAgentConfig, context: Context) -> None:  # noqa: ARG002  needs no context
        """Compile the rules now: that takes a third of a second, which no exchange shall wait for."""
        self.changes = {} if config.keep_original else {"user_agent_original": None}
        meaning("warm-up")

    def process(self, batch: Sequence[Event]) -> Outputs:
        """Each exchange with what its field means; all else as it is."""
        return {DEFAULT: [self.named(event) for event in batch]}

    def named(self, event: Event) -> Event:
        """The event with its names, where there is something to name."""
        if not isinstance(event, Exchange) or event.user_agent_original is None:
            return event
        return event.replace(attributes={**event.attributes, **meaning(event.user_agent_original[:LONGEST])}, **self.changes)


@lru_cache(REMEMBERED)
def meaning(text: str) -> Mapping[str, AttributeValue]:
    """Attributes for a User-Agent field; what is not known is left out."""
    found = ua_parser.parse(text.encode(errors="replace").decode())  # it may hold what UTF-8 cannot
    client, system, device = found.user_agent, found.os, found.device
    attributes = {
        "user_agent.name": client and client.family,
        "user_agent.version": client and dotted(client.major, client.minor, client.patch, client.patch_minor),
        "user_agent.os.name": system and system.family,
        "user_agent.os.version": system and dotted(system.major, system.minor, system.patch, system.patch_minor),
        "user_agent.synthetic.type": "bot" if device and device.family == "Spider" else None,
    }
    return {name: value for name, value in attributes.items() if value}


def dotted(*parts: str | None) -> str:
    """Version numbers up to the first that is not known."""
    known = parts[: parts.index(None)] if None in parts else parts
    return ".".join(part for part in known if part)
