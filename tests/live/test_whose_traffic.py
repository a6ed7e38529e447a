"""Who live traffic is of: the host, and the pods at both ends as an API server tells them, in a pipeline that runs."""

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from live_namespace import Namespace
from live_nginx import Serve

from tests.kube_api import KubeApi, pod

PORT = 18474
URL = f"http://10.9.0.2:{PORT}/small"

PIPELINE = """
[resource]
attributes."service.name" = "of the host"
attributes."deployment.environment.name" = "test"

[sources.http]
type = "bpf"
at = "sockets"
ports = [{port}]

[transforms.pods]
type = "kubernetes"
inputs = ["http"]
whole_cluster = true
kubeconfig = "kubeconfig"

[transforms.team]
type = "set"
inputs = ["pods"]
texts.team = "payments"

[sinks.file]
type = "file"
inputs = ["team"]
path = "out.jsonl"
"""


def until(condition: Callable[[], Any]) -> Any:
    """Its value, as soon as it has one."""
    for _ in range(3000):
        if found := condition():
            return found
        time.sleep(0.01)
    raise TimeoutError


class Running:
    """``httpipe run`` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        command = [str(Path(sys.executable).with_name("httpipe")), "run", "p.toml", "--ready-file", "ready"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, stderr=log, stdout=log)

    def said(self, sentence: str) -> bool:
        """Whether the log has it."""
        return sentence in self.log.read_text()

    def events(self) -> list[dict[str, Any]]:
        """What has come out."""
        path = self.folder / "out.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def ask(self, namespace: Namespace) -> dict[str, Any]:
        """One request; its exchange."""
        before = len(self.events())
        subprocess.run(namespace.command("curl", "-s", "-o", "/dev/null", URL), check=True)
        until(lambda: len(self.events()) > before)
        return self.events()[-1]


@pytest.mark.anyio
async def test_events_say_whose_they_are(namespace: Namespace, neighbour: Namespace, serve: Serve, tmp_path: Path) -> None:
    """Also after a pod was renamed, and while the server is away; what is not known of the host is not said."""
    serve(neighbour, [f"10.9.0.2:{PORT}"])
    shop = pod("shop-7d4b-x", "10.9.0.2", owner=("ReplicaSet", "shop-7d4b"), labels={"pod-template-hash": "7d4b"})
    async with KubeApi("it") as api:
        await api.put(shop, pod("curl", "10.9.0.1", node="node-2"))
        (tmp_path / "kubeconfig").write_text(api.kubeconfig())
        (tmp_path / "p.toml").write_text(PIPELINE.format(port=PORT))
        it = Running(tmp_path)
        try:
            await anyio.to_thread.run_sync(until, lambda: (tmp_path / "ready").exists() and it.said("pods are known"))
            event = await anyio.to_thread.run_sync(it.ask, namespace)
            assert event["host.name"] == socket.gethostname()
            assert re.fullmatch(r"[0-9a-f]{32}", event.get("host.id", "0" * 32))
            assert (event["deployment.environment.name"], event["team"]) == ("test", "payments")
            names = {name.removesuffix(".name"): value for name, value in event.items() if "k8s" in name or "service" in name}
            assert names == {
                "k8s.namespace": "shop",
                "k8s.pod": "shop-7d4b-x",
                "k8s.pod.uid": "uid-shop-shop-7d4b-x",
                "k8s.node": "node-1",
                "k8s.deployment": "shop",
                "service": "shop",
                "httpipe.client.k8s.namespace": "shop",
                "httpipe.client.k8s.pod": "curl",
                "httpipe.client.k8s.pod.uid": "uid-shop-curl",
                "httpipe.client.k8s.node": "node-2",
                "httpipe.client.service": "curl",
            }
            shop["metadata"]["labels"]["app.kubernetes.io/name"] = "storefront"
            await api.put(shop)
            await anyio.to_thread.run_sync(until, lambda: it.ask(namespace)["service.name"] == "storefront")
            await api.kill()
            await anyio.to_thread.run_sync(until, lambda: it.said("cannot follow the cluster's pods"))
            event = await anyio.to_thread.run_sync(it.ask, namespace)
            assert event["service.name"] == "storefront"
            await api.start()
            await anyio.to_thread.run_sync(until, lambda: it.said("recovered"))
        finally:
            it.process.terminate()
            it.process.wait(20)
    assert it.process.returncode == 0, it.log.read_text()
    assert "Traceback" not in it.log.read_text()
