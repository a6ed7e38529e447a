"""What a clone builds: wheel and sdist that carry the BPF program and the compiled lane, and what installing them needs.

The environment they are installed in is fresh; what httpipe depends on is not fetched but linked from the one that the tests
run in.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata

from hatch_build import absolute_links

pytestmark = pytest.mark.wheel

ROOT = Path(__file__).resolve().parents[2]
OBJECT = "pipeline/bpf/http_trace.bpf.o"
LANE = "pipeline/_lane.abi3.so"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]

DEMO = """
[sources.http]
type = "pcap"
path = "demo.pcap"

[sinks.out]
type = "stdout"
inputs = ["http"]
"""


@pytest.fixture(scope="module")
def no_compiler(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which no program can be found, clang least of all."""
    return {"PATH": str(tmp_path_factory.mktemp("bin")), "HOME": os.environ.get("HOME", "/"), "NO_COLOR": "1"}


def clone(folder: Path) -> Path:
    """What git knows of the checkout, and nothing that was built in it."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    for name in filter(None, tracked.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def build(folder: Path, *targets: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Into ``dist``, without a network."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", "dist", *(f"-t{target}" for target in targets)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=180, env=env or with_rust())


def with_rust() -> dict[str, str]:
    """An environment in which the lane must be built, with the crates that the checkout has compiled already."""
    return {**os.environ, "HTTPIPE_LANE": "1", "CARGO_TARGET_DIR": str(ROOT / "lane" / "target")}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and an sdist from a fresh clone."""
    folder = clone(tmp_path_factory.mktemp("clone"))
    assert not (folder / OBJECT).exists()
    assert not (folder / LANE).exists()
    done = build(folder, "sdist", "wheel")
    assert done.returncode == 0, done.stderr
    return folder / "dist"


