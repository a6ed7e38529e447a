"""The Debian package on fresh releases: built by `make deb`, installed, booted, killed, upgraded, purged."""

import shutil
from pathlib import Path

import pytest
from debian_system import DebianSystem
from test_distribution import clone

pytestmark = pytest.mark.timeout(1500)


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_package(release: str, tmp_path: Path) -> None:
    """A machine with git, make and Python builds it; one without compilers or pip installs it, and runs it as a service."""
    fresh = DebianSystem(release, tmp_path / "fresh")
    builder = fresh.copy(tmp_path / "builder")
    clone(builder.folder / "src")
    builder.run("make", "-C", "/src", "deb", timeout=900)
    [package] = (builder.folder / "src" / "dist").glob("httpipe_*.deb")
    shutil.copy(package, fresh.folder / "root" / "httpipe.deb")
    shutil.rmtree(builder.folder)
    fresh.run("sh", "-c", "apt-get update -qq && apt-get install -y -qq --no-install-recommends /root/httpipe.deb")
    steps = fresh.boot(Path(__file__).with_name("deb_guest.py"))
    assert steps.endswith("all\n"), steps
