"""What writing to Kafka costs: our sink, confluent-kafka's producer and Kafka's own perf test, on one broker in one run.

Each client is a process of its own, so that its CPU time is its own; all take turns, several rounds, the best of each counts.
``events/CPU s`` counts the client only; wall-clock rates are the broker's limit on a machine of few cores. The stall is the
longest stretch for which one callback kept the event loop, in CPU time of its thread, so that other processes do not count.
"""

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "kafka"))

from pipeline.api import Context, Event, Exchange
from pipeline.codecs.registry import codec
from pipeline.sources.replay.lines import LinesReader

EVENTS = 100_000
CONNECTIONS = 2000
PARTITIONS = 12
ENGINE_BATCH = 1000
ROUNDS = 3
WANTED_PER_CPU_SEC = 200_000
WANTED_STALL_MS = 5.0


def exchanges(*, repeated: bool) -> list[Exchange]:
    """Typical exchanges; keys repeated as connections repeat them, or a connection for each."""
    began = time.time_ns()
    found = []
    for number in range(EVENTS):
        one = number % CONNECTIONS if repeated else number
        client, port = f"10.{one >> 14 & 255}.{one >> 7 & 127}.{one & 127}", 20_000 + one % 40_000
        found.append(
            Exchange(
                timestamp_ns=began + number * 1000,
                http_request_method="GET",
                url_scheme="http",
                url_path=f"/api/v1/users/{number * 7919 % 100_000}/orders",
                url_query="page=2&size=50",
                server_address="shop.example.com",
                server_port=80,
                client_address=client,
                client_port=port,
                network_local_address="10.0.0.5",
                network_local_port=80,
                network_type="ipv4",
                network_protocol_name="http",
                network_protocol_version="1.1",
                http_response_status_code=200,
                http_response_body_size=number % 9973,
                http_request_size=442,
                http_response_size=277 + number % 9973,
                user_agent_original="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
                httpipe_duration_ms=number % 997 / 7,
                httpipe_ttfb_ms=number % 997 / 8,
                httpipe_source="http",
                httpipe_capture="packet",
                httpipe_connection=f"{client}:{port}-10.0.0.5:80",
                httpipe_sequence=number // CONNECTIONS,
            )
        )
    return found


def cpu_secs() -> float:
    """CPU time of this process, all threads, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(work: Callable[[], None]) -> dict[str, float]:
    """Events per CPU second and per second of work that handles all events."""
    cpu, wall = cpu_secs(), time.perf_counter()
    work()
    return {"cpu": EVENTS / (cpu_secs() - cpu), "wall": EVENTS / (time.perf_counter() - wall)}


# ---- clients, each in its own process --------------------------------------------------------------------------------------


def ours(  # noqa: PLR0913  one for each thing in which the rows differ
    bootstrap: str, topic: str, compression: str, *, repeated: bool, stalls: bool = False, native: bool = False
) -> dict[str, float]:
    """The kafka sink, driven as the engine drives it; with events in native memory, as the lane and JSON lines give them."""
    from pipeline.sinks.kafka.sink import KafkaSink, KafkaSinkConfig  # noqa: PLC0415  only this client needs it

    events: Sequence[Event] = exchanges(repeated=repeated)
    if native:
        [events] = LinesReader("", time.time_ns).feed(bytes(codec("json").encode_batch(events)))
    config = KafkaSinkConfig.model_validate({"bootstrap_servers": bootstrap, "topic": topic, "compression": compression})
    found: dict[str, float] = {}

    async def run() -> None:
        sink = KafkaSink(config, Context("bus"))
        await sink.open()
        await write(sink, events[:5000])
        longest = LongestCallback() if stalls else None
        cpu, wall = cpu_secs(), time.perf_counter()
        await write(sink, events)
        found.update(cpu=EVENTS / (cpu_secs() - cpu), wall=EVENTS / (time.perf_counter() - wall))
        if longest is not None:
            found["stall"] = longest.ms
        await sink.aclose()

    async def write(sink: KafkaSink, some: Sequence[Event]) -> None:
        for begin in range(0, len(some), ENGINE_BATCH):
            await sink.write(some[begin : begin + ENGINE_BATCH])

    asyncio.run(run())
    return found


class LongestCallback:
    """Watches every callback of the event loop from now on."""

    def __init__(self) -> None:
        self.ms = 0.0
        run = asyncio.events.Handle._run  # noqa: SLF001  the one place through which everything passes

        def watched(handle: asyncio.Handle) -> Any:  # noqa: ANN401
            began = time.thread_time()
            result = run(handle)
            self.ms = max(self.ms, (time.thread_time() - began) * 1000)
            return result

        asyncio.events.Handle._run = watched  # type: ignore[method-assign]  # noqa: SLF001


def confluent(bootstrap: str, topic: str, compression: str, *, repeated: bool, encode: bool) -> dict[str, float]:
    """confluent-kafka's producer (librdkafka) with the same guarantees, the same bytes, keys, times and headers."""
    from confluent_kafka import Producer  # noqa: PLC0415  only this client needs it

    events = exchanges(repeated=repeated)
    to_bytes = codec("json").encode
    values = [] if encode else [to_bytes(event) for event in events]
    headers = [("httpipe-schema", b"1"), ("content-type", b"application/json")]
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": compression,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "batch.size": 512 << 10,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 1 << 20,
        }
    )

    def work() -> None:
        for number, event in enumerate(events):
            value = to_bytes(event) if encode else values[number]
            time_ms = event.timestamp_ns // 1_000_000
            producer.produce(topic, value, event.httpipe_connection, timestamp=time_ms, headers=headers)
            if not number % 1000:
                producer.poll(0)
        producer.flush()

    return measured(work)


