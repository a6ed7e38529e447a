"""`[resource]`: what events of this host say of it, by default and by the file, and which events do."""

import logging
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.api import FieldType
from pipeline.cli.loading import read_table
from pipeline.config.document import parse
from pipeline.config.options import ResourceOptions
from pipeline.errors import ConfigError
from pipeline.plugins.discovery import discover
from pipeline.plugins.registry import Registry, TrustNothing
from pipeline.runtime.differences import source_changed
from pipeline.runtime.units import resource
from pipeline.topology.build import build
from pipeline.topology.plan import Plan

ID = "0123456789abcdef0123456789abcdef"
SOURCES = '[sources.live]\ntype = "bpf"\n[sources.file]\ntype = "pcap"\npath = "a.pcap"\n'
SINKS = '[sinks.b]\ntype = "null"\ninputs = ["live", "file"]\n'


def plan(text: str, sources: str = SOURCES) -> Plan:
    """Of a file with a live source and one of a file."""
    return build(parse(f"{text}\n{sources}{SINKS}".encode(), "p.toml", {}), Registry(discover(), TrustNothing()), read_table)


def found(**options: Any) -> Mapping[str, str]:
    """What an event gets."""
    return resource.found(ResourceOptions.model_validate(options))


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host's file system, mounted in a container."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hostname").write_text("web-1.example\n")
    (tmp_path / "etc/machine-id").write_text(f"{ID}\n")
    return tmp_path


def test_the_empty_table_names_the_host() -> None:
    """As the kernel does; its id is that of machine-id(5), where it has one."""
    attributes = found()
    assert attributes["host.name"] == socket.gethostname()
    path = Path("/etc/machine-id")
    assert attributes.get("host.id", "") == (path.read_text().strip() if path.exists() else "")


def test_a_mounted_host_is_the_host(host: Path) -> None:
    """Not the container that looks."""
    assert found(host_root=str(host)) == {"host.name": "web-1.example", "host.id": ID}


@pytest.mark.parametrize("text", ["", "uninitialized\n", "not an id\n", None])
def test_what_is_not_known_is_left_out(host: Path, text: str | None) -> None:
    """Images have an empty machine-id, or none; then that of D-Bus counts, if there is one."""
    path = host / "etc/machine-id"
    path.unlink() if text is None else path.write_text(text)
    assert found(host_root=str(host)) == {"host.name": "web-1.example"}
    (host / "var/lib/dbus").mkdir(parents=True)
    (host / "var/lib/dbus/machine-id").write_text(ID)
    assert found(host_root=str(host))["host.id"] == ID


def test_what_the_file_says_comes_first(host: Path) -> None:
    """Such as the node's name in Kubernetes; and nothing is looked up where nobody asks."""
    attributes = {"host.name": "node-1", "service.name": "shop"}
    assert found(host_root=str(host), attributes=attributes) == {**attributes, "host.id": ID}
    assert found(host=False, attributes={"service.name": "shop"}) == {"service.name": "shop"}


def test_a_container_that_says_its_own_name_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, at the start; not where the file names the host."""
    monkeypatch.setattr(resource, "in_container", lambda: True)
    monkeypatch.setattr(resource, "_INITIAL_UTS", 0)
    with caplog.at_level(logging.WARNING, "httpipe"):
        found(attributes={"host.name": "node-1"})
        assert not caplog.messages
        found()
    assert caplog.messages == ["host.name is the name of this container, not of its host; see docs/configuration.md, [resource]"]


def test_files_tell_of_other_hosts_unless_the_file_says_otherwise() -> None:
    """What tcpdump writes into a pipe is of this one."""
    assert plan("").sources["live"].resource is None
    made = plan("[resource]").sources
    assert (made["live"].resource, made["file"].resource) == (ResourceOptions(), None)
    changed = plan("[resource]", SOURCES.replace('"bpf"\n', '"bpf"\nresource = false\n') + "resource = true\n").sources
    assert (changed["live"].resource, changed["file"].resource) == (None, ResourceOptions())


def test_expressions_know_the_attributes() -> None:
    """With `[resource]` and not without."""
    keep = '[transforms.keep]\ntype = "filter"\ninputs = ["live"]\nwhere = \'host.name == "a" and service.name == "b"\'\n'
    made = plan('[resource]\nattributes."service.name" = "x"', SOURCES + keep)
    names = ("host.name", "host.id", "service.name")
    assert made.transforms["keep"].attributes == dict.fromkeys(names, FieldType.STRING)
    with pytest.raises(ConfigError, match="unknown field"):
        plan("", SOURCES + keep)


def test_a_reload_with_another_table_is_a_change() -> None:
    """Of the sources that it concerns."""
    before, after = plan("[resource]").sources, plan('[resource]\nattributes.a = "b"').sources
    assert source_changed(before["live"], after["live"])
    assert not source_changed(before["file"], after["file"])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('attributes."url.path" = "x"', "is a field of events; choose the name of an attribute"),
        ('attributes."event.name" = "x"', "is a field of events"),
        ('attributes." " = "x"', "is not the name of an attribute"),
        ("attributes.number = 1", "resource.attributes.number: 1 is not a string"),
        ('hostname = "x"', 'resource.hostname: unknown option; did you mean "host'),
    ],
)
def test_what_it_does_not_take(table: str, said: str) -> None:
    """In words."""
    with pytest.raises(ConfigError) as raised:
        plan(f"[resource]\n{table}")
    assert said in str(raised.value)
