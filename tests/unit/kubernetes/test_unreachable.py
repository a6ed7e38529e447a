"""A run that is over before the API server could be asked says all the same that nobody was there, and whom that concerns."""

import socket
import subprocess
import sys
from pathlib import Path

from tests.kube_api import KubeApi

ROOT = Path(__file__).resolve().parents[3]
PIPELINE = f"""
[sources.http]
type = "pcap"
path = "{ROOT / "examples" / "demo.pcap"}"

[transforms.pods]
type = "kubernetes"
inputs = ["http"]
node = "node-1"
kubeconfig = "kubeconfig"

[sinks.out]
type = "null"
inputs = ["pods"]
"""


def said(folder: Path, url: str) -> str:
    """What a run over a capture file says, with an API server at this address."""
    api = KubeApi()
    api.port = int(url.rpartition(":")[2])
    (folder / "kubeconfig").write_text(api.kubeconfig())
    (folder / "p.toml").write_text(PIPELINE)
    command = [str(Path(sys.executable).with_name("httpipe")), "run", "p.toml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=50).stderr


def test_a_closed_port_is_told_with_the_events_that_went_without_names(tmp_path: Path) -> None:
    """In the log and in the summary: the address, the error, and how many."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else can have it
        text = said(tmp_path, url := f"http://127.0.0.1:{closed.getsockname()[1]}")
    reason = f"cannot follow the pods of node node-1: {url}: Connection refused"
    [row] = [line for line in text.splitlines() if line.startswith("  transform pods")]
    assert "too_early 22" in row
    assert f"degraded: {reason}" in row
    assert "events went on without names, before the pods were known" in text
    assert sum(reason in line for line in text.splitlines() if "WARN" in line.upper()) == 1


def test_a_silent_server_is_not_waited_for_long(tmp_path: Path) -> None:
    """It takes the connection and never answers: the run ends some seconds later, and says so."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert f"degraded: cannot follow the pods of node node-1: {url} has not answered yet" in said(tmp_path, url)
