"""Exchange → Elastic Common Schema."""

import json
from typing import Any

import pytest
from codec_samples import TIMESTAMP_NS, full
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codecs.ecs import EcsCodec, ecs_names
from pipeline.codecs.selection import Selection
from pipeline.model.events.attributes import DOCUMENTED
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import FIELDS, Exchange
from pipeline.model.events.fields import FieldType
from pipeline.model.events.kind import Kind
from pipeline.model.events.kinds import OURS
from pipeline.model.events.measurement import Measurement

ECS = EcsCodec()


def written(event: Event, codec: EcsCodec = ECS) -> dict[str, Any]:
    """What the line says."""
    read: dict[str, Any] = json.loads(codec.encode(event))
    return read


def test_an_exchange_has_the_names_that_elastic_expects() -> None:
    """The whole object, as an index template of ECS takes it."""
    exchange = Exchange(
        timestamp_ns=TIMESTAMP_NS,
        http_request_method="GET",
        url_path="/a",
        server_address="shop.example",
        server_port=8080,
        client_address="192.0.2.1",
        client_port=1234,
        network_local_address="192.0.2.2",
        network_local_port=80,
        http_response_status_code=503,
        http_response_body_size=17,
        httpipe_duration_ms=1.5,
        httpipe_marks=("gap",),
        http_request_headers={"x.y": ("1", "2")},
        attributes={"team.name": "shop"},
    )
    assert written(exchange) == {
        "@timestamp": "2026-01-02T03:04:05.000000006Z",
        "ecs": {"version": "8.17.0"},
        "event": {
            "dataset": "httpipe.http.exchange",
            "kind": "event",
            "category": ["web"],
            "type": ["access"],
            "outcome": "failure",
            "duration": 1_500_000,
        },
        "network": {"transport": "tcp"},
        "http": {
            "request": {"method": "GET", "headers": {"x.y": ["1", "2"]}},
            "response": {"status_code": 503, "body": {"bytes": 17}},
        },
        "url": {"path": "/a", "domain": "shop.example", "port": 8080},
        "server": {"address": "shop.example", "ip": "192.0.2.2", "port": 80},
        "destination": {"address": "shop.example", "ip": "192.0.2.2", "port": 80},
        "client": {"address": "192.0.2.1", "ip": "192.0.2.1", "port": 1234},
        "source": {"address": "192.0.2.1", "ip": "192.0.2.1", "port": 1234},
        "httpipe": {"marks": ["gap"]},
        "labels": {"team_name": "shop"},
    }


def test_every_field_of_the_table_has_a_place() -> None:
    """Under its ECS name, or under ``httpipe``; no two fields share one."""
    known = [field for field in FIELDS if field.type is not FieldType.TIMESTAMP and not field.same_as]
    assert all(field.ecs is not None or field.name.startswith("httpipe.") for field in known)
    places = [place for field in FIELDS for place in ecs_names(field)]
    assert len(places) == len(set(places))
    read = written(full())
    for place in places:
        value: Any = read
        for step in place.split("."):
            if place.endswith(".ip"):
                break  # the sample's addresses are no addresses
            value = value[step]


@pytest.mark.parametrize("address", ["REDACTED", "", "10.0.0", "fe80::1%eth0x y"])
def test_what_is_no_address_never_stands_in_an_ip_field(address: str) -> None:
    """Elasticsearch would refuse the whole document."""
    client = written(Exchange(timestamp_ns=0, client_address=address))["client"]
    assert client["address"] == address
    assert "ip" not in client or address.startswith("fe80")


def test_fields_can_be_chosen_by_the_names_of_httpipe() -> None:
    """``@timestamp`` stays, since nothing in the Elastic stack does without it."""
    read = written(full(), EcsCodec(Selection(("url.path",), None)))
    assert set(read) == {"@timestamp", "ecs", "event", "network", "url"}
    assert read["url"] == {"path": full().url_path}


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters()), st.integers(), st.floats())
def test_never_raises(text: str, number: int, real: float) -> None:
    """Whatever came off the wire, a line comes out."""
    exchange = Exchange(
        timestamp_ns=number,
        client_address=text,
        http_response_status_code=number,
        httpipe_duration_ms=real,
        http_request_headers={text: (text,)},
        attributes={text: number, "httpipe": real},
    )
    assert isinstance(written(exchange), dict)
    assert ECS.encode_batch([exchange, exchange]).count(b"\n") == 2


@pytest.mark.parametrize("kind", [kind for kind in OURS if kind.type not in {Exchange, Measurement}], ids=repr)
def test_every_kind_of_traffic_has_a_category(kind: Kind) -> None:
    """From ECS's own lists of words: dashboards choose by it."""
    event = written(kind.type(1))["event"]
    assert event["category"][0] in {"network", "web", "intrusion_detection"}
    assert event["type"][0] in {"connection", "protocol", "info", "start"}


def test_other_events_are_their_labels() -> None:
    """An event that is no exchange has its name, its time and its labels."""

    class Metric(Event, frozen=True):
        event_name = "http.metric"

    assert written(Metric(timestamp_ns=0, attributes={"count": 3, "client.address": "192.0.2.1"})) == {
        "@timestamp": "1970-01-01T00:00:00.000000000Z",
        "ecs": {"version": "8.17.0"},
        "event": {"dataset": "httpipe.http.metric"},
        "labels": {"count": 3},
        "client": {"address": "192.0.2.1", "ip": "192.0.2.1"},
        "source": {"address": "192.0.2.1", "ip": "192.0.2.1"},
    }


def test_attributes_that_ecs_knows_have_their_places() -> None:
    """Host, service, pod and place, of every kind of event; the other end's and one's own elsewhere."""
    names: dict[str, Any] = {field.name: 1.5 if field.type is FieldType.FLOAT else "x" for field in DOCUMENTED}
    more: dict[str, Any] = {
        "httpipe.client.k8s.pod.name": "curl",
        "source.geo.country.iso_code": "CA",
        "k8s.cluster.name": "main",
    }
    found = written(Exchange(timestamp_ns=0, attributes={**names, **more}))
    assert found["host"] == {"name": "x", "id": "x"}
    assert found["service"] == {"name": "x"}
    assert found["kubernetes"]["namespace"] == "x"
    assert found["kubernetes"]["deployment"] == {"name": "x"}
    assert found["client"]["geo"]["location"] == {"lat": 1.5, "lon": 1.5}
    assert found["client"]["geo"]["city_name"] == found["client"]["as"]["organization"]["name"] == "x"
    assert found["source"] == {"geo": {"country_iso_code": "CA"}}
    assert found["httpipe"]["client"] == {"k8s": {"pod": {"name": "curl"}}}
    assert found["labels"] == {"k8s_cluster_name": "main"}
