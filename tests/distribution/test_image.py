"""The image of contrib/Containerfile: built by buildah, run by runc as the DaemonSet's manifest has it, not as root."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from debian_system import ENVIRONMENT, DebianSystem
from test_distribution import ROOT, clone

pytestmark = pytest.mark.timeout(1500)

MANIFEST = ROOT / "contrib" / "kubernetes" / "httpipe.yaml"
NAME = "localhost/httpipe"
WAIT_SECS = 60.0

Image = tuple[Path, dict[str, Any]]
"""Its files, and its configuration as OCI has it."""


def sh(*command: str | Path, timeout: float = 900) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout.strip()


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for it."""
    end = time.monotonic() + WAIT_SECS
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.2)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Built from a clone, on a Debian that debootstrap makes: no registry of images is asked."""
    folder = tmp_path_factory.mktemp("image")
    base = DebianSystem("trixie", folder / "base")
    source = clone(folder / "source")
    places = ["--root", folder / "store", "--runroot", folder / "run"]

    def buildah(*arguments: str | Path) -> str:
        return sh("buildah", *places, *arguments)

    made = buildah("from", "scratch")
    buildah("copy", "-q", made, base.folder)
    for name, value in os.environ.items():
        if name.startswith(ENVIRONMENT):
            buildah("config", "--env", f"{name}={value}", made)
    buildah("commit", "-q", made, "localhost/debian")
    shutil.rmtree(base.folder)
    network = ["--isolation", "chroot", "--network", "host"]
    buildah(
        "build",
        *network,
        "--build-arg",
        "BASE=localhost/debian",
        "-t",
        "localhost/httpipe",
        "-f",
        source / "contrib/Containerfile",
        source,
    )
    container = buildah("from", "localhost/httpipe")
    yield (
        Path(buildah("mount", container)),
        json.loads(buildah("inspect", "--type", "image", "localhost/httpipe"))["OCIv1"]["config"],
    )
    buildah("umount", container)
    subprocess.run(["umount", "-l", folder / "store" / "overlay"], check=False, capture_output=True)


@pytest.fixture
def network() -> Iterator[str]:
    """A network namespace with its loopback up."""
    name = f"httpipe-image-{os.getpid()}"
    sh("ip", "netns", "add", name)
    sh("ip", "-n", name, "link", "set", "lo", "up")
    yield name
    sh("ip", "netns", "delete", name)


def pod() -> tuple[dict[str, Any], dict[str, Any]]:
    """The pod of the manifest, and its container."""
    documents = list(yaml.safe_load_all(MANIFEST.read_text()))
    spec = next(each["spec"]["template"]["spec"] for each in documents if each["kind"] == "DaemonSet")
    return spec, spec["containers"][0]


def bundle(folder: Path, image: Image, network: str, *, capabilities: list[str], command: list[str]) -> Path:
    """What runc needs to run it as containerd would on a node."""
    root, config = image
    _, container = pod()
    rights = container["securityContext"]
    folder.mkdir()
    sh("runc", "spec", "-b", folder)
    spec = json.loads((folder / "config.json").read_text())
    spec["root"] = {"path": str(root), "readonly": rights["readOnlyRootFilesystem"]}
    process = spec["process"]
    process["terminal"] = False
    process["user"] = {"uid": rights["runAsUser"], "gid": rights["runAsGroup"]}
    process["noNewPrivileges"] = not rights["allowPrivilegeEscalation"]
    process["capabilities"] = {kind: [f"CAP_{name}" for name in capabilities] for kind in ("bounding", "effective", "permitted")}
    process["env"] = [*config["Env"], "HTTPIPE_ADDRESS=127.0.0.1", "HTTPIPE_PORT=9598", "KUBERNETES_SERVICE_HOST=127.0.0.1"]
    process["args"] = [*config["Entrypoint"], *command]
    process["cwd"] = config["WorkingDir"]
    namespaces = [each for each in spec["linux"]["namespaces"] if each["type"] not in {"network", "cgroup"}]
    spec["linux"]["namespaces"] = [*namespaces, {"type": "network", "path": f"/run/netns/{network}"}]
    for each in container["volumeMounts"]:
        if not each.get("readOnly"):  # as the kubelet makes an emptyDir
            volume = folder / each["name"]
            volume.mkdir()
            volume.chmod(0o777)
            spec["mounts"].append({"destination": each["mountPath"], "source": str(volume), "options": ["rbind"]})
    (folder / "config.json").write_text(json.dumps(spec))
    return folder


def test_it_captures_with_the_rights_of_the_manifest(image: Image, network: str, tmp_path: Path) -> None:
    """Ready, exchanges with the programs at both ends in the log, asked from inside, ended by SIGTERM with nothing lost."""
    spec, container = pod()
    assert spec["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    given = container["securityContext"]["capabilities"]["add"]
    folder = bundle(tmp_path / "b", image, network, capabilities=given, command=image[1]["Cmd"])
    inside = ["ip", "netns", "exec", network]
    name = f"httpipe-{os.getpid()}"
    server = subprocess.Popen(
        [*inside, sys.executable, "-m", "http.server", "-b", "127.0.0.1", "8080", "-d", tmp_path], stderr=subprocess.DEVNULL
    )
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        running = subprocess.Popen(["runc", "run", "-b", folder, name], stdout=out, stderr=err, stdin=subprocess.DEVNULL)
    try:
        ready = [*inside, "curl", "-sf", "-o", "/dev/null"]
        until(
            lambda: subprocess.run([*ready, "http://127.0.0.1:9598/ready"], check=False).returncode == 0,
            (tmp_path / "err").read_text(),
        )
        until(lambda: subprocess.run([*ready, "http://127.0.0.1:8080/"], check=False).returncode == 0, "no server")

        def found() -> list[dict[str, Any]]:
            lines = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
            return [line for line in lines if line.get("server.port") == 8080 and line.get("http.response.status_code") == 200]

        until(lambda: bool(found()), "no exchange")
        [exchange] = found()
        assert exchange["httpipe.client.process.executable.name"] == "curl"
        assert exchange["process.executable.name"].startswith("python")
        assert "log" in sh("runc", "exec", name, "httpipe", "top", "--once")
    finally:
        running.terminate()
        code = running.wait(timeout=40)
        server.kill()
        server.wait()
    said = (tmp_path / "err").read_text()
    assert code == 0, said
    assert "Traceback" not in said


def test_without_capabilities_it_reads_capture_files(image: Image, network: str, tmp_path: Path) -> None:
    """As `docker run` starts it: the interpreter starts, and says what is missing only where it is."""
    folder = bundle(tmp_path / "b", image, network, capabilities=[], command=["print", "-r", "-"])
    name = f"httpipe-files-{os.getpid()}"
    with (ROOT / "examples" / "demo.pcap").open("rb") as file:
        done = subprocess.run(
            ["runc", "run", "-b", folder, name], stdin=file, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 0, done.stderr
    assert "shop.example/api/cart" in done.stdout


def test_its_size(image: Image) -> None:
    """Of what it adds to Debian; docs/install.md states it."""
    megabytes = int(sh("du", "-sm", image[0] / "opt" / "httpipe").split()[0])
    assert megabytes < 200
