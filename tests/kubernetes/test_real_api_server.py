"""What the fake server of the other tests plays is what kube-apiserver does: lists, watches, rights, 410 Gone, a crash."""

import re
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
import yaml
from kube_server import ADMIN, KubeServer, port

from pipeline.kubernetes import follower as following
from tests.followed import FollowedPods, followed
from tests.kube_api import pod

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[2] / "docs/transforms/kubernetes.md"
MANY = 300
ROLES = "/apis/rbac.authorization.k8s.io/v1"


def grant(server: KubeServer) -> None:
    """The rights that the documentation gives, as they stand there."""
    (block,) = re.findall(r"```yaml\n(apiVersion.*?)```", PAGE.read_text(), re.DOTALL)
    for each in yaml.safe_load_all(block):
        server.call("POST", f"{ROLES}/{each['kind'].lower()}s", each)


def revoke(server: KubeServer) -> None:
    """None of them."""
    for kind in ("clusterrolebindings", "clusterroles"):
        names = [each["metadata"]["name"] for each in server.call("GET", f"{ROLES}/{kind}")["items"]]
        if "httpipe" in names:
            server.call("DELETE", f"{ROLES}/{kind}/httpipe")


@pytest.fixture
def granted(server: KubeServer) -> KubeServer:
    """With the rights of the documentation, and without pods."""
    revoke(server)
    grant(server)
    server.call("DELETE", "/api/v1/namespaces/default/pods?gracePeriodSeconds=0")
    return server


async def test_pods_are_listed_watched_and_named(granted: KubeServer, tmp_path: Path) -> None:
    """With the rights of the documentation and no others; over TLS, with a token."""
    labels = {"pod-template-hash": "7d4b"}
    shop = pod("shop-7d4b-x", "10.0.0.1", containers={"web": "ab" * 32}, owner=("ReplicaSet", "shop-7d4b"), labels=labels)
    granted.put(shop)
    async with followed(FollowedPods(granted.kubeconfig(), tmp_path, "node-1")) as it:
        await it.until(lambda: "shop-7d4b-x" in it.names)
        found = it.table.containers["ab" * 32].attributes
        assert found == {
            "k8s.namespace.name": "default",
            "k8s.pod.name": "shop-7d4b-x",
            "k8s.pod.uid": found["k8s.pod.uid"],
            "k8s.node.name": "node-1",
            "k8s.deployment.name": "shop",
            "k8s.container.name": "web",
            "service.name": "shop",
        }
        await anyio.to_thread.run_sync(granted.put, pod("elsewhere", "10.0.0.2", node="node-2"))
        await anyio.to_thread.run_sync(granted.put, pod("new", "10.0.0.3"))
        await it.until(lambda: "new" in it.names)
        assert it.names == {"shop-7d4b-x", "new"}
        await anyio.to_thread.run_sync(granted.delete, "new")
        await it.until(lambda: len(it.table) == 1)
        assert it.complaints == []


async def test_many_come_page_by_page(granted: KubeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the whole cluster."""
    monkeypatch.setattr(following, "PAGE_PODS", 100)
    for number in range(MANY):
        granted.put(pod(f"p{number}", f"10.1.{number // 250}.{number % 250 + 1}", node=f"node-{number % 7}"))
    async with followed(FollowedPods(granted.kubeconfig(), tmp_path)) as it:
        await it.until(lambda: it.table.listed)
        assert len(it.names) == MANY
        await anyio.to_thread.run_sync(granted.put, pod("last", "10.9.0.1"))
        await it.until(lambda: "last" in it.names)


async def test_a_server_that_crashed_and_forgot_is_followed_again(granted: KubeServer, tmp_path: Path) -> None:
    """While it is away pods come and go and etcd is compacted: the watch is told 410, and the list brings what is."""
    granted.put(pod("gone", "10.0.0.1"))
    granted.put(pod("stays", "10.0.0.2"))
    async with followed(FollowedPods(granted.kubeconfig(), tmp_path)) as it:
        await it.until(lambda: it.names == {"gone", "stays"})
        granted.kill()
        await it.until(lambda: "cannot follow the cluster's pods" in it.trouble)
        elsewhere = port()
        await anyio.to_thread.run_sync(granted.start, elsewhere)
        await anyio.to_thread.run_sync(granted.delete, "gone", elsewhere)
        await anyio.to_thread.run_sync(granted.put, pod("new", "10.0.0.3"), elsewhere)
        await anyio.to_thread.run_sync(granted.forget, elsewhere)
        granted.kill()
        await anyio.to_thread.run_sync(granted.start)
        await it.until(lambda: "new" in it.names)
        assert len(it.table) == 2
        assert it.counts["listed_again"] == 1
        assert it.trouble == ""


async def test_rights_that_are_missing_are_said(granted: KubeServer, tmp_path: Path) -> None:
    """In the server's words; once they are given it goes on."""
    revoke(granted)
    granted.put(pod("a", "10.0.0.1"))
    async with followed(FollowedPods(granted.kubeconfig(), tmp_path)) as it:
        await it.until(lambda: it.trouble)
        assert "403: pods is forbidden: User" in it.trouble
        assert "the service account needs get, list and watch for pods" in it.trouble
        await anyio.to_thread.run_sync(grant, granted)
        await it.until(lambda: "a" in it.names)
        assert it.trouble == ""


async def test_an_unknown_token_is_refused(granted: KubeServer, tmp_path: Path) -> None:
    """And another one is taken without a restart."""
    granted.put(pod("a", "10.0.0.1"))
    async with followed(FollowedPods(granted.kubeconfig("nonsense"), tmp_path)) as it:
        await it.until(lambda: "401: Unauthorized" in it.trouble)
        it.config.write_text(granted.kubeconfig(ADMIN))
        await it.until(lambda: "a" in it.names)
