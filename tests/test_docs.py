"""The documentation is true: its pipelines validate, its commands exist, its code runs, and the generated page is fresh."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from pipeline.api import Sink, Transform
from pipeline.cli.main import cli
from pipeline.cli.reference import page
from pipeline.config.document import parse
from pipeline.plugins.discovery import Kind, Plugin, discover
from pipeline.plugins.registry import Component, Loaded, Registry, TrustNothing
from pipeline.plugins.trust import parse_trust
from pipeline.topology.build import build
from tools.quoted_examples import QUOTE, pages, quoted

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks() -> Iterator[Block]:
    """Every fenced block of every page."""
    for path in PAGES:
        text = path.read_text()
        for found in re.finditer(r"^```(\w+)[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, found.start()) + 1
            yield Block(path.relative_to(ROOT).as_posix(), line, found[1], found[2])


BLOCKS = list(blocks())
PIPELINES = [block for block in BLOCKS if block.language == "toml" and re.search(r"^\[sources\.", block.text, re.MULTILINE)]
TABLES = ROOT / "examples/transforms"
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))
COMMANDS = [
    (block, line.strip())
    for block in BLOCKS
    if block.language in ("sh", "console", "bash")
    for line in block.text.replace("\\\n", " ").splitlines()
    if re.match(r"(\$ )?(sudo )?httpipe ", line.strip())
]


class WithPage(Registry):
    """Built-ins, and the plugins that the Python blocks of a page define."""

    def __init__(self, defined: dict[tuple[Kind, str], Component]) -> None:
        """Beside those that are installed."""
        super().__init__(discover(), TrustNothing())
        self.defined = defined

    def find(self, kind: Kind, name: str) -> Plugin:
        """From the page, else as ever."""
        return Plugin(kind, name, "page", "1", "page:x", None) if (kind, name) in self.defined else super().find(kind, name)

    def load(self, kind: Kind, name: str) -> Loaded:
        """Likewise."""
        known = (kind, name) in self.defined
        return Loaded(self.find(kind, name), self.defined[kind, name]) if known else super().load(kind, name)


@cache
def defined_in(page_name: str) -> dict[tuple[Kind, str], Component]:
    """Run the Python blocks of a page, once, since they may register kinds of events, and collect the decorated components."""
    found: dict[tuple[Kind, str], Component] = {}
    for block in BLOCKS:
        if block.page != page_name or block.language != "python":
            continue
        names: dict[str, object] = {"__name__": f"page_{block.line}"}
        exec(compile(block.text, str(block), "exec"), names)  # noqa: S102  our own documentation
        for value in names.values():
            if isinstance(value, type) and issubclass(value, Sink | Transform) and value.plugin_name:
                found[Kind.SINK if issubclass(value, Sink) else Kind.TRANSFORM, value.plugin_name] = value
    return found


@pytest.mark.parametrize("block", PIPELINES, ids=str)
def test_every_pipeline_in_the_docs_is_right(block: Block) -> None:
    """As `httpipe validate` sees it, with the plugins that the same page shows."""
    variables = dict.fromkeys(re.findall(r"\$\{(\w+)(?::\?[^}]*)?\}", block.text), "1234567890abcdef")
    excerpt = "" if "[sinks." in block.text else '\n[sinks.rest]\ntype = "null"\ninputs = ["*"]\n'
    document = parse((block.text + excerpt).encode(), "pipeline.toml", variables)
    plan = build(document, WithPage(defined_in(block.page)), lambda name: (TABLES / Path(name).name).read_bytes())
    assert not plan.warnings


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_right(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says at its head what it is for."""
    monkeypatch.chdir(ROOT)
    text = path.read_text()
    assert text.startswith("# ")
    variables = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "1")
    plan = build(parse(text.encode(), path.name, variables), WithPage({}), lambda name: Path(name).read_bytes())
    assert not plan.warnings


@pytest.mark.parametrize(("block", "line"), COMMANDS, ids=lambda value: str(value) if isinstance(value, Block) else "")
def test_every_command_in_the_docs_exists(block: Block, line: str) -> None:
    """With its options and arguments; nothing is run."""
    words = shlex.split(line.removeprefix("$ ").removeprefix("sudo "), comments=True)[1:]
    words = words[
        : next((number for number, word in enumerate(words) if word in "|>&;<" or word.startswith((">", "2>"))), len(words))
    ]
    context = cli.make_context("httpipe", [*words] if words else ["--help"], resilient_parsing=not words)
    command: click.Command = cli
    while isinstance(command, click.Group):
        name, following, words = command.resolve_command(context, [*context._protected_args, *context.args])
        assert following is not None, f"{block}: {line}"
        command, context = following, following.make_context(name, words, parent=context)


