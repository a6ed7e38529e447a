"""What the kernel tells of a process, as a ``Process``."""

from pathlib import Path
from struct import pack

import pytest

from pipeline.model.command_lines import command_line
from pipeline.model.records import Process
from pipeline.sources.bpf import owners
from pipeline.sources.bpf.facts import container_of, process

IDENTIFIER = "0123456789abcdef" * 4


def facts(path: tuple[str, ...] = (), groups: tuple[str, ...] = (), command: bytes = b"", pid: int = 7) -> bytes:
    """``struct process_facts``, cut behind its text."""
    text = b"".join(each.encode() + b"\0" for each in (*path, *groups)) + command
    return pack("=IHBBH6x", pid, len(text), len(path), len(groups), len(command)) + text


def test_everything() -> None:
    """The path begins with the file's name, groups follow, then the arguments."""
    told = process(facts(("curl", "bin", "usr"), (f"docker-{IDENTIFIER}.scope", "system.slice", ""), b"curl\0-s\0http://x/\0"))
    assert told == Process(7, "curl", IDENTIFIER, "/usr/bin/curl", "curl -s http://x/")


def test_nothing() -> None:
    """A process of which only the pid is known."""
    assert process(facts()) == Process(7)


def test_bytes_that_are_no_text() -> None:
    """File names are bytes: what is not UTF-8 is replaced, nothing raises."""
    told = process(facts(("x",)).replace(b"x", b"\xff"))
    assert (told.executable, told.path) == ("\ufffd", "/\ufffd")


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ((IDENTIFIER, "docker", ""), IDENTIFIER),  # cgroupfs, also of version 1
        ((f"docker-{IDENTIFIER}.scope", "system.slice", ""), IDENTIFIER),
        ((f"cri-containerd-{IDENTIFIER}.scope", "kubepods-burstable-podab12.slice"), IDENTIFIER),
        ((f"kubepods-besteffort-pod1.slice:cri-containerd:{IDENTIFIER}", "system.slice"), IDENTIFIER),
        ((f"crio-{IDENTIFIER}.scope", "kubepods.slice"), IDENTIFIER),
        (("container", f"libpod-{IDENTIFIER}.scope", "machine.slice"), IDENTIFIER),
        (("init.scope", f"docker-{IDENTIFIER}.scope", "system.slice"), IDENTIFIER),
        (("session-1.scope", "user-0.slice", "user.slice", IDENTIFIER, "docker", ""), IDENTIFIER),  # both versions
        (("session-1.scope", "user-0.slice", "user.slice"), ""),
        ((f"podman-{IDENTIFIER[:63]}.scope",), ""),
        ((f"x{IDENTIFIER}",), ""),
        ((), ""),
    ],
)
def test_containers(groups: tuple[str, ...], expected: str) -> None:
    """The names that runtimes give to cgroups of version 1 and 2."""
    assert container_of(list(groups)) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("nginx: worker process", "nginx: worker process"),
        ("mysql -u root --password=hunter2", "mysql -u root --password=REDACTED"),
        ("app --db-password hunter2 --port 80", "app --db-password REDACTED --port 80"),
        ("app --token-file /etc/token -v", "app --token-file REDACTED -v"),
        ("env AWS_SECRET_ACCESS_KEY=abc app", "env AWS_SECRET_ACCESS_KEY=REDACTED app"),
        ("curl -u me:hunter2 http://x/", "curl -u me:REDACTED http://x/"),
        ("curl -ume:hunter2 http://x/", "curl -ume:REDACTED http://x/"),
        ("curl -u me http://x/", "curl -u me http://x/"),
        ("curl --proxy=http://me:hunter2@proxy:80 x", "curl --proxy=http://REDACTED:REDACTED@proxy:80 x"),
        ("curl http://x/a?b=1&sig=hunter2", "curl http://x/a?b=1&sig=REDACTED"),
        ("app --verbose --workers=4", "app --verbose --workers=4"),
    ],
)
def test_secrets_in_arguments(arguments: str, expected: str) -> None:
    """What stands behind the name of a secret is replaced, and nothing else."""
    assert command_line(b"\0".join(each.encode() for each in arguments.split())) == expected


@pytest.mark.parametrize("field", ["Authorization: Bearer hunter2", "-HAuthorization: hunter2", "--header=Cookie: a=hunter2"])
def test_secret_fields_in_arguments(field: str) -> None:
    """Header fields whose values are credentials, as curl takes them."""
    assert "hunter2" not in command_line(b"curl\0" + field.encode())


def test_an_end_that_was_cut() -> None:
    """The kernel cuts long command lines anywhere, also within a character."""
    assert command_line("app\0größe".encode()[:7]) == "app gr\ufffd"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("0::/\n", False),
        ("12:pids:/docker/1\n0::/\n", True),
        ("3:cpu,pids:/\n", True),
        ("1:name=systemd:/\n0::/\n", False),
        ("", False),
    ],
)
def test_versions_of_cgroups(lines: str, expected: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # noqa: FBT001  a table
    """Groups of version 1 are asked for where the controller ``pids`` is in one of its hierarchies."""
    file = tmp_path / "cgroup"
    file.write_text(lines)
    monkeypatch.setattr(owners, "CGROUPS", file)
    assert owners.has_cgroup_v1() is expected
