"""The Helm chart: linted and rendered by Helm, and what it renders by default is the manifest in contrib/kubernetes."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from go_programs import installed
from test_distribution import ROOT
from test_manifest import errors_of

pytestmark = pytest.mark.timeout(1500)

CHART = ROOT / "contrib" / "helm" / "httpipe"
HEADER = "# Rendered from contrib/helm/httpipe by `make manifest`.\n"

KUBE = "--kube-version=1.30"  # built from its module it takes itself to be of 1.20

Helm = Callable[..., str]

VALUES = """
pipeline: |
  [sources.http]
  type = "bpf"
  [sinks.out]
  type = "null"
  inputs = ["http"]
env: [{name: KAFKA_PASSWORD, valueFrom: {secretKeyRef: {name: kafka, key: password}}}]
envFrom: [{secretRef: {name: more}}]
imagePullSecrets: [{name: ours}]
capabilities: [NET_RAW, BPF, PERFMON, SYS_PTRACE, DAC_READ_SEARCH]
hostPID: true
address: "[::]"
port: 9999
stateHostPath: /var/lib/httpipe
rbac: {create: false}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms: [{matchExpressions: [{key: web, operator: Exists}]}]
podAnnotations: {a: b}
podLabels: {team: sre}
"""


@pytest.fixture(scope="module")
def helm() -> Helm:
    """The command, with what it prints."""
    program = installed("helm.sh/helm/v3/cmd/helm@v3.22.0", "1.26.0")

    def run(*arguments: str | Path) -> str:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_lint(helm: Helm) -> None:
    """Helm finds nothing to say."""
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART)


def test_the_manifest_is_what_the_chart_renders(helm: Helm) -> None:
    """`make manifest` writes it."""
    rendered = helm("template", "httpipe", CHART, "--namespace", "httpipe", KUBE)
    assert (ROOT / "contrib" / "kubernetes" / "httpipe.yaml").read_text() == HEADER + rendered


def test_every_value(helm: Helm, tmp_path: Path) -> None:
    """What values change stays valid, and stands where it belongs."""
    values = tmp_path / "values.yaml"
    values.write_text(VALUES)
    documents = list(yaml.safe_load_all(helm("template", "ours", CHART, "--namespace", "web", "-f", values, KUBE)))
    assert [each["kind"] for each in documents] == ["ServiceAccount", "ConfigMap", "DaemonSet"]
    assert errors_of(documents) == []
    pod = documents[2]["spec"]["template"]
    [container] = pod["spec"]["containers"]
    assert pod["metadata"]["labels"]["team"] == "sre"
    assert pod["spec"]["hostPID"] is True
    assert pod["spec"]["volumes"][2] == {"name": "state", "hostPath": {"path": "/var/lib/httpipe", "type": "Directory"}}
    assert container["env"][0] == {"name": "HTTPIPE_ADDRESS", "value": "[::]"}
    assert container["env"][-1]["name"] == "KAFKA_PASSWORD"
    assert container["ports"] == [{"name": "metrics", "containerPort": 9999}]
    assert "null" in documents[1]["data"]["pipeline.toml"]


def test_the_pod_monitor(helm: Helm) -> None:
    """For those who have the Prometheus operator."""
    monitor = helm("template", "ours", CHART, "--set", "podMonitor.enabled=true", "-s", "templates/podmonitor.yaml", KUBE)
    assert yaml.safe_load(monitor)["spec"]["podMetricsEndpoints"] == [{"port": "metrics"}]


def test_another_pipeline_is_another_pod(helm: Helm) -> None:
    """A change of the ConfigMap alone restarts nothing."""
    one, other = (
        yaml.safe_load(helm("template", "a", CHART, "-s", "templates/daemonset.yaml", KUBE, *more))
        for more in ((), ("--set", "pipeline=other"))
    )
    assert one["spec"]["template"]["metadata"] != other["spec"]["template"]["metadata"]
