"""The layers of docs/ARCHITECTURE.md: imports go down only, heavy ones have one home, and pure packages do no I/O."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1] / "pipeline"

ISLANDS = {"sources", "decode", "transforms", "delivery", "sinks"}

LAYERS: tuple[set[str], ...] = (
    {"cli"},
    {"runtime"},
    {"isolation", "ui"},
    {"topology", "live"},
    {"config", "plugins"},
    ISLANDS,
    {"lists", "packets"},
    {"codecs", "expressions", "docker", "kafka", "kubernetes"},
    {"following"},
    {"telemetry"},
    {"decorators"},
    {"model", "errors", "reasons", "api", "cancellation", "container", "prctl"},
    {"native"},
    {"_lane"},
)
"""From the top. A package may import those of lower layers and itself."""

SIDEWAYS = {("plugins", "config"), ("api", "model"), ("api", "errors"), ("expressions", "codecs")}
"""Imports within one layer that are meant: trust lists are checked with config's models; the API shows the model."""

CONTRACTS = {"pipeline.config.options"}
"""Models that stand in config because a file holds them, and are read by whoever does what they say."""

DOWN_ONLY_FOR_TESTS = {"testing"}
"""The shipped kit may import anything; nothing but tests imports it."""

DECODE_ROOMS: dict[str, set[str]] = {
    "decoder": {"lane", "detect", "transport"},
    "lane": {"handover", "transport"},
    "handover": {"transport", "http1", "http2", "pairing"},
    "detect": {"standins", "transport", "http1", "http2", "pairing", "tls", "websocket"},
    "standins": {"transport"},
    "transport": set(),
    "tls": set(),
    "websocket": set(),
    "http1": {"pairing"},
    "http2": {"pairing"},
    "pairing": set(),
}
"""The rooms of decode, and which others each may import. All of them may import what is no room, and that imports none."""

PURE = {"decode", "transforms", "lists", "codecs", "expressions", "model", "config", "topology"}
IMPURE = {
    "anyio",
    "asyncio",
    "socket",
    "bcc",
    "aiokafka",
    "subprocess",
    "threading",
    "sqlite3",
    "ssl",
    "selectors",
    "http",
    "urllib.request",
}
IMPURE_CALLS = {"open", "print", "input"}

HOMES: dict[str, set[str]] = {
    "bcc": {"sources/bpf/bcc_loader.py"},
    "ctypes": {"sources/bpf/*", "prctl.py"},
    "aiokafka": {"kafka/*", "sources/kafka/*", "sinks/kafka/*", "sources/kafka.py", "sinks/kafka.py"},
    "orjson": {"codecs/*"},
    "click": {"cli/*", "cli/watch/*"},
    "rich": {"cli/top.py", "cli/top_view.py", "cli/keyboard.py", "cli/watch/*"},
    "textual": {"cli/watch/*"},
    "tomlkit": {"plugins/editing.py"},
    "packaging": {"plugins/trust.py"},
    "prometheus_client": {"telemetry/*", "runtime/*"},
    "sqlite3": {"delivery/*"},
    "grpc": {"sinks/otlp/over_grpc.py"},
    "httpx": {"sinks/http/client.py", "following/requests.py"},
    "maxminddb": {"transforms/mmdb.py"},
    "yaml": {"kubernetes/credentials.py"},
    "obstore": {"sinks/s3/bucket.py"},
    "arro3": {"sinks/s3/parquet.py"},
    "starlette": {"ui/*"},
    "uvicorn": {"ui/*"},
    "re2": {"expressions/*", "transforms/*"},
}
"""Each heavy import, and the only places that may have it."""


class Import(NamedTuple):
    """One import: where it stands and what it names."""

    file: str
    line: int
    name: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.name}"


EVERY = sorted(ROOT.rglob("*.py"))
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(), str(path)) for path in EVERY}


def imports_of(path: Path) -> Iterator[Import]:
    """Every import of a file, inside functions too."""
    file = path.relative_to(ROOT).as_posix()
    for node in ast.walk(TREES[file]):
        match node:
            case ast.Import(names=names):
                yield from (Import(file, node.lineno, name.name) for name in names)
            case ast.ImportFrom(module=str(module), level=0, names=names):
                yield Import(file, node.lineno, module, tuple(name.name for name in names))
            case ast.ImportFrom():
                yield Import(file, node.lineno, "." * node.level)
            case _:
                pass


IMPORTS = [found for path in EVERY for found in imports_of(path)]


def layer(package: str) -> int:
    """Number of a package's layer from the top."""
    return next(number for number, names in enumerate(LAYERS) if package in names)


def package_of(file: str) -> str:
    """The package that a file of ours belongs to."""
    return file.partition("/")[0].removesuffix(".py")


def allowed(importer: str, imported: str) -> bool:
    """Whether one package of ours may import another."""
    if importer == imported or importer in DOWN_ONLY_FOR_TESTS:
        return True
    return imported not in DOWN_ONLY_FOR_TESTS and (layer(importer) < layer(imported) or (importer, imported) in SIDEWAYS)


def test_every_package_has_a_layer() -> None:
    """A new one must be given its place."""
    placed = set().union(*LAYERS) | DOWN_ONLY_FOR_TESTS | {"__init__", "bpf"}
    assert {package_of(path.relative_to(ROOT).as_posix()) for path in EVERY} <= placed


