"""How a firewall that enforces can be walked around, for ``httpipe validate``. Pure.

What no option closes stands in docs/firewall.md.
"""

from collections.abc import Iterator

from pipeline.api import Problem
from pipeline.sources.gate.config import FirewallConfig
from pipeline.sources.gate.lists import Understood

TLS_PORTS = frozenset((443, 8443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 5061))


def holes(config: FirewallConfig, lists: Understood) -> list[Problem]:
    """Each under the option that would close it."""
    if config.mode == "monitor":
        return list(_of_monitoring(config))
    return [*_of_policies(config), *_of_lists(config, lists), *_of_places(config)]


def _of_monitoring(config: FirewallConfig) -> Iterator[Problem]:
    if config.on_exit == "closed":
        yield Problem("on_exit", '"closed" with mode = "monitor" keeps programs that refuse nothing')


def _of_policies(config: FirewallConfig) -> Iterator[Problem]:
    if config.on_doubt == "pass":
        yield Problem(
            "on_doubt",
            '"pass" lets through what the server may read in another way, such as /x;/../admin or two lengths of a body',
        )
    if config.pass_doubts:
        names = ", ".join(config.pass_doubts)
        yield Problem(
            "pass_doubts",
            f"requests with these doubts are judged by one reading of their path, the server may have another: {names}",
        )
    if config.on_not_http == "pass":
        yield Problem(
            "on_not_http", '"pass" lets through HTTP/2 in clear text, TLS, and whatever else the server speaks on these ports'
        )
    if config.on_midstream == "pass":
        yield Problem(
            "on_midstream", '"pass" lets through what is left of a request on a connection that is older than the firewall'
        )
    if config.on_full == "pass":
        yield Problem(
            "on_full", f'"pass" lets through every new connection while a client holds {config.kernel_connections} open ones'
        )
    if config.on_fragment == "pass":
        yield Problem("on_fragment", '"pass" lets through requests that are cut into IP fragments')


def _of_lists(config: FirewallConfig, lists: Understood) -> Iterator[Problem]:
    if lists.denied_by_host and not config.allows:
        yield Problem(
            "deny",
            f'"{lists.denied_by_host}" names a host, which the client chooses: with another name, or an address, the same server '
            "may answer; name the path alone, or list what is allowed",
        )

    if lists.allowed_anywhere and config.direction == "ingress":
        yield Problem(
            "allow",
            f'"{lists.allowed_anywhere}" names no host: it is allowed whatever the client calls the server, so on all of its '
            "virtual hosts; name them",
        )


def _of_places(config: FirewallConfig) -> Iterator[Problem]:
    if encrypted := sorted(TLS_PORTS.intersection(config.ports)):
        ports = ", ".join(map(str, encrypted))
        yield Problem("ports", f"what is in TLS cannot be read: port {ports} is all refused or all let through, by on_not_http")
    if config.direction == "ingress" and "lo" not in config.interfaces:
        yield Problem("interfaces", 'requests of programs on this host, such as a proxy in front of the server, come by "lo"')
