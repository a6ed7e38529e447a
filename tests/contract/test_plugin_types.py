"""Type checkers accept the plugins that the documentation and `plugins new` show, in strict mode; and refuse wrong ones."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.plugins.discovery import Kind
from pipeline.plugins.scaffold import write_package

ROOT = Path(__file__).resolve().parents[2]

WRONG = '''
from collections.abc import Sequence

from httpipe import Config, Context, Event, Exchange, sink, transform


class Options(Config):
    """None."""


@sink("sync", api_version=1)
def not_async(batch: Sequence[Event]) -> None: ...


@sink("missing", api_version=1, config=Options)
async def without_config(batch: Sequence[Event]) -> None: ...


@transform("wrong", api_version=1)
def returns_text(exchange: Exchange) -> str:
    return ""


@transform("batch", api_version=1, batched=True)
def of_one(exchange: Exchange) -> Event | None:
    return exchange


from httpipe import NoSuchName


@sink("no_context", api_version=1, context=True)
async def without_context(batch: Sequence[Event]) -> None: ...


@transform("order", api_version=1, config=Options, context=True)
def context_first(exchange: Exchange, context: Context, config: Options) -> Event | None:
    return exchange
'''


def mypy(folder: Path, *files: Path) -> subprocess.CompletedProcess[str]:
    """Strict, without the settings of our own project."""
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--config-file=",
        f"--cache-dir={folder / 'cache'}",
    ]
    return subprocess.run([*command, *map(str, files)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.slow
def test_examples_are_accepted_in_strict_mode_and_mistakes_are_not(tmp_path: Path) -> None:
    """Decorators know the function's arguments, its config and what it must return."""
    pages = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/plugins.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(pages) >= 3
    good = []
    for number, text in enumerate(pages):
        good.append(tmp_path / f"page_{number}.py")
        good[-1].write_text(text)
    good += [write_package(kind, f"my_{kind}", tmp_path) / "src" / f"my_{kind}" / "__init__.py" for kind in Kind]
    accepted = mypy(tmp_path, *good)
    assert accepted.returncode == 0, accepted.stdout

    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG)
    refused = mypy(tmp_path, wrong)
    assert len(re.findall(r"^.*wrong\.py:\d+: error:", refused.stdout, re.MULTILINE)) >= 7, refused.stdout
