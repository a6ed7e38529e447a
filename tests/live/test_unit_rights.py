"""What the systemd unit of contrib allows is enough for what it runs: a user with its capabilities and no others."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from live_namespace import Namespace
from live_nginx import Serve
from live_readable import readable

from pipeline.sources.bpf.owners import BTF

UNIT = Path(__file__).parents[2] / "contrib" / "httpipe.service"
WAIT_SECS = 30


def capabilities() -> str:
    """Those of the unit, as setpriv(1) writes them."""
    line = next(line for line in UNIT.read_text().splitlines() if line.startswith("AmbientCapabilities="))
    return ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in line.partition("=")[2].split())])


@pytest.mark.skipif(not BTF.exists(), reason="processes are told where the kernel describes its structures")
def test_processes_are_told_with_the_capabilities_of_the_unit(namespace: Namespace, serve: Serve) -> None:
    """Both ends of an exchange, by the command as it is installed."""
    serve(namespace, ["127.0.0.1:80"])
    limits = [f"--{kind}={capabilities()}" for kind in ("bounding-set", "inh-caps", "ambient-caps")]
    httpipe = [str(Path(sys.executable).with_name("httpipe")), "print", "-i", "lo", "-f", "json", "-n", "1", "--for", "60s"]
    command = readable(["setpriv", "--reuid", "65534", "--clear-groups", "--no-new-privs", *limits, *httpipe])
    pipe = subprocess.PIPE
    with subprocess.Popen(namespace.command(*command), stdout=pipe, stderr=pipe, text=True) as process:
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
