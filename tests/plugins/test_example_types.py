"""Type checkers accept the plugins of examples/plugins, and their tests, in strict mode."""

import os
import subprocess
import sys

import pytest
from plugin_environment import PLUGINS, ROOT

pytestmark = pytest.mark.slow


def test_mypy_accepts_them_in_strict_mode() -> None:
    """Without any settings of ours: as an author would run it."""
    folders = [plugin / part for plugin in PLUGINS for part in ("src", "tests")]
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file="]
    command += [f"--cache-dir={ROOT / '.mypy_cache' / 'plugins'}", *map(str, folders)]
    environ = {**os.environ, "MYPYPATH": os.pathsep.join(map(str, [ROOT, *folders]))}
    accepted = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=300)
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
