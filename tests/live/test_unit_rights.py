"""What the systemd unit and the image of contrib allow is enough for what they run: a user with three capabilities."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from live_namespace import Namespace
from live_nginx import Serve
from live_readable import readable

from pipeline.sources.bpf.owners import BTF

CONTRIB = Path(__file__).parents[2] / "contrib"
UNIT, CONTAINERFILE = CONTRIB / "httpipe.service", CONTRIB / "Containerfile"
WAIT_SECS = 30


def capabilities() -> str:
    """Those of the unit, as setpriv(1) writes them."""
    line = next(line for line in UNIT.read_text().splitlines() if line.startswith("AmbientCapabilities="))
    return ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in line.partition("=")[2].split())])


pytestmark = pytest.mark.skipif(not BTF.exists(), reason="processes are told where the kernel describes its structures")

NOBODY = ["setpriv", "--reuid", "65534", "--clear-groups"]
PRINT = ["print", "-i", "lo", "-f", "json", "-n", "1", "--for", "60s"]


def tells_processes(namespace: Namespace, command: list[str]) -> None:
    """It captures, and tells both ends of an exchange."""
    pipe = subprocess.PIPE
    with subprocess.Popen(namespace.command(*readable(command)), stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stderr is not None
        while "capturing on lo" not in (line := process.stderr.readline()):
            assert line, "it ended"
        subprocess.run(
            namespace.command("curl", "-s", "http://127.0.0.1/small"), check=True, capture_output=True, timeout=WAIT_SECS
        )
        out, said = process.communicate(timeout=WAIT_SECS)
    assert process.returncode == 0, said
    exchange = json.loads(out)
    assert exchange["process.executable.name"] == "nginx"
    assert exchange["httpipe.client.process.executable.name"] == "curl"


def test_the_capabilities_of_the_unit(namespace: Namespace, serve: Serve) -> None:
    """They are ambient, and new privileges are forbidden."""
    serve(namespace, ["127.0.0.1:80"])
    limits = [f"--{kind}={capabilities()}" for kind in ("bounding-set", "inh-caps", "ambient-caps")]
    httpipe = str(Path(sys.executable).with_name("httpipe"))
    tells_processes(namespace, [*NOBODY, "--no-new-privs", *limits, httpipe, *PRINT])


def test_the_capabilities_of_the_image(namespace: Namespace, serve: Serve) -> None:
    """The runtime allows them, the interpreter's file gives them as in contrib/Containerfile, httpipe puts them into effect."""
    serve(namespace, ["127.0.0.1:80"])
    setcap = re.findall(r"setcap (\S+) ", CONTAINERFILE.read_text())[0]
    with tempfile.TemporaryDirectory() as folder:  # one that others may enter
        Path(folder).chmod(0o755)
        copy = Path(folder, "bin", "python3")
        copy.parent.mkdir()
        shutil.copy(Path(sys.executable).resolve(), copy)
        shutil.copy(Path(sys.prefix, "pyvenv.cfg"), folder)
        Path(folder, "lib").symlink_to(Path(sys.prefix, "lib"))
        subprocess.run(["/usr/sbin/setcap", setcap, copy], check=True, capture_output=True, timeout=WAIT_SECS)
        httpipe = [str(copy), "-c", "from pipeline.cli.start import main; main()"]
        tells_processes(namespace, [*NOBODY, f"--bounding-set={capabilities()}", "--inh-caps=-all", *httpipe, *PRINT])
