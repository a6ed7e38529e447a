"""A real kube-apiserver (1.34) on an etcd of its own, both built from Go's module proxy, with role-based access control."""

import http.client
import json
import ssl
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from socket import create_server
from typing import Any

from tests.go_programs import built

SOURCE = Path(__file__).parent / "server"
GO = "1.26.0"
WAIT_SECS = 120
ADMIN, OURS = "token-of-the-admin", "token-of-httpipe"
NAMESPACE = "default"


def port() -> int:
    """One that is free."""
    with create_server(("127.0.0.1", 0)) as found:
        number: int = found.getsockname()[1]
    return number


class KubeServer:
    """``start`` and ``kill`` the API server as often as you like, on the same port; ``stop`` ends etcd, too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = built(SOURCE, "kube", GO)
        self.port, self._etcd_port, self._peer_port = port(), port(), port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        subprocess.run(["openssl", "genrsa", "-out", folder / "sa.key", "2048"], check=True, capture_output=True)
        (folder / "tokens.csv").write_text(
            f'{ADMIN},admin,1,"system:masters"\n{OURS},system:serviceaccount:httpipe:httpipe,2,"system:serviceaccounts"\n'
        )

    def start(self, at: int | None = None) -> None:
        """Until it answers; ``at`` another port."""
        here, peers = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._peer_port}"
        etcd = {
            "data-dir": f"{self.folder}/etcd",
            "listen-client-urls": here,
            "advertise-client-urls": here,
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"default={peers}",
            "unsafe-no-fsync": "true",
        }
        if "etcd" not in self._processes:
            self._run("etcd", etcd)
        self._run(
            "kube-apiserver",
            {
                "etcd-servers": here,
                "secure-port": str(at or self.port),
                "bind-address": "127.0.0.1",
                "cert-dir": f"{self.folder}/certs",
                "service-account-issuer": "https://it",
                "service-account-key-file": f"{self.folder}/sa.key",
                "service-account-signing-key-file": f"{self.folder}/sa.key",
                "token-auth-file": f"{self.folder}/tokens.csv",
                "authorization-mode": "RBAC",
                "disable-admission-plugins": "ServiceAccount,TaintNodesByCondition,Priority",
                "service-cluster-ip-range": "10.96.0.0/16",
                "etcd-compaction-interval": "0",
            },
        )
        until = time.monotonic() + WAIT_SECS
        while not self._answers(at or self.port):
            assert self._processes["kube-apiserver"].poll() is None, self._log("kube-apiserver")
            assert time.monotonic() < until, self._log("kube-apiserver")
            time.sleep(0.1)

    def kill(self) -> None:
        """As a crash or the kernel would."""
        self._end("kube-apiserver")

    def stop(self) -> None:
        """Both."""
        for name in list(self._processes):
            self._end(name)

    def call(self, method: str, path: str, body: object = None, at: int | None = None) -> Any:
        """What it answers to the admin. Raises ``AssertionError`` for an error."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", at or self.port, context=context, timeout=30)
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"authorization": f"Bearer {ADMIN}", "content-type": kind}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status < 300, f"{method} {path}: {text[:500]!r}"
        return json.loads(text) if text.startswith(b"{") else text

    def put(self, pod: Mapping[str, Any], at: int | None = None) -> None:
        """Create a pod and give it its status, as the kubelet does."""
        pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
        spec = {**pod["spec"], "terminationGracePeriodSeconds": 0}
        spec["containers"] = spec["containers"] or [{"name": "main", "image": "i"}]
        metadata = {name: value for name, value in pod["metadata"].items() if name not in ("uid", "namespace")}
        self.call("POST", pods, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, at)
        self.call("PATCH", f"{pods}/{metadata['name']}/status", {"status": pod["status"]}, at)

    def delete(self, name: str, at: int | None = None) -> None:
        """At once."""
        self.call("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/{name}?gracePeriodSeconds=0", at=at)

    def forget(self, at: int | None = None) -> None:
        """Compact etcd up to now: who watches from before is told 410."""
        revision = int(self.call("GET", "/api/v1/namespaces?limit=1", at=at)["metadata"]["resourceVersion"])
        connection = http.client.HTTPConnection("127.0.0.1", self._etcd_port, timeout=30)
        connection.request("POST", "/v3/kv/compaction", json.dumps({"revision": str(revision), "physical": True}))
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        connection.close()

    def kubeconfig(self, token: str = OURS) -> str:
        """A file that leads here; JSON is YAML."""
        cluster = {"server": f"https://127.0.0.1:{self.port}", "certificate-authority": f"{self.folder}/certs/apiserver.crt"}
        return json.dumps(
            {
                "current-context": "it",
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
                "clusters": [{"name": "it", "cluster": cluster}],
                "users": [{"name": "it", "user": {"token": token}}],
            }
        )

    def _run(self, name: str, options: Mapping[str, str]) -> None:
        command = [self.program, name, *(f"--{option}={value}" for option, value in options.items())]
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)

    def _answers(self, at: int) -> bool:
        try:
            return bool(self.call("GET", "/readyz", at=at))
        except (OSError, AssertionError, http.client.HTTPException):
            return False

    def _log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()[-3000:]

    def _end(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is not None:
            process.kill()
            process.wait()
