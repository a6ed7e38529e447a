"""``containers``: which containers events get, at which end. The table is filled as the engine would fill it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from pipeline import native
from pipeline.codecs.ecs import EcsCodec
from pipeline.codecs.json import JsonCodec
from pipeline.docker.container import Naming, container_of
from pipeline.following.table import Listing
from pipeline.testing.transforms import Driven, exchange
from pipeline.transforms.containers import Containers
from tests.native_batches import native_batch

OF_SHOP = {
    "container.name": "shop-1",
    "container.image.name": "shop",
    "container.image.tags": ("2",),
    "service.name": "shop",
    "container.label.team": "blue",
}
OF_CART = {"container.name": "cart-1", "container.image.name": "cart", "service.name": "cart"}
LABELS = {"com.docker.compose.service": "shop", "team": "blue"}


def driven() -> Driven:
    """The transform with two containers known."""
    made = Driven(Containers, {"labels": ["team"]})
    config = made.transform.config  # type: ignore[attr-defined]
    naming = Naming(config.labels, config.service_labels)
    listing = Listing(made.transform.table)  # type: ignore[attr-defined]
    listing.take(
        [
            container_of("aa", "/shop-1", "shop:2", LABELS, naming),
            container_of("bb", "/cart-1", "cart", {"org.opencontainers.image.title": "cart"}, naming),
        ]
    )
    listing.end()
    return made


def behind(prefix: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The same of the other end."""
    return {f"{prefix}{name}": value for name, value in attributes.items()}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"httpipe_process_end": "server", "container_id": "aa"}, OF_SHOP),
        ({"httpipe_process_end": "client", "container_id": "bb", "client_address": "172.17.0.3"}, OF_CART),
        (
            {"httpipe_process_end": "server", "container_id": "aa", "httpipe_client_container_id": "bb"},
            {**OF_SHOP, **behind("httpipe.client.", OF_CART)},
        ),
        (
            {"httpipe_process_end": "server", "httpipe_client_container_id": "bb", "network_local_address": "172.17.0.2"},
            behind("httpipe.client.", OF_CART),
        ),
        ({"httpipe_process_end": "server", "container_id": "cc"}, {}),
        ({}, {}),
    ],
)
def test_ends(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each end is looked up by its container; names without a prefix are of the end that ``process.*`` describes."""
    it = driven()
    found = it.one(exchange(**fields)).attributes
    assert found == expected
    assert found.keys() <= it.transform.adds.keys()
    assert it.counts == {"found" if expected else "unknown": 1}


def test_in_json_and_in_ecs() -> None:
    """Tags are a list; ECS has places of its own for what it knows."""
    event = driven().one(exchange(httpipe_process_end="server", container_id="aa"))
    line = json.loads(JsonCodec().encode(event))
    assert (line["container.name"], line["container.image.tags"]) == ("shop-1", ["2"])
    document = json.loads(EcsCodec().encode(event))
    assert document["container"] == {"id": "aa", "name": "shop-1", "image": {"name": "shop", "tag": ["2"]}}
    assert document["service"] == {"name": "shop"}


@pytest.mark.skipif(native.lane is None, reason="needs the compiled lane")
def test_a_batch_in_native_memory_stays_there() -> None:
    """Its events get what they would get one by one, and are not made for it."""
    plain = [exchange(number, httpipe_process_end="server", container_id=each) for number, each in enumerate(["aa", "zz", "bb"])]
    it = driven()
    found = it.transform.process(native_batch(plain))[""]
    assert isinstance(found, native.EVENTS)
    assert found.objects == 0
    lines = bytes(JsonCodec().encode_batch(found)).splitlines()
    assert [json.loads(line).get("container.name") for line in lines] == ["shop-1", None, "cart-1"]
    assert [event.attributes for event in found] == [event.attributes for event in it.run(*plain)]
