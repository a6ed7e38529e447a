"""Completion as a shell asks for it, and the man pages: both are made from the commands themselves."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from pipeline.cli.main import SECTIONS, cli
from tools.man_pages import commands, main, quoted

TAB = (
    'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _httpipe_completion httpipe; printf "%s\\n" "${COMPREPLY[@]}"'
)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What bash is given, in a folder where `httpipe` is this checkout's."""
    folder = tmp_path_factory.mktemp("completion")
    command = folder / "httpipe"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from pipeline.cli.start import main; main()" "$@"\n')
    command.chmod(0o755)
    made = subprocess.run([command, "completion", "bash"], capture_output=True, check=True)
    script = folder / "script"
    script.write_bytes(made.stdout)
    return script


@pytest.fixture
def tab(script: Path) -> Callable[..., list[str]]:
    """What bash offers at a Tab behind these words."""

    def pressed(*words: str) -> list[str]:
        env = {**os.environ, "PATH": f"{script.parent}:{os.environ['PATH']}"}
        command = ["bash", "--norc", "-c", TAB, "bash", str(script), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
        assert not done.stderr
        return done.stdout.split()

    return pressed


def test_subcommands_and_options(tab: Callable[..., list[str]]) -> None:
    """The words of the command line itself."""
    assert tab("httpipe", "re") == ["reload", "reference"]
    assert tab("httpipe", "print", "--f") == ["--for", "--format"]
    assert tab("httpipe", "gate", "") == ["detach", "status"]
    assert tab("httpipe", "nothing-like-this") == []


def test_what_this_host_has(tab: Callable[..., list[str]]) -> None:
    """Interfaces, running programs, components: looked up at the Tab."""
    assert "lo" in tab("httpipe", "print", "-i", "l")
    assert "bash" in tab("httpipe", "print", "--tls", "bas")
    assert tab("httpipe", "list", "stdo") == ["stdout"]
    assert tab("httpipe", "tap", "--socket", "/dev/null", "") == [], "what does not answer is no message in the middle of a line"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_a_script_that_it_can_read(shell: str) -> None:
    """Where the shell is there it parses it; elsewhere the script names what it calls."""
    made = subprocess.run(
        [sys.executable, "-c", "from pipeline.cli.main import main; main()", "completion", shell], capture_output=True, check=True
    )
    assert b"_HTTPIPE_COMPLETE=" + shell.encode() + b"_complete" in made.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=made.stdout, check=True)


def test_no_subcommand_is_imported_for_a_tab() -> None:
    """Names and descriptions stand in one table; a Tab answers in a tenth of a second."""
    code = (
        "import sys; from pipeline.cli.main import cli; import click;"
        "offered = [item.value for item in cli.shell_complete(click.Context(cli), '')];"
        "print(*offered); print(*(name for name in sys.modules if name in ('pydantic', 'pipeline.cli.run')))"
    )
    offered, imported = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert offered.split() == [name for commands in SECTIONS.values() for name in commands]
    assert imported == ""


def test_every_command_has_a_man_page_with_every_option(tmp_path: Path) -> None:
    """The page is written from the same help, and groff has nothing to say about it."""
    main(tmp_path)
    contexts = list(commands(click.Context(cli, info_name="httpipe")))
    assert len(contexts) > 15
    for context in contexts:
        page = tmp_path / f"{context.command_path.replace(' ', '-')}.1"
        text = page.read_text()
        for param in context.command.params:
            if isinstance(param, click.Option) and not param.hidden:
                assert quoted(max(param.opts, key=len)) in text, (page.name, param.opts)
        said = subprocess.run(["groff", "-k", "-man", "-ww", "-Tutf8", page], capture_output=True, text=True, check=True)
        assert said.stderr == ""
