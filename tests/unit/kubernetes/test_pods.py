"""What is made of pods, and how long they are found."""

import json
from collections import Counter
from typing import Any

import pytest

from pipeline.following.table import LEAVING_SECS, Listing, Table
from pipeline.kubernetes.pod import Naming, Pod, decode, pod_of
from tests.kube_api import pod

NAMING = Naming({}, ("app.kubernetes.io/instance", "app.kubernetes.io/name"))


def understood(told: dict[str, Any], naming: Naming = NAMING) -> Pod:
    """From the server's JSON."""
    return pod_of(decode(json.dumps(told)), naming)


@pytest.mark.parametrize(
    ("owner", "labels", "expected"),
    [
        (("ReplicaSet", "shop-7d4b9c5f6d"), {"pod-template-hash": "7d4b9c5f6d"}, {"deployment": "shop"}),
        (("ReplicaSet", "a-b-c"), {"pod-template-hash": "other"}, {"replicaset": "a-b-c"}),
        (("ReplicaSet", "by-hand"), {}, {"replicaset": "by-hand"}),
        (("StatefulSet", "db"), {}, {"statefulset": "db"}),
        (("DaemonSet", "agent"), {}, {"daemonset": "agent"}),
        (("Job", "backup-28932480"), {}, {"job": "backup-28932480", "cronjob": "backup"}),
        (("Job", "migrate-2"), {}, {"job": "migrate-2"}),
        (("Rollout", "x"), {}, {}),
        (None, {}, {}),
    ],
)
def test_the_workload_is_what_made_the_pod(
    owner: tuple[str, str] | None, labels: dict[str, str], expected: dict[str, str]
) -> None:
    """A Deployment by its ReplicaSet's name without the hash, a CronJob by its Job's without the time."""
    found = understood(pod("p", owner=owner, labels=labels)).attributes
    kinds = {name.split(".")[1]: value for name, value in found.items() if name.startswith("k8s.")}
    assert {kind: name for kind, name in kinds.items() if kind not in ("pod", "namespace", "node")} == expected


def test_a_service_is_named_by_annotation_label_workload_pod() -> None:
    """In OpenTelemetry's order."""
    annotations, owner = {"resource.opentelemetry.io/service.name": "said"}, ("StatefulSet", "db")
    labels = {"app.kubernetes.io/name": "postgres", "app.kubernetes.io/instance": "orders-db"}
    every: dict[str, Any] = {"annotations": annotations, "labels": labels, "owner": owner}
    named = []
    for _ in range(3):
        named.append(understood(pod("db-0", **every)).attributes["service.name"])
        every.pop(next(iter(every)))
    assert [*named, understood(pod("db-0")).attributes["service.name"]] == ["said", "orders-db", "db", "db-0"]
    plain = Naming({"app.kubernetes.io/name": "service.kind"}, ())
    found = understood(pod("db-0", labels=labels, owner=owner), plain).attributes
    assert (found["service.name"], found["service.kind"]) == ("db", "postgres")


def test_what_ended_or_shares_its_nodes_address_has_none() -> None:
    """Another pod may have the address by now, or every one of the node has it."""
    assert understood(pod("a", "10.0.0.1", containers={"c": "11"})).addresses == ("10.0.0.1",)
    for odd in (pod("a", "10.0.0.1", phase="Succeeded", containers={"c": "11"}), pod("a", "10.0.0.1", host_network=True, containers={"c": "11"})):  # fmt: skip  # noqa: E501
        assert (understood(odd).addresses, understood(odd).containers) == ((), {"11": "c"})


def test_what_servers_leave_out_or_write_as_null_is_taken() -> None:
    """Go writes null for an empty list; a pod that is not scheduled has hardly anything."""
    told = {
        "metadata": {"name": "p", "uid": "1", "labels": None},
        "spec": {},
        "status": {"podIPs": None, "containerStatuses": None},
    }
    assert understood(told).attributes == {"k8s.pod.name": "p", "k8s.pod.uid": "1", "service.name": "p"}


class Kept:
    """A table with a clock of its own."""

    def __init__(self, max_pods: int = 10) -> None:
        self.now = 0.0
        self.counts: Counter[str] = Counter()
        self.pods = Table(max_pods, lambda name, by: self.counts.update({name: by}), lambda: self.now)

    def put(self, told: dict[str, Any]) -> Pod:
        """One as the server gives it."""
        made = understood(told)
        self.pods.put(made)
        return made

    def list(self, *pages: list[dict[str, Any]]) -> None:
        """A whole list."""
        listing = Listing(self.pods)
        for page in pages:
            listing.take([understood(told) for told in page])
        listing.end()

    def at(self, address: str) -> str | None:
        """Who has an address."""
        found = self.pods.addresses.get(address)
        return found.attributes["k8s.pod.name"] if found else None


