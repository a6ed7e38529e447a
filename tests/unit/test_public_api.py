"""The package `httpipe`: all that plugins import, light to import itself, and never imported by the engine."""

import re
import subprocess
import sys
from pathlib import Path

import httpipe
import httpipe.testing
from pipeline import api

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = [*ROOT.glob("examples/plugins/*/src/**/*.py"), *ROOT.glob("pipeline/plugins/templates/*.module.py.tmpl")]
PLUGIN_TESTS = [*ROOT.glob("examples/plugins/*/tests/*.py"), *ROOT.glob("pipeline/plugins/templates/*.test.py.tmpl")]


def imports(path: Path) -> set[str]:
    """The modules that a file imports from."""
    lines = path.read_text().splitlines()
    return {line.split()[1] for line in lines if line.startswith(("from ", "import "))}


def test_every_public_name_is_there_and_the_contract_is_among_them() -> None:
    """Whether it is imported at once or when it is asked for."""
    assert set(api.__all__) <= set(httpipe.__all__)
    assert not [name for name in httpipe.__all__ if not hasattr(httpipe, name)]
    assert not [name for name in httpipe.testing.__all__ if not hasattr(httpipe.testing, name)]
    assert not hasattr(httpipe, "Kafka")


def test_importing_it_costs_no_more_than_the_contract() -> None:
    """No pytest, no codec, no expression language: a plugin's import is part of every start."""
    script = "import sys; import pipeline.api; before = set(sys.modules); import httpipe; print(*set(sys.modules) - before)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert set(found) == {"httpipe", "pipeline.decorators"}


def test_plugins_of_ours_import_nothing_else() -> None:
    """Neither the examples nor what `httpipe plugins new` writes: whoever learns from them learns what is public."""
    assert len(PLUGINS) > 5
    assert not [(path.name, each) for path in (*PLUGINS, *PLUGIN_TESTS) for each in imports(path) if each.startswith("pipeline")]
    assert not [(path.name, each) for path in PLUGINS for each in imports(path) if each == "httpipe.testing"]


def test_the_engine_never_imports_it() -> None:
    """It stands above everything, for others."""
    imported = re.compile(r"^\s*(from|import) httpipe\b", re.MULTILINE)
    assert not [path.name for path in (ROOT / "pipeline").rglob("*.py") if imported.search(path.read_text())]


def test_a_plugin_registers_a_kind_of_its_own() -> None:
    """As docs/plugins.md shows: codecs, the disk queue's format and filters know it from then on."""
    page = (ROOT / "docs/plugins.md").read_text()
    shown = next(
        each for each in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL) if "register_kind" in each
    )
    script = shown + PLUGIN_KIND
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout.splitlines()) == (0, ["json True", "protobuf True", "disk queue True", "where True"])


PLUGIN_KIND = """
from httpipe import codec, compile_condition, decoder
from pipeline.codecs import binary

event = QueueDepth(1, acme_queue_name="orders", acme_queue_depth=3)
for name in ("json", "protobuf"):
    again = decoder(name).decode(codec(name).encode(event))
    print(name, type(again) is QueueDepth and again.replace(memory_bytes=event.memory_bytes) == event)
print("disk queue", binary.decode(binary.encode([event])) == [event])
where = compile_condition('event.name == "acme.queue.depth" and acme.queue.depth > 2 and acme.queue.name == "orders"')
print("where", where.test(event))
"""
