"""Options of the firewall: what the gate is told, what is refused at once, and which holes are named."""

import pytest
from pydantic import ValidationError

from pipeline.api import ConfigError, Context
from pipeline.sources.gate.abi import Answer, Doubt, Mode, Policy
from pipeline.sources.gate.config import FirewallConfig
from pipeline.sources.gate.source import FirewallSource

ENFORCE = {"mode": "enforce", "interfaces": ["lo", "eth0"], "ports": [80], "deny": {"entries": ["/admin/**"]}}


def config(**options: object) -> FirewallConfig:
    """These beside the least there must be."""
    return FirewallConfig.model_validate({**ENFORCE, **options})


def test_by_default_everything_doubtful_is_refused_and_nothing_at_all() -> None:
    """The policies are those of enforcing; the mode is that of looking."""
    settings = FirewallConfig.model_validate({"interfaces": ["lo"], "ports": [80]}).settings()
    assert (settings.mode, settings.answer, settings.refuse) == (Mode.MONITOR, Answer.FORBIDDEN, Doubt.ALL)
    assert (settings.policy, settings.report_all, settings.ports) == (Policy.ALL, False, (80,))
    assert settings.reply.endswith(
        b"Content-Length: 22\r\nConnection: close\r\nCache-Control: no-store\r\n\r\nrefused by this host.\n"
    )


def test_every_option_reaches_the_gate() -> None:
    """Each policy by itself, and doubts that are let pass."""
    settings = config(answer="reset", report="all", pass_doubts=["parameter", "dots"]).settings()
    assert (settings.answer, settings.report_all, settings.mode) == (Answer.RESET, True, Mode.ENFORCE)
    assert Doubt.ALL & ~settings.refuse == Doubt.PARAMETER | Doubt.DOTS
    assert config(body="no").settings().reply.endswith(b"\r\n\r\nno")
    for option, bit in (
        ("on_not_http", Policy.NOT_HTTP),
        ("on_midstream", Policy.MIDSTREAM),
        ("on_full", Policy.FULL),
        ("on_fragment", Policy.FRAGMENTS),
    ):
        assert config(**{option: "pass"}).settings().policy == Policy.ALL & ~bit
    assert config(on_doubt="pass").settings().refuse is Doubt.NONE


@pytest.mark.parametrize(
    "options",
    [
        {"interfaces": []},
        {"interfaces": ["any"]},
        {"interfaces": ["lo", "lo"]},
        {"ports": []},
        {"ports": [0]},
        {"body": "x" * 341},
        {"ring_bytes": 1_000_000},
        {"on_doubt": "pass", "pass_doubts": ["dots"]},
        {"pass_doubts": ["upgrade"]},
        {"deny": {"entry": ["/x"]}},
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, object]) -> None:
    """Before anything is loaded."""
    with pytest.raises(ValidationError):
        config(**options)


def test_lists_must_have_something() -> None:
    """A firewall without lists would refuse doubts only, which nobody means."""
    with pytest.raises(ConfigError, match="deny: is empty, and so is allow"):
        FirewallSource(config(deny={}), Context("gate"))


def test_closed_needs_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below Linux 6.6 nothing keeps a firewall that is sure to be found again: a configuration error, with what to set."""
    assert FirewallSource(config(on_exit="closed"), Context("gate")).warnings == []
    monkeypatch.setattr("pipeline.sources.gate.source.by_links", lambda: False)
    with pytest.raises(ConfigError, match=r'on_exit: "closed" needs Linux 6\.6 or later, and this is .*: set it to "open"'):
        FirewallSource(config(on_exit="closed"), Context("gate"))


def warned(**options: object) -> list[str]:
    """Options that the warnings of this firewall are about."""
    return [each.split(":")[0] for each in FirewallSource(config(**options), Context("gate")).warnings]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, []),
        ({"on_doubt": "pass"}, ["on_doubt"]),
        ({"pass_doubts": ["dots"]}, ["pass_doubts"]),
        ({"on_not_http": "pass", "on_midstream": "pass"}, ["on_not_http", "on_midstream"]),
        ({"on_full": "pass", "on_fragment": "pass"}, ["on_full", "on_fragment"]),
        ({"deny": {"entries": ["/a", "evil.example/x"]}}, ["deny"]),
        ({"deny": {"entries": ["evil.example"]}, "allow": {"entries": ["shop.example"]}}, []),
        ({"allow": {"entries": ["shop.example", "/shop/**"]}}, ["allow"]),
        ({"allow": {"entries": ["/shop/**"]}, "direction": "egress"}, []),
        ({"ports": [80, 8443]}, ["ports"]),
        ({"interfaces": ["eth0"]}, ["interfaces"]),
        ({"interfaces": ["eth0"], "direction": "egress"}, []),
        ({"mode": "monitor", "on_doubt": "pass", "interfaces": ["eth0"]}, []),
        ({"mode": "monitor", "on_exit": "closed"}, ["on_exit"]),
    ],
)
def test_ways_around_it_are_named(options: dict[str, object], expected: list[str]) -> None:
    """Only where it enforces, under the option that would close them."""
    assert warned(**options) == expected