def test_lines_that_pages_show_are_those_that_the_demo_prints() -> None:
    """To the blank: whoever runs `make demo` compares the two."""
    tls = ("alert-version.pcap", "openssl-1.[23]*.pcap")
    handshakes = [("print", "-q", "--tls-handshakes", "-r", f"tests/replay/captures/tls/{name}") for name in tls]
    printed: list[str] = []
    websockets = ("print", "-q", "--websocket-messages", "-r", "tests/replay/captures/aiohttp-websocket.pcap")
    captures = ROOT / "tests/replay/captures"
    begun = [captures / "aiohttp-no-answer.pcap", captures / "faults/sse_pauses_longer_than_idle_timeout.pcap.gz"]
    progress = [("print", "-q", "--in-progress", "-r", str(path)) for path in begun]
    for arguments in (("run", "examples/demo.toml"), *handshakes, websockets, *progress):
        command = [Path(sys.executable).with_name("httpipe"), *arguments]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "TZ": "UTC"}, capture_output=True, text=True, check=True)
        printed += done.stdout.splitlines()
    shown = [line for page in PAGES for line in re.findall(r"^\d\d:\d\d:\d\d\.\d{3} .*$", page.read_text(), re.MULTILINE)]
    assert len(shown) >= 3
    assert [line for line in shown if line not in printed] == []


def test_the_generated_page_is_fresh() -> None:
    """`httpipe reference > docs/configuration.md` after changing a model or its docstrings."""
    assert (ROOT / "docs/configuration.md").read_text() == page(Registry(discover(), TrustNothing()))


def test_the_modules_that_make_runs_exist() -> None:
    """`make docs` makes every generated page."""
    modules = re.findall(r"python -m (\S+)", (ROOT / "Makefile").read_text())
    assert modules
    assert not [name for name in modules if importlib.util.find_spec(name) is None]


def test_every_option_is_documented() -> None:
    """A field's docstring is its documentation."""
    rows = re.findall(r"^\| `([^`]+)` \|.*\| ([^|]*) \|$", page(Registry(discover(), TrustNothing())), re.MULTILINE)
    assert rows
    assert not [name for name, meaning in rows if len(meaning) < 8]


def test_trust_lists_in_the_docs_are_right() -> None:
    """And so is the repository's own, which trusts nothing."""
    shown = [block for block in BLOCKS if block.language == "toml" and block.text.startswith("[trust.")]
    for block in shown:
        parse_trust(block.text.encode(), str(block))
    assert parse_trust((ROOT / "plugins.toml").read_bytes(), "plugins.toml") == {}
    commented = re.findall(r"^# (\[trust.*(?:\n# \w+ = .*)+)", (ROOT / "plugins.toml").read_text(), re.MULTILINE)
    assert set(parse_trust(commented[0].replace("\n# ", "\n").encode(), "plugins.toml")) == {"httpipe-slack"}


def test_the_architecture_page_knows_every_folder_and_names_only_files_that_are_there() -> None:
    """A folder that is added, or a file that is moved, is a line of that page, too."""
    text = (ROOT / "docs/ARCHITECTURE.md").read_text()
    paths = [path for top in ("pipeline", "httpipe", "tests") for path in (ROOT / top, *(ROOT / top).rglob("*"))]
    known = [f"/{path.relative_to(ROOT).as_posix()}{'/' * path.is_dir()}" for path in paths if "__pycache__" not in path.parts]
    named = re.findall(r"`((?:[\w.]+/)+|(?:[\w.]+/)*[\w.]+\.(?:py|h|c))`", text)
    ours = [path for path in known if not path.startswith("/tests/")]
    assert [name for name in named if not any(path.endswith(f"/{name}") for path in ours) and f"/{name}" not in known] == []
    tops = [path.removeprefix("/pipeline/") for path in known if re.fullmatch(r"/pipeline/(?:\w+/|(?!__init__)\w+\.py)", path)]
    assert [name for name in tops if f"`{name}`" not in text] == []


def test_links_between_pages_lead_somewhere() -> None:
    """Files exist, and so do headings."""
    broken = []
    for path in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            if "://" in target or target.startswith("mailto:"):
                continue
            name, _, anchor = target.partition("#")
            other = (path.parent / name).resolve() if name else path
            if not other.exists() or (anchor and other.suffix == ".md" and anchor not in _anchors(other)):
                broken.append(f"{path.name}: {target}")
    assert not broken


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", [page for page in pages() if QUOTE.search(page.read_text())], ids=lambda path: path.name)
def test_files_that_a_page_quotes_are_as_they_are(path: Path) -> None:
    """Whoever copies from the page has the tested file; `make docs` puts it there."""
    assert quoted(path.read_text()) == path.read_text()


def test_a_quotation_is_found_and_replaced() -> None:
    """The Kafka page quotes both tiers; a quotation that differs is noticed."""
    page = (ROOT / "docs" / "kafka.md").read_text()
    assert {found["file"] for found in QUOTE.finditer(page)} == {"examples/agent.toml", "examples/worker.toml"}
    assert quoted(page.replace("httpipe-workers", "others")) == page


def test_every_page_is_in_the_sites_navigation() -> None:
    """`make site` fails on a page that nobody finds; so does this, which is quicker."""
    named = set(re.findall(r"^ *- (?:\w+: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    pages = {page.relative_to(ROOT).as_posix() for page in PAGES} | {"CONTRIBUTING.md", "CHANGELOG.md"}
    assert named == pages
