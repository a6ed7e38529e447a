"""What expressions and transforms cost, in microseconds of CPU for each exchange. ``python -m benchmarks transforms``.

All numbers come from one run, each the best of several rounds taken in turn: compare them with each other only. Batches of 64
different exchanges, as the engine hands them on, with keys that repeat as they do in traffic.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.api import DEFAULT, Context, Event, Exchange, Transform
from pipeline.codecs.json import JsonCodec
from pipeline.codecs.json_native import native_events
from pipeline.docker.container import Naming, container_of
from pipeline.expressions.condition import compile_condition
from pipeline.expressions.template import compile_sanitised, compile_template
from pipeline.expressions.value import compile_value
from pipeline.following.table import Listing
from pipeline.kubernetes.pod import Pod
from pipeline.runtime.units.files import map_table
from pipeline.transforms.additions import addition, give, under
from pipeline.transforms.aggregate import Aggregate
from pipeline.transforms.containers import Containers
from pipeline.transforms.dedupe import Dedupe
from pipeline.transforms.enrich import Enrich
from pipeline.transforms.filter import Filter
from pipeline.transforms.geoip import Geoip
from pipeline.transforms.kubernetes import Kubernetes
from pipeline.transforms.limit import Limit
from pipeline.transforms.match_list import MatchList
from pipeline.transforms.redact import Redact
from pipeline.transforms.remove import Remove
from pipeline.transforms.rename import Rename
from pipeline.transforms.route import Route
from pipeline.transforms.sample import Sample
from pipeline.transforms.set import Set
from pipeline.transforms.template_path import TemplatePath
from pipeline.transforms.throttle import Throttle
from pipeline.transforms.trace import Trace
from pipeline.transforms.window import Window

ROUNDS = 9
REPEATS = 40
BATCH = 64

TYPICAL = [
    Exchange(
        timestamp_ns=1_767_323_045_123_456_789 + number * 10**8,
        http_request_method="GET",
        url_scheme="http",
        url_path=f"/api/v1/users/{number}/orders",
        url_query="page=2&size=50",
        server_address=f"shop{number % 8}.example.com",
        server_port=80,
        client_address=f"10.11.12.{number % 16}",
        client_port=51234,
        http_response_status_code=503 if number % 8 == 0 else 200,
        http_response_body_size=5123,
        user_agent_original="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
        http_request_headers={
            "accept": ("*/*",),
            "authorization": ("Bearer abcdefgh",),
            "traceparent": ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",),
        },
        httpipe_request_target=f"/api/v1/users/{number}/orders?page=2&size=50",
        httpipe_duration_ms=12.3 + number,
        httpipe_connection=f"10.11.12.{number % 16}:51234-10.0.0.5:80",
        httpipe_sequence=number,
    )
    for number in range(BATCH)
]
NO_HEADERS = [event.replace(http_request_headers={}) for event in TYPICAL]
MISSING = [Exchange(timestamp_ns=number) for number in range(BATCH)]

TERMS = {
    "two terms": 'status >= 500 and path.startswith("/api/")',
    "two terms, the first one holds": 'status < 600 and path.startswith("/api/")',
    "chain and in": '200 <= status < 300 and method in ("GET", "HEAD")',
    "cidr": 'client.address in cidr("10.0.0.0/8")',
    "header": 'http.request.header["accept"] == "*/*"',
    "query parameter": 'url.query["size"] == "50"',
    "matches (RE2)": 'path.matches("^/api/v[0-9]+/users/")',
    "glob (RE2)": 'path.glob("/api/*/users/**")',
    "arithmetic": 'duration_ms * 2 > "1s"',
}

TABLE = b"key,team\n" + b"".join(b"shop%d.example.com,team%d\n" % (number, number) for number in range(1000))
ENTRIES = "\n".join(
    kind.format(number) for number in range(25_000) for kind in ("/exact/{}", "/prefix{}/**", "h{}.example", "POST /glob{}/*/x")
).encode()

DATABASE = str(Path(__file__).parents[1] / "examples/transforms/places.mmdb")

TRANSFORMS: list[tuple[str, type[Transform], Mapping[str, Any], str]] = [
    ("filter", Filter, {"where": TERMS["two terms"]}, "wanted: 1"),
    ("filter with drop_to", Filter, {"where": TERMS["two terms"], "drop_to": "rest"}, ""),
    ("route, two outputs", Route, {"routes": {"errors": "status >= 500", "slow": 'duration_ms > "1s"'}}, "wanted: 1"),
    ("route, exclusive", Route, {"routes": {"errors": "status >= 500", "slow": 'duration_ms > "1s"'}, "exclusive": True}, ""),
    ("sample 10 %", Sample, {"ratio": 0.1}, "wanted: 1"),
    (
        "sample 10 % by connection, keeping errors",
        Sample,
        {"ratio": 0.1, "key": "httpipe.connection", "always": "status >= 500"},
        "",
    ),
    ("set one text", Set, {"texts": {"team": "shop"}}, "wanted: 1"),
    ("set two values", Set, {"values": {"slow": 'duration_ms > "1s"', "class": "status // 100"}}, ""),
    ("set a field", Set, {"values": {"server.address": "host.lower()"}}, ""),
    ("remove two fields", Remove, {"fields": ["url.query", "http.request.header.authorization"]}, ""),
    ("rename a header", Rename, {"fields": {"http.request.header.accept": "accept"}}, ""),
    ("redact header and parameter", Redact, {"headers": ["authorization"], "query": ["token"]}, "wanted: 3"),
    ("redact, three patterns", Redact, {"patterns": ["card_number", "jwt", "api_key"]}, ""),
    ("template_path", TemplatePath, {}, ""),
    ("throttle by client", Throttle, {"threshold": 100, "key": "client"}, ""),
    ("dedupe", Dedupe, {"key": "path", "window_secs": 1}, ""),
    ("aggregate by host", Aggregate, {"by": ["host"]}, ""),
    ("window", Window, {"where": "status >= 500", "before_events": 3}, ""),
    ("enrich, 1,000 rows", Enrich, {"file": "t.csv", "key": "host", "columns": {"team": "team"}}, ""),
    ("trace", Trace, {}, ""),
    ("limit", Limit, {}, ""),
    ("match_list, 4 entries", MatchList, {"entries": ["/exact/1", "/prefix1/**", "h1.example", "POST /glob1/*/x"]}, ""),
    ("match_list, 100,000 entries", MatchList, {"file": "list.txt"}, ""),
]


def expressions() -> Iterator[tuple[str, Callable[[Sequence[Event]], object], Sequence[Event], str]]:
    """Conditions over a batch; one call for each event where the label says so."""
    for label, text in TERMS.items():
        yield label, compile_condition(text).select, TYPICAL, "wanted: 0.2" if label.startswith("two terms") else ""
    yield "two terms, fields missing", compile_condition(TERMS["two terms"]).select, MISSING, "wanted: 0.2"
    test = compile_condition(TERMS["two terms"]).test
    yield "two terms, a call each", lambda batch: [test(event) for event in batch], TYPICAL, ""
    value = compile_value('host + " " + path').of
    yield "value: host and path", lambda batch: [value(event) for event in batch], TYPICAL, ""
    template = compile_template("{{method}} {{host}}{{path}}").render
    yield "template of three", lambda batch: [template(event) for event in batch], TYPICAL, ""
    sanitised = compile_sanitised("http-{{host}}").render
    yield "sanitised template of one", lambda batch: [sanitised(event) for event in batch], TYPICAL, ""


def transforms() -> Iterator[tuple[str, Callable[[Sequence[Event]], object], Sequence[Event], str]]:
    """Each transform with the options that people give it. Expressions of each are compiled once."""
    files = {"t.csv": TABLE, "list.txt": ENTRIES}
    for label, component, options, wanted in TRANSFORMS:
        made = component(component.Config.model_validate(options), Context("bench", read_file=files.get))
        batch = NO_HEADERS if label in ("filter", "set one text") else TYPICAL
        yield label, made.process, batch, wanted


IDENTITY = [
    event.replace(
        http_request_headers={},
        network_local_address=f"10.0.{number % 7}.1",
        client_address=f"10.0.{number % 16}.2" if number % 2 else "7.8.9.10",
        container_id=f"{number % 7:064}",
        httpipe_process_end="server",
    )
    for number, event in enumerate(TYPICAL)
]
"""Of 23 pods, half of their clients outside; of 7 containers."""


def identity() -> Iterator[tuple[str, Callable[[Sequence[Event]], object], Sequence[Event], str]]:
    """Who an event is of, and writing it as JSON: events as objects, and in the lane's memory, as they are captured."""
    json = JsonCodec().encode_batch
    shared = addition({"host.name": "web-17.example.com", "host.id": "0123456789abcdef0123456789abcdef"})
    pods = Kubernetes(Kubernetes.Config(), Context("bench"))
    listing = Listing(pods.pods)
    listing.take(_pod(f"10.0.{number}.{end}") for number in range(16) for end in (1, 2))
    listing.end()
    containers = Containers(Containers.Config(), Context("bench"))
    listing = Listing(containers.table)
    naming = Naming((), ("service",))
    listing.take(container_of(f"{n:064}", f"shop-{n}", f"shop/c{n}:1.2", {"service": f"s{n}"}, naming) for n in range(7))
    listing.end()
    places = Geoip(Geoip.Config(files=(DATABASE,)), Context("bench", map_file=map_table))
    for kind, batch in (("objects", IDENTITY), ("native", _native(IDENTITY))):
        yield f"{kind}: JSON", json, batch, ""
        yield f"{kind}: [resource], JSON", lambda batch: json(give(batch, shared, under)), batch, ""
        yield f"{kind}: kubernetes, JSON", lambda batch: json(pods.process(batch)[DEFAULT]), batch, ""
        yield f"{kind}: containers, JSON", lambda batch: json(containers.process(batch)[DEFAULT]), batch, ""
        yield f"{kind}: geoip, JSON", lambda batch: json(places.process(batch)[DEFAULT]), batch, ""
        yield (
            f"{kind}: all three, JSON",
            lambda batch: json(places.process(pods.process(give(batch, shared, under))[DEFAULT])[DEFAULT]),
            batch,
            "",
        )


