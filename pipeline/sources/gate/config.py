"""The options of the ``firewall`` source, and what they mean to the gate."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.api import Config, PathOption
from pipeline.model.effects import Needs, effective
from pipeline.sources.bpf.ring_size import power_of_two
from pipeline.sources.gate import abi
from pipeline.sources.gate.place import Direction
from pipeline.sources.gate.settings import LONGEST_BODY, REASON, Settings, default_reply

Policy = Literal["refuse", "pass"]

DoubtName = Literal[
    "long", "header", "framing", "escape", "control", "double", "above", "old", "hosts", "backslash", "parameter", "slashes",
    "dots", "escaped", "utf8", "version", "body", "fragment",
]  # fmt: skip

ANSWERS = {"403": abi.Answer.FORBIDDEN, "reset": abi.Answer.RESET}


class ListOptions(Config):
    """A list of URLs: entries here, in a file, or both."""

    entries: tuple[str, ...] = ()
    """Entries as those of `match_list`: an optional method, then a host, a path or both, such as `/admin/**`,
    `*.evil.example`, `POST /upload`."""
    file: PathOption | None = None
    """File with one entry a line, `#` for comments; it is read again when it changes."""


class FirewallConfig(Config):
    """Refuse HTTP requests by lists of URLs, in the kernel, before the server has them; and tell what was refused."""

    mode: Literal["monitor", "enforce"] = "monitor"
    """`"monitor"` changes no byte and tells what would be refused; `"enforce"` refuses it."""

    interfaces: tuple[Annotated[str, Field(min_length=1, max_length=15)], ...] = Field(min_length=1)
    """Interfaces by which requests come in, such as `["eth0"]`. Those that come from this host itself come by `"lo"`."""

    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = Field(min_length=1)
    """TCP ports of the servers. What goes to other ports is not looked at."""

    direction: Direction = "ingress"
    """`"ingress"`: requests to servers of this host; `"egress"`: those of this host's clients to servers elsewhere."""

    deny: ListOptions = ListOptions()
    """What is refused."""

    allow: ListOptions = ListOptions()
    """Where it has entries or a file, everything else is refused, too; what both lists have is refused."""

    answer: Literal["403", "reset"] = "403"
    """What a refused client gets: a response with status 403, or a reset connection. Where a response is not possible, as
    behind an allowed request that is not answered yet, it is a reset."""

    body: str = REASON
    """Text of the 403."""

    report: Literal["refusals", "all"] = "refusals"
    """Which decisions become events. `"all"` makes one of each request; allowed ones are counted in any case."""

    on_doubt: Policy = "refuse"
    """What happens to requests that some servers understand in another way than the firewall does. With `"pass"` they are judged
    by the canonical path alone."""

    pass_doubts: tuple[DoubtName, ...] = ()
    """Doubts that are let pass all the same where `on_doubt = "refuse"`, such as `["parameter"]` for paths with a `;`. Which
    there are: docs/firewall.md."""

    on_not_http: Policy = "refuse"
    """What happens to connections to these ports that speak something else than HTTP/1, such as TLS or HTTP/2."""

    on_midstream: Policy = "refuse"
    """What happens to connections that are older than the firewall. With `"pass"` they are judged from the first segment on that
    begins with a request."""

    on_full: Policy = "refuse"
    """What happens to new connections when the table of connections is full."""

    on_fragment: Policy = "refuse"
    """What happens to IP fragments and packets with IP options, which no honest client needs."""

    on_exit: Literal["open", "closed"] = "open"
    """What stays when httpipe ends, in whatever way: `"open"`: nothing, all requests pass; `"closed"`: the firewall goes on as it
    is, until httpipe starts again or `httpipe gate detach` removes it. Needs Linux 6.6."""

    ring_bytes: int = Field(default=4 << 20, ge=1 << 16, le=1 << 30)
    """Buffer of decisions between kernel and httpipe, a power of two. What finds no room is counted, and refused all the
    same."""

    kernel_connections: int = Field(default=65536, ge=64, le=1 << 20)
    """Connections that the firewall follows at a time, about 940 bytes of kernel memory each."""

    @field_validator("interfaces")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "any" in value:
            raise ValueError('name each interface: "any" is for sources that only look')
        if len(set(value)) != len(value):
            raise ValueError("an interface is named twice")
        return value

    _ring_size = field_validator("ring_bytes")(power_of_two)

    @field_validator("body")
    @classmethod
    def _short(cls, value: str) -> str:
        if len(value.encode()) > LONGEST_BODY:
            raise ValueError(f"has {len(value.encode())} bytes; at most {LONGEST_BODY}, so that the answer is one packet")
        return value

    @model_validator(mode="after")
    def _all_has_an_effect(self) -> Self:
        return effective(
            self,
            Needs(["pass_doubts"], 'on_doubt = "refuse"', self.on_doubt == "refuse"),
            Needs(["body"], 'answer = "403"', self.answer == "403"),
        )

    @property
    def denies(self) -> bool:
        """Whether there is a list of what is denied."""
        return bool(self.deny.entries) or self.deny.file is not None

    @property
    def allows(self) -> bool:
        """Whether there is a list of what is allowed."""
        return bool(self.allow.entries) or self.allow.file is not None

    def settings(self) -> Settings:
        """What the gate is told."""
        passed = abi.Doubt.NONE
        for name in self.pass_doubts:
            passed |= abi.Doubt[name.upper()]
        policies = {
            abi.Policy.NOT_HTTP: self.on_not_http,
            abi.Policy.MIDSTREAM: self.on_midstream,
            abi.Policy.FULL: self.on_full,
            abi.Policy.FRAGMENTS: self.on_fragment,
        }
        policy = abi.Policy.NONE
        for bit, chosen in policies.items():
            policy |= bit if chosen == "refuse" else abi.Policy.NONE
        return Settings(
            ports=self.ports,
            mode=abi.Mode[self.mode.upper()],
            answer=ANSWERS[self.answer],
            refuse=abi.Doubt.ALL & ~passed if self.on_doubt == "refuse" else abi.Doubt.NONE,
            policy=policy,
            report_all=self.report == "all",
            reply=default_reply(self.body),
        )