def test_a_pod_is_found_by_container_and_address_for_a_while_after_it_is_gone() -> None:
    """The container's own name stands beside the pod's."""
    table = Kept()
    made = table.put(pod("a", "10.0.0.1", containers={"web": "11", "side": "22"}))
    assert table.pods.containers["22"].attributes == {**made.attributes, "k8s.container.name": "side"}
    table.pods.remove(made.uid)
    table.now = LEAVING_SECS - 1
    table.pods.expire()
    assert table.at("10.0.0.1") == "a"
    table.now = LEAVING_SECS
    table.pods.expire()
    assert not table.pods.addresses
    assert not table.pods.containers
    assert len(table.pods) == 0


def test_an_address_is_its_newest_pods_whatever_order_the_changes_come_in() -> None:
    """The next pod may have it before the end of the last one is told."""
    table = Kept()
    first = table.put(pod("first", "10.0.0.1"))
    table.put(pod("second", "10.0.0.1"))
    table.pods.remove(first.uid)
    table.now = 10 * LEAVING_SECS
    table.pods.expire()
    assert table.at("10.0.0.1") == "second"


def test_what_comes_back_in_time_stays() -> None:
    """A container that was missing in one status, or a pod that one list lacked."""
    table = Kept()
    whole = pod("a", "10.0.0.1", containers={"web": "11"})
    table.put(whole)
    table.put(pod("a", "10.0.0.1"))
    table.put(whole)
    table.now = 10 * LEAVING_SECS
    table.pods.expire()
    assert "11" in table.pods.containers
    table.list([])
    table.list([whole])
    table.now *= 2
    table.pods.expire()
    assert (table.at("10.0.0.1"), set(table.pods.containers)) == ("a", {"11"})


def test_an_identity_is_the_same_object_until_it_changes() -> None:
    """So that what was made of it is made once, however often the kubelet reports."""
    table = Kept()
    table.put(pod("a", "10.0.0.1", containers={"web": "11"}))
    address, container = table.pods.addresses["10.0.0.1"], table.pods.containers["11"]
    table.put(pod("a", "10.0.0.1", containers={"web": "11", "more": "22"}))
    assert (table.pods.addresses["10.0.0.1"], table.pods.containers["11"]) == (address, container)
    table.put(pod("a", "10.0.0.1", containers={"web": "11"}, labels={"app.kubernetes.io/name": "renamed"}))
    assert table.pods.addresses["10.0.0.1"].attributes["service.name"] == "renamed"
    assert table.pods.containers["11"] is not container


def test_the_table_is_bounded() -> None:
    """Pods beyond it are counted; those that go make room."""
    table = Kept(max_pods=2)
    made = [table.put(pod(name, f"10.0.0.{number}")) for number, name in enumerate("abc")]
    assert (len(table.pods), table.at("10.0.0.2"), table.counts) == (2, None, {"table_full": 1})
    table.pods.remove(made[0].uid)
    table.pods.put(made[2])
    assert table.at("10.0.0.2") == "c"


def test_each_report_of_a_pod_without_room_counts() -> None:
    """So that a table which is too small is seen for as long as it is; nobody remembers whom it did not take."""
    table = Kept(max_pods=1)
    for labels in ({}, {"a": "1"}, {"a": "2"}):
        table.put(pod("in", "10.0.0.1", labels=labels))
        table.put(pod("out", "10.0.0.2", labels=labels))
    assert table.counts == {"table_full": 3}


def test_a_list_of_many_pages_holds_no_more_than_the_table() -> None:
    """Of a cluster that is larger; what is beyond it is counted at once."""
    table = Kept(max_pods=3)
    listing = Listing(table.pods)
    for page in range(10):
        listing.take([understood(pod(f"p{page}-{number}", f"10.0.{page}.{number}")) for number in range(2)])
        assert len(table.pods) + len(listing._late) <= 3
    listing.end()
    assert ({*table.pods.addresses}, table.counts) == ({"10.0.0.0", "10.0.0.1", "10.0.1.0"}, {"table_full": 17})


def test_those_that_are_gone_make_room_on_the_list_that_says_so() -> None:
    """Though it is known only at its end who is gone."""
    table = Kept(max_pods=2)
    old, stays, new, more = (pod(name, f"10.0.0.{number}") for number, name in enumerate(("old", "stays", "new", "more")))
    table.list([old, stays])
    table.list([new, more], [stays])
    assert {table.at(f"10.0.0.{number}") for number in (1, 2, 3)} == {"stays", "new", None}
    assert (len(table.pods), table.counts) == (2, {"table_full": 1})


def test_many_that_come_and_go_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs make a pod a second for years; within the two minutes the number is bounded."""
    monkeypatch.setattr("pipeline.following.table.MOST_LEAVING", 100)
    table = Kept()
    for number in range(1000):
        table.pods.remove(table.put(pod(f"job-{number}", f"10.0.{number // 250}.{number % 250}")).uid)
    assert len(table.pods.addresses) <= 101
