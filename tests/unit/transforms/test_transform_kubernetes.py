"""``kubernetes``: which pods events get, at which end. The table is filled as the server would fill it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from pipeline import native
from pipeline.errors import ConfigError
from pipeline.following.table import Listing
from pipeline.kubernetes.pod import Naming, decode, pod_of
from pipeline.testing.transforms import SECOND, START_NS, Driven, exchange
from pipeline.transforms.kubernetes import Kubernetes
from pipeline.transforms.naming import MOST_WAITING
from tests.kube_api import pod
from tests.native_batches import native_batch

SHOP = pod(
    "shop-7d4b-x", "10.0.0.1", containers={"web": "aa"}, owner=("ReplicaSet", "shop-7d4b"), labels={"pod-template-hash": "7d4b"}
)
CART = pod("cart-0", "10.0.0.2", namespace="orders", node="node-2", containers={"app": "bb"}, owner=("StatefulSet", "cart"))
AGENT = pod("agent-q", "192.168.0.5", containers={"agent": "cc"}, owner=("DaemonSet", "agent"), host_network=True)

OF_SHOP = {
    "k8s.namespace.name": "shop",
    "k8s.pod.name": "shop-7d4b-x",
    "k8s.pod.uid": "uid-shop-shop-7d4b-x",
    "k8s.node.name": "node-1",
    "k8s.deployment.name": "shop",
    "service.name": "shop",
}
OF_CART = {
    "k8s.namespace.name": "orders",
    "k8s.pod.name": "cart-0",
    "k8s.pod.uid": "uid-orders-cart-0",
    "k8s.node.name": "node-2",
    "k8s.statefulset.name": "cart",
    "service.name": "cart",
}


def behind(prefix: str, attributes: Mapping[str, str]) -> dict[str, str]:
    """The same of the other end."""
    return {f"{prefix}{name}": value for name, value in attributes.items()}


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = START_NS

    def __call__(self) -> int:
        """Its time."""
        return self.now


def driven(options: Mapping[str, Any] | None = None, *, listed: bool = True, clock: Clock | None = None) -> Driven:
    """The transform with three pods known, or with none yet."""
    made = Driven(Kubernetes, options, now_ns=clock or Clock())
    if listed:
        know(made)
    return made


def know(it: Driven) -> None:
    """The first list has come."""
    config = it.transform.config  # type: ignore[attr-defined]
    naming = Naming(config.labels, config.service_labels)
    listing = Listing(it.transform.pods)  # type: ignore[attr-defined]
    listing.take(pod_of(decode(json.dumps(told)), naming) for told in (SHOP, CART, AGENT))
    listing.end()


CASES: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    (
        "addresses alone",
        {"network_local_address": "10.0.0.1", "client_address": "10.0.0.2"},
        {**OF_SHOP, **behind("httpipe.client.", OF_CART)},
    ),
    (
        "the server's process",
        {
            "httpipe_process_end": "server",
            "container_id": "aa",
            "network_local_address": "10.0.0.1",
            "client_address": "10.0.0.2",
        },
        {**OF_SHOP, "k8s.container.name": "web", **behind("httpipe.client.", OF_CART)},
    ),
    (
        "the client's process",
        {
            "httpipe_process_end": "client",
            "container_id": "bb",
            "network_local_address": "10.0.0.1",
            "client_address": "10.0.0.2",
        },
        {**OF_CART, "k8s.container.name": "app", **behind("httpipe.server.", OF_SHOP)},
    ),
    (
        "both on this host",
        {
            "httpipe_process_end": "server",
            "container_id": "aa",
            "httpipe_client_container_id": "bb",
            "client_address": "127.0.0.1",
        },
        {**OF_SHOP, "k8s.container.name": "web", **behind("httpipe.client.", {**OF_CART, "k8s.container.name": "app"})},
    ),
    (
        "the host's network, by container only",
        {
            "httpipe_process_end": "client",
            "container_id": "cc",
            "client_address": "192.168.0.5",
            "network_local_address": "9.9.9.9",
        },
        {"k8s.pod.name": "agent-q", "k8s.daemonset.name": "agent", "k8s.container.name": "agent"},
    ),
    ("a pod asks a server outside", {"network_local_address": "9.9.9.9", "client_address": "10.0.0.2"}, OF_CART),
    (
        "a program of the host asks a pod",
        {"httpipe_process_end": "client", "network_local_address": "10.0.0.1", "client_address": "192.168.0.5"},
        behind("httpipe.server.", OF_SHOP),
    ),
    (
        "a container that is new is found by its address",
        {"httpipe_process_end": "server", "container_id": "new", "network_local_address": "10.0.0.1"},
        OF_SHOP,
    ),
    ("nobody", {"network_local_address": "192.168.0.5", "client_address": "9.9.9.9"}, {}),
    ("nothing", {}, {}),
]


@pytest.mark.parametrize(("fields", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_ends(fields: dict[str, Any], expected: dict[str, str]) -> None:
    """Each end is looked up by container, then by address; names without a prefix are of the end that ``process.*`` describes."""
    it = driven()
    found = it.one(exchange(**fields)).attributes
    assert expected.items() <= found.items()
    prefixes = {name.partition("k8s")[0] for name in expected if "k8s" in name}
    assert {name.partition("k8s")[0] for name in found if "k8s" in name} == prefixes
    assert it.counts == {"found" if expected else "unknown": 1}


def test_every_attribute_is_declared() -> None:
    """So that expressions downstream know them, labels included."""
    it = driven({"labels": {"pod-template-hash": "my.hash"}})
    found = it.one(exchange(network_local_address="10.0.0.1", client_address="10.0.0.2")).attributes
    assert found["my.hash"] == "7d4b"
    assert found.keys() <= it.transform.adds.keys()


def test_what_an_event_had_stays_but_for_the_same_names() -> None:
    """A service name of the whole host gives way to that of the pod."""
    event = exchange(network_local_address="10.0.0.1", attributes={"service.name": "host", "mine": "1"})
    found = driven().one(event)
    assert (found.attributes["service.name"], found.attributes["mine"]) == ("shop", "1")
    assert found.memory_bytes > event.memory_bytes


def test_events_of_one_pair_share_their_attributes() -> None:
    """Encoders write them once for many."""
    first, second = driven().run(*[exchange(number, network_local_address="10.0.0.1") for number in range(2)])
    assert first.attributes is second.attributes


def test_before_the_pods_are_known_events_go_on() -> None:
    """Nothing waits for the server unless the file says so."""
    it = driven(listed=False)
    assert it.one(exchange(network_local_address="10.0.0.1")).attributes == {}
    assert it.counts == {"too_early": 1}


def test_events_may_wait_for_the_pods() -> None:
    """They go on in order as soon as the first list is there."""
    it = driven({"wait_secs": 5}, listed=False)
    assert it.run(exchange(0, network_local_address="10.0.0.1")) == []
    assert it.transform.held_events == 1
    know(it)
    later = it.run(exchange(1, network_local_address="10.0.0.1"))
    assert [event.attributes["k8s.pod.name"] for event in later] == ["shop-7d4b-x"] * 2
    assert it.transform.held_events == 0


@pytest.mark.parametrize("by", ["flush", "the next batch", "the end", "too many"])
def test_they_do_not_wait_for_ever(by: str) -> None:
    """Nor in any number."""
    clock = Clock()
    it = driven({"wait_secs": 5}, listed=False, clock=clock)
    number = MOST_WAITING if by == "too many" else 1
    found = it.run(*[exchange(network_local_address="10.0.0.1")] * number)
    clock.now += (0 if by in ("the end", "too many") else 6) * SECOND
    match by:
        case "flush":
            found = list(it.transform.flush(clock.now, last=False)[""])
        case "the next batch":
            found = it.run(exchange(1))[:1]
        case "the end":
            found = it.end()
    assert len(found) == number
    assert it.counts["too_early"] >= number
    assert it.transform.held_events == 0
    assert len(it.run(exchange(2))) == 1


@pytest.mark.skipif(native.lane is None, reason="needs the compiled lane")
def test_a_batch_in_native_memory_stays_there() -> None:
    """Its events get what they would get one by one, and are not made for it."""
    servers = ["10.0.0.1", "9.9.9.9", "10.0.0.1"]
    plain = [exchange(number, network_local_address=each, client_address="10.0.0.2") for number, each in enumerate(servers)]
    it = driven()
    found = it.transform.process(native_batch(plain))[""]
    assert isinstance(found, native.EVENTS)
    assert found.objects == 0
    assert [event.attributes for event in found] == [event.attributes for event in it.run(*plain)]
    assert [event.attributes.get("k8s.pod.name") for event in found] == ["shop-7d4b-x", "cart-0", "shop-7d4b-x"]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"labels": {"app": "url.path"}}, '"url.path" is a field'), ({"labels": {"app": " "}}, "is not the name of a field")],
)
def test_attributes_are_no_fields(options: dict[str, Any], message: str) -> None:
    """A label must not overwrite what was seen."""
    with pytest.raises(ConfigError, match=message):
        driven(options)
