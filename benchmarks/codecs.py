"""What encoding and decoding cost, in microseconds of CPU for each event. ``python benchmarks/codecs.py``.

All numbers come from one run, each the best of several rounds taken in turn: compare them with each other only.
"""

import time
from collections.abc import Callable, Iterable, Sequence

import msgspec
import orjson

from pipeline.codecs.ecs import EcsCodec
from pipeline.codecs.flat import to_object_of
from pipeline.codecs.json import JsonCodec
from pipeline.codecs.protobuf import ProtobufCodec
from pipeline.codecs.selection import Selection
from pipeline.codecs.timestamp import rfc3339
from pipeline.model.events.exchange import EXCHANGE, FIELDS, Exchange

ROUNDS = 15
EVENTS = 1000

TYPICAL = Exchange(
    timestamp_ns=1_767_323_045_123_456_789,
    http_request_method="GET",
    url_scheme="http",
    url_path="/api/v1/users/12345/orders",
    url_query="page=2&size=50",
    server_address="shop.example.com",
    server_port=80,
    client_address="10.11.12.13",
    client_port=51234,
    network_local_address="10.0.0.5",
    network_local_port=80,
    network_type="ipv4",
    network_protocol_name="http",
    network_protocol_version="1.1",
    http_response_status_code=200,
    http_response_body_size=5123,
    http_request_size=442,
    http_response_size=5400,
    user_agent_original="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
    httpipe_duration_ms=12.345678,
    httpipe_ttfb_ms=11.2,
    httpipe_connection="10.11.12.13:51234-10.0.0.5:80",
    httpipe_sequence=4,
)
"""24 fields, counting the two that stand twice."""
RICH = TYPICAL.replace(
    http_request_headers={"accept": ("*/*",), "x-request-id": ("0123456789abcdef",)},
    attributes={"team": "shop", "region": "eu-1"},
    url_path="/suche/größe",
)

_PLAN = tuple((field.name, field.attribute) for field in FIELDS[1:])


def by_loop(exchange: Exchange) -> bytes:
    """What the generated function replaces: a loop over the table."""
    target = {"event.name": "http.exchange", "timestamp": rfc3339(exchange.timestamp_ns)}
    for name, attribute in _PLAN:
        value = getattr(exchange, attribute)
        if value is not None and value != ():
            target[name] = value
    return orjson.dumps(target)


def appended(lines: Iterable[bytes]) -> bytearray:
    """Lines in one buffer, as the codecs do it."""
    buffer = bytearray()
    for line in lines:
        buffer += line
    return buffer


def cases() -> dict[str, Callable[[Sequence[Exchange]], object]]:
    """Name and work of each line: the work is done on a batch of one exchange many times over."""
    json, protobuf, ecs = JsonCodec(), ProtobufCodec(), EcsCodec()
    selected = JsonCodec(Selection(None, ("user_agent", "httpipe")))
    flat = to_object_of(EXCHANGE, Selection())
    line, message = json.encode(TYPICAL), protobuf.encode(TYPICAL)
    ready = flat(TYPICAL)
    return {
        "timestamp alone": lambda batch: [rfc3339(each.timestamp_ns) for each in batch],
        "flat object alone": lambda batch: [flat(each) for each in batch],
        "orjson.dumps of it alone": lambda batch: appended(orjson.dumps(ready) for _ in batch),
        "msgspec.json.encode of it alone": lambda batch: appended(msgspec.json.encode(ready) for _ in batch),
        "json, a loop over the table": lambda batch: appended(by_loop(each) for each in batch),
        "json encode_batch": json.encode_batch,
        "json encode_batch, except_fields": selected.encode_batch,
        "ecs encode_batch": ecs.encode_batch,
        "protobuf encode_batch": protobuf.encode_batch,
        "json decode": lambda batch: [json.decode(line) for _ in batch],
        "protobuf decode": lambda batch: [protobuf.decode(message) for _ in batch],
    }


def main() -> None:
    """Print the table."""
    work = cases()
    best: dict[tuple[str, str], float] = {}
    for _ in range(ROUNDS):
        for kind, exchange in (("typical", TYPICAL), ("rich", RICH)):
            batch = [exchange] * EVENTS
            for name, function in work.items():
                began = time.process_time()
                function(batch)
                best[name, kind] = min(best.get((name, kind), 1e9), (time.process_time() - began) / EVENTS * 1e6)
    print(f"{'µs for each event':36}{'24 fields':>10}{'rich':>10}")
    for name in work:
        print(f"{name:36}{best[name, 'typical']:10.2f}{best[name, 'rich']:10.2f}")
    sizes = {codec.suffix: len(codec.encode(TYPICAL)) for codec in (JsonCodec(), EcsCodec(), ProtobufCodec())}
    print("bytes: " + ", ".join(f"{suffix} {size}" for suffix, size in sizes.items()))


if __name__ == "__main__":
    main()