CLIENTS: dict[str, Callable[..., dict[str, float]]] = {"ours": ours, "confluent": confluent}


# ---- the table -------------------------------------------------------------------------------------------------------------


def client(name: str, *arguments: str, **options: bool) -> dict[str, float]:
    """Run one client in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.kafka", name, *arguments, json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def perf_test(cluster: Any, topic: str, compression: str) -> dict[str, float]:  # noqa: ANN401
    """kafka-producer-perf-test with our payloads; it has no keys."""
    to_bytes = codec("json").encode
    with tempfile.NamedTemporaryFile() as payload:
        payload.write(b"\n".join(to_bytes(event) for event in exchanges(repeated=True)[:10_000]))
        payload.flush()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall = time.perf_counter()
        cluster.tool(
            "org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", str(EVENTS), "--throughput", "-1",
            "--payload-file", payload.name, "--producer-props", f"bootstrap.servers={cluster.bootstrap}", "acks=all",
            f"compression.type={compression}", "linger.ms=5", "batch.size=524288", "enable.idempotence=true",
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu": EVENTS / cpu, "wall": EVENTS / (time.perf_counter() - wall)}


def best(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """The best of several rounds: others use the machine too."""
    return {name: max(each[name] for each in rounds) for name in rounds[0]}


def main() -> None:
    """Print the table."""
    from kafka_cluster import make_cluster  # noqa: PLC0415  clients do not need it
    from kafka_distribution import NotAvailable  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="httpipe-bench-kafka-") as folder:
        try:
            cluster = make_cluster(Path(folder), quick=False, heap_mb=768)
        except NotAvailable as reason:
            print(f"not run: {reason}")
            return
        try:
            cluster.start()
            _compare(cluster)
        finally:
            cluster.stop()


def _compare(cluster: Any) -> None:  # noqa: ANN401
    topic = "bench"
    cluster.tool(
        "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", cluster.bootstrap, "--create", "--topic", topic,
        "--partitions", str(PARTITIONS), "--config", "retention.bytes=104857600", "--config", "segment.bytes=33554432",
    )  # fmt: skip
    sizes = [len(codec("json").encode(event)) for event in exchanges(repeated=True)[:1000]]
    print(f"{EVENTS} exchanges of {sum(sizes) / len(sizes):.0f} bytes of JSON, {PARTITIONS} partitions, best of {ROUNDS} rounds")
    print(f"{'client':58}{'events/CPU s':>13}{'µs CPU':>8}{'events/s':>10}{'stall ms':>10}")
    for compression in ("zstd", "none"):
        where = (cluster.bootstrap, topic, compression)
        rows: dict[str, list[dict[str, float]]] = {}
        for _ in range(ROUNDS):
            for name, run in {
                "httpipe, encoding included, keys repeat": lambda where=where: client("ours", *where, repeated=True),
                "httpipe, events in native memory, keys repeat": lambda where=where: client(
                    "ours", *where, repeated=True, native=True
                ),
                "httpipe, encoding included, every key new": lambda where=where: client("ours", *where, repeated=False),
                "confluent-kafka, encoding included, keys repeat": lambda where=where: client(
                    "confluent", *where, repeated=True, encode=True
                ),
                "confluent-kafka, ready bytes, keys repeat": lambda where=where: client(
                    "confluent", *where, repeated=True, encode=False
                ),
                "kafka-producer-perf-test, ready bytes, no keys, JVM start": lambda where=where: perf_test(cluster, *where[1:]),
            }.items():
                rows.setdefault(f"{compression}: {name}", []).append(run())
        stall = client("ours", *where, repeated=True, stalls=True)["stall"]
        for name, rounds in rows.items():
            row = best(rounds)
            shown = f"{stall:10.2f}" if "httpipe" in name and "repeat" in name else f"{'':>10}"
            print(f"{name:58}{row['cpu']:13,.0f}{1e6 / row['cpu']:8.2f}{row['wall']:10,.0f}{shown}", flush=True)
    print(f"wanted: {WANTED_PER_CPU_SEC:,} events per CPU second, keys repeated; stalls below {WANTED_STALL_MS:g} ms")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _, name, *rest, options = sys.argv
        print(json.dumps(CLIENTS[name](*rest, **json.loads(options))))
    else:
        main()
