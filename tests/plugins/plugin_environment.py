"""A clean virtual environment with wheels: httpipe's own and those of examples/plugins, built and installed.

What they depend on is not fetched: it is linked from the environment that the tests run in.
"""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = sorted(path.parent for path in (ROOT / "examples" / "plugins").glob("*/pyproject.toml"))

OURS = ("httpipe", "_editable_impl_httpipe")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]


class PluginEnvironment:
    """``run`` runs a program of it, in a folder from which the checkout cannot be imported."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True, timeout=120)
        self.programs = folder / "venv" / "bin"
        self._link_dependencies(folder)
        wheels = folder / "wheels"
        build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, ROOT, *PLUGINS]
        subprocess.run(build, check=True, timeout=300, env={**os.environ, "HTTPIPE_NO_BPF": "1"})
        install = [*PIP, "--python", self.programs / "python", "install", "--no-deps", "--no-index", *wheels.glob("*.whl")]
        subprocess.run(install, check=True, timeout=120)

    def run(self, program: str, *arguments: str | Path, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end and give what it said."""
        return subprocess.run(
            [self.programs / program, *arguments],
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
            env={**os.environ, "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1", **environ},
        )

    def _link_dependencies(self, folder: Path) -> None:
        """Everything that is installed beside us, and nothing of ours."""
        links = folder / "dependencies"
        links.mkdir()
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            if not entry.name.startswith(OURS) and entry.suffix != ".pth":
                (links / entry.name).symlink_to(entry)
        major, minor = sys.version_info[:2]
        site = self.programs.parent / "lib" / f"python{major}.{minor}" / "site-packages"
        (site / "dependencies.pth").write_text(f"{links}\n")