def test_imports_go_down_only_and_islands_do_not_know_each_other() -> None:
    """A source knows no sink, decode no transform, and nothing below knows who runs it."""
    ours = [found for found in IMPORTS if found.name.startswith("pipeline.") and found.name not in CONTRACTS]
    wrong = [str(found) for found in ours if not allowed(package_of(found.file), found.name.split(".")[1])]
    assert not wrong, "\n".join(wrong)


def decode_room(module: str) -> str:
    """The room of decode that a module stands in; empty for what all of them share."""
    name = module.removeprefix("pipeline.decode.").split(".")[0]
    return name if name in DECODE_ROOMS else ""


def goes_on(importer: str, imported: str) -> bool:
    """Whether one module of decode may import another: of its own room, of one behind it, or of none."""
    room, other = decode_room(importer), decode_room(imported)
    return other in {"", room} or other in DECODE_ROOMS.get(room, set()) or importer == "pipeline.decode"


def test_data_goes_one_way_through_decode() -> None:
    """Transport knows no protocol, a protocol no transport, pairing neither; only detect makes protocols."""
    imports = [(module, other) for module, others in inside("decode").items() for other in others]
    assert ("pipeline.decode.detect", "pipeline.decode.http1.reader") in imports
    assert not [f"{module} imports {other}" for module, other in imports if not goes_on(module, other)]
    assert not goes_on("pipeline.decode.pairing.pairing", "pipeline.decode.http1.reader")
    assert not goes_on("pipeline.decode.http1.reader", "pipeline.decode.transport.direction")
    assert not goes_on("pipeline.decode.message", "pipeline.decode.pairing.build")


def module_of(file: str) -> str:
    """The name by which a file of ours is imported."""
    return f"pipeline/{file}".removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = {module_of(file) for file in TREES}


def inside(folder: str) -> dict[str, set[str]]:
    """Which modules of a folder each module of it imports, inside functions too. ``from package import module`` names both."""
    graph: dict[str, set[str]] = {}
    for found in IMPORTS:
        if package_of(found.file) == folder:
            named = {found.name, *(f"{found.name}.{name}" for name in found.names)} & MODULES
            graph.setdefault(module_of(found.file), set()).update(name for name in named if name.split(".")[1:2] == [folder])
    return graph


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, directly or by way of others: strongly connected components (Tarjan, 1972)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        stack.append(module)
        for other in sorted(graph.get(module, ())):
            if other not in number:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in stack:
                lowest[module] = min(lowest[module], number[other])
        if lowest[module] == number[module]:
            at = stack.index(module)
            group, stack[at:] = sorted(stack[at:]), []
            if len(group) > 1 or module in graph.get(module, ()):
                found.append(group)

    for module in sorted(graph):
        if module not in number:
            visit(module)
    return found


@pytest.mark.parametrize("folder", sorted({package_of(file) for file in TREES}))
def test_no_modules_of_a_folder_import_each_other(folder: str) -> None:
    """Each can be read, and tested, after those that it imports."""
    assert cycles(inside(folder)) == []


def test_a_cycle_is_found() -> None:
    """Also one of three, and one that a module makes with itself; what only leads into it is not part of it."""
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "d"}, "e": {"d"}}
    assert cycles(graph) == [["a", "b", "c"], ["d"]]
    assert cycles({"a": {"b", "c"}, "b": {"c"}}) == []


def test_imports_are_absolute() -> None:
    """So that the layers can be read off them."""
    assert not [str(found) for found in IMPORTS if found.name.startswith(".")]


@pytest.mark.parametrize("name", sorted(HOMES))
def test_a_heavy_import_has_one_home(name: str) -> None:
    """Everything else goes through it, so that nobody pays who does not use it."""
    users = {found.file for found in IMPORTS if found.name.split(".")[0] == name}
    strangers = {file for file in users if not any(Path(file).match(home) for home in HOMES[name])}
    assert not strangers


def test_one_module_imports_the_compiled_extension() -> None:
    """It may be absent, and whoever uses it asks there."""
    users = {found.file for found in IMPORTS if "_lane" in (*found.name.split("."), *found.names)}
    assert users == {"native.py"}


def test_pure_packages_import_nothing_that_does_io() -> None:
    """Decoding, transforming, encoding and checking are functions of their input."""
    wrong = [
        str(found)
        for found in IMPORTS
        if package_of(found.file) in PURE and any(found.name == name or found.name.startswith(f"{name}.") for name in IMPURE)
    ]
    assert not wrong, "\n".join(wrong)


def test_pure_packages_open_and_print_nothing() -> None:
    """Not even without an import."""
    wrong = [
        f"{file}:{node.lineno} calls {node.func.id}()"
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if package_of(file) in PURE
        and isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in IMPURE_CALLS
    ]
    assert not wrong, "\n".join(wrong)


def test_the_rules_can_be_broken() -> None:
    """A rule that cannot fail is none."""
    assert not allowed("decode", "transforms")
    assert not allowed("model", "runtime")
    assert not allowed("runtime", "cli")
    assert not allowed("sinks", "testing")
    assert allowed("cli", "sources")
    assert allowed("plugins", "config")