def _pod(address: str) -> Pod:
    names = ("k8s.namespace.name", "k8s.pod.name", "k8s.pod.uid", "k8s.node.name", "k8s.deployment.name", "service.name")
    return Pod(address, {name: f"{name[4:12]}-of-{address}" for name in names}, (address,), {})


def _native(events: Sequence[Event]) -> Sequence[Event]:
    """The same in the lane's memory, where there is a lane."""
    codec = JsonCodec()
    found = native_events(bytes(codec.encode_batch(events)), codec.decode, lambda line, _place: codec.decode(line))
    return events if found is None else found[0]


def main() -> None:
    """Print the tables."""
    for title, found in (("expressions", expressions()), ("transforms", transforms()), ("identity", identity())):
        rows = list(found)
        best: dict[str, float] = {}
        for _ in range(ROUNDS):
            for label, work, batch, _ in rows:
                began = time.process_time()
                for _ in range(REPEATS):
                    work(batch)
                best[label] = min(best.get(label, 1e9), (time.process_time() - began) / REPEATS / BATCH * 1e6)
        print(f"{title:<46} {'µs for each exchange':>20}")
        for label, _, _, wanted in rows:
            print(f"{label:<46} {best[label]:>20.2f} {wanted}")
        print()


if __name__ == "__main__":
    main()
