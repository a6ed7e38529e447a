"""Options of the ``tls`` source, and which executables they want."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from pipeline.cli.validate import validate
from pipeline.sources.tls.config import TlsConfig
from pipeline.sources.tls.wanted import Wanted


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "executables"),
        ({"executables": ()}, "executables"),
        ({"executables": ("any", "curl")}, '"any" includes all others'),
        ({"executables": ("bin/curl",)}, 'fits no path, which all begin with "/"'),
        ({"executables": ("curl",), "exclude": ("curl",)}, "both in executables and in exclude"),
        ({"executables": ("curl",), "files": ("libssl.so.3",)}, '"libssl.so.3" does not begin with "/": name the file with its'),
        ({"executables": ("curl",), "ring_bytes": 3 << 20}, "power of two, such as 4194304"),
        ({"executables": ("curl",), "ends": "none"}, "'client', 'server' or 'both'"),
    ],
)
def test_what_is_refused(options: dict[str, object], words: str) -> None:
    """Each with a sentence that says what to do."""
    with pytest.raises(ValidationError, match=words):
        TlsConfig.model_validate(options)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/usr/sbin/nginx", True),
        ("/usr/sbin/nginx (deleted)", True),
        ("/opt/nginx", False),
        ("/usr/bin/python3.11", True),
        ("/home/someone/python3", True),
        ("/home/python3/other", False),
        ("/usr/bin/python3-secret", False),
    ],
)
def test_wanted(path: str, wanted: bool) -> None:  # noqa: FBT001  a parameter of the test
    """A glob with a slash is one of paths, one without of names; what is excluded is not wanted."""
    assert Wanted(("/usr/sbin/nginx", "python3*"), ("*/python3-secret",))(path) is wanted


@pytest.mark.parametrize(("executables", "warned"), [(("any",), True), (("curl",), False)])
def test_all_programs_are_a_warning(executables: tuple[str, ...], warned: bool) -> None:  # noqa: FBT001  a parameter of the test
    """That `httpipe validate` says, too."""
    file = (
        f'[sources.https]\ntype = "tls"\nexecutables = {json.dumps(executables)}\n'
        '[sinks.out]\ntype = "null"\ninputs = ["https"]\n'
    )
    done = CliRunner().invoke(validate, ["-"], input=file)
    assert done.exit_code == 0, done.output
    assert ('sources.https: executables = ["any"]: the plain text of every program' in done.output) is warned


def test_any() -> None:
    """Every executable, but those that are excluded."""
    wanted = Wanted(("any",), ("sshd",))
    assert wanted("/x/y z")
    assert not wanted("/usr/sbin/sshd")


def test_a_symbolic_link_stands_for_what_it_leads_to(tmp_path: Path) -> None:
    """`/usr/bin/python3` is what people write; the kernel says `/usr/bin/python3.11`."""
    (tmp_path / "python3").symlink_to("python3.[11]")
    (tmp_path / "python3.[11]").touch()
    wanted = Wanted((str(tmp_path / "python3"),))
    assert wanted(str(tmp_path / "python3.[11]"))
    assert not wanted(str(tmp_path / "python3.1"))


def test_which_globs_fit_nothing() -> None:
    """As they were written, for who misspelt one."""
    wanted = Wanted(("ngnix", "/usr/bin/cur?", "node"))
    assert wanted.without(["/usr/sbin/nginx", "/usr/bin/curl (deleted)", ""]) == ["ngnix", "node"]
    assert Wanted(("any",)).without(["/x"]) == []