class Installed:
    """A fresh environment with one wheel in it."""

    def __init__(self, folder: Path, wheel: Path, env: dict[str, str]) -> None:
        self.folder, self.env = folder, env
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True, timeout=120)
        links = folder / "dependencies"
        links.mkdir()
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            if not entry.name.startswith(("httpipe", "_editable_impl_httpipe")) and entry.suffix != ".pth":
                (links / entry.name).symlink_to(entry)
        [site] = (folder / "venv" / "lib").glob("python*/site-packages")
        (site / "dependencies.pth").write_text(f"{links}\n")
        install = [*PIP, "--python", folder / "venv" / "bin" / "python", "install", "--no-deps", "--no-index", wheel]
        subprocess.run(install, check=True, timeout=120, env=env)
        shutil.copy(ROOT / "examples" / "demo.pcap", folder)
        (folder / "pipeline.toml").write_text(DEMO)

    def python(self, code: str) -> str:
        """What some code prints there."""
        command = [self.folder / "venv" / "bin" / "python", "-c", code]
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=True, timeout=60, env=self.env
        ).stdout

    def httpipe(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The installed command, in a folder from which the checkout cannot be imported."""
        return subprocess.run(
            [self.folder / "venv" / "bin" / "httpipe", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=self.env,
        )


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory, no_compiler: dict[str, str]) -> Installed:
    """The wheel, where there is no compiler."""
    [wheel] = built.glob("*.whl")
    return Installed(tmp_path_factory.mktemp("installed"), wheel, no_compiler)


def test_an_installed_wheel_runs(installed: Installed) -> None:
    """A capture file becomes lines, and everything built in is found."""
    done = installed.httpipe("run")
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert "shop.example/api/cart" in done.stdout
    listed = installed.httpipe("list").stdout
    assert all(f"  {name} " in listed for name in ("bpf", "pcap", "kafka", "filter", "stdout", "file"))


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="loading a BPF program needs root")
def test_an_installed_wheel_can_capture(installed: Installed) -> None:
    """The kernel takes the program that the wheel brought; nothing is compiled."""
    told = installed.httpipe("doctor").stdout
    assert "ok   prebuilt program    http_trace.bpf.o" in told
    assert "ok   program loads       by libbpf" in told


def test_an_sdist_needs_no_compiler(built: Path, tmp_path: Path, no_compiler: dict[str, str]) -> None:
    """Its program is the wheel's, byte for byte, and so is that of a wheel made from it."""
    [sdist], [wheel] = built.glob("*.tar.gz"), built.glob("*.whl")
    made = [*PIP, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", tmp_path, sdist]
    subprocess.run(made, check=True, timeout=180, env=no_compiler)
    [again] = tmp_path.glob("*.whl")
    with tarfile.open(sdist) as archive:
        [name] = [name for name in archive.getnames() if name.endswith(OBJECT)]
        member = archive.extractfile(name)
        assert member is not None
        carried = member.read()
    assert zipfile.ZipFile(wheel).read(OBJECT) == carried
    assert zipfile.ZipFile(again).read(OBJECT) == carried


def test_a_package_index_takes_what_it_says_of_itself(built: Path) -> None:
    """Its fields are valid, and no link of the readme leads to a file that the index does not have."""
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        said = Metadata.from_email(archive.read(name), validate=True)
    assert said.metadata_version == "2.4"
    assert said.description_content_type == "text/markdown"
    assert said.description
    assert re.findall(r"\]\((?!https?://)[^)]*\)", said.description) == []


def test_links_of_the_readme() -> None:
    """They begin where the files are published; where that is nowhere, only their words stay."""
    text = "[why](docs/tls.md) ![page](docs/ui.png)[spec](https://example.org/a)"
    assert absolute_links(text, "https://example.org/httpipe/") == (
        "[why](https://example.org/httpipe/docs/tls.md) ![page](https://example.org/httpipe/docs/ui.png)[spec](https://example.org/a)"
    )
    assert absolute_links(text, "") == "why [spec](https://example.org/a)"


def test_the_wheel_carries_the_lane_and_names_its_platform(built: Path, installed: Installed) -> None:
    """One extension for every Python since 3.11, which the installed package imports."""
    [wheel] = built.glob("*.whl")
    assert f"-cp311-abi3-linux_{platform.machine()}." in wheel.name
    assert LANE in zipfile.ZipFile(wheel).namelist()
    code = "from pipeline import native; print(native.lane.__file__ if native.lane else native.missing)"
    assert installed.python(code).endswith(f"{LANE}\n")


def test_the_sdist_carries_the_crate(built: Path) -> None:
    """Its sources and its lock file, and nothing that was compiled."""
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"lane/Cargo.toml", "lane/Cargo.lock", "lane/src/lib.rs"} <= names
    assert not [name for name in names if name.startswith("lane/target") or name.endswith(".so")]


def test_without_rust_python_serves(built: Path, tmp_path: Path, no_compiler: dict[str, str]) -> None:
    """The wheel made where there is no cargo is for any platform, says so, and fails only where the lane is insisted on."""
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    [folder] = tmp_path.iterdir()
    done = build(folder, "wheel", env=no_compiler)
    assert done.returncode == 0, done.stderr
    assert "no cargo (Rust) here; without the compiled lane httpipe works, but slower" in done.stderr
    [wheel] = (folder / "dist").glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    insisted = build(folder, "wheel", env={**no_compiler, "HTTPIPE_LANE": "1"})
    assert insisted.returncode != 0
    assert "no cargo (Rust) here" in insisted.stderr


def test_a_clone_without_a_compiler_names_what_to_install(tmp_path: Path, no_compiler: dict[str, str]) -> None:
    """And how to do without; no traceback."""
    done = build(clone(tmp_path), "wheel", env=no_compiler)
    assert done.returncode != 0
    assert "apt-get install -y clang libbpf-dev" in done.stderr
    assert "HTTPIPE_NO_BPF=1" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_bpf_on_purpose(tmp_path_factory: pytest.TempPathFactory, no_compiler: dict[str, str]) -> None:
    """`HTTPIPE_NO_BPF=1` needs no compiler; capture files work; `doctor` says what is missing and how to get it."""
    folder = clone(tmp_path_factory.mktemp("without"))
    done = build(folder, "wheel", env={**no_compiler, "HTTPIPE_NO_BPF": "1"})
    assert done.returncode == 0, done.stderr
    [wheel] = (folder / "dist").glob("*.whl")
    assert OBJECT not in zipfile.ZipFile(wheel).namelist()
    here = Installed(tmp_path_factory.mktemp("installed-without"), wheel, no_compiler)
    assert "shop.example/api/cart" in here.httpipe("run").stdout
    assert "reinstall httpipe without HTTPIPE_NO_BPF" in here.httpipe("doctor").stdout
