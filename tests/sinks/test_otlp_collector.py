"""The sink `otlp` and an OpenTelemetry Collector, built from its modules: what it received, in its own words."""

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from socket import create_server
from typing import Any, Literal

import pytest

from pipeline.api import DEFAULT, Context
from pipeline.model.events.tls_handshake import TlsHandshake
from pipeline.sinks.otlp.sink import OtlpSink, OtlpSinkConfig
from pipeline.testing.contract import ordinary_events
from pipeline.transforms.aggregate import Aggregate, AggregateConfig
from tests.go_programs import NoGoError, built
from tests.sending import COUNT, all_sent, sending

pytestmark = [pytest.mark.all_sinks, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def program() -> Path:
    """The Collector; a minute of processor time to build, once."""
    try:
        return built(Path(__file__).parent / "collector", "collector", "1.26.0")
    except NoGoError as error:
        pytest.skip(f"no Collector: {error}")


class Collector:
    """One that takes OTLP over both protocols and appends what it takes to a file."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program, self.folder, self.file = program, folder, folder / "received.jsonl"
        with create_server(("127.0.0.1", 0)) as one, create_server(("127.0.0.1", 0)) as other:
            self.http, self.grpc = one.getsockname()[1], other.getsockname()[1]
        self.config = folder / "collector.yaml"
        pipelines = "".join(f"    {each}: {{receivers: [otlp], exporters: [lines]}}\n" for each in ("traces", "logs", "metrics"))
        self.config.write_text(
            "receivers:\n  otlp:\n    protocols:\n"
            f"      http: {{endpoint: 127.0.0.1:{self.http}}}\n      grpc: {{endpoint: 127.0.0.1:{self.grpc}}}\n"
            f"exporters:\n  lines: {{path: {self.file}}}\n"
            f"service:\n  pipelines:\n{pipelines}"
        )

    def start(self) -> None:
        """Returns when it answers."""
        with (self.folder / "collector.log").open("ab") as log:
            self.process = subprocess.Popen([self.program, "--config", self.config], stderr=log, stdout=log)
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.http}/")
            except urllib.error.HTTPError:  # it answers: there is nothing at this path
                return
            except OSError:
                assert self.process.poll() is None, (self.folder / "collector.log").read_text()[-2000:]
                assert time.monotonic() < until
                time.sleep(0.05)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """As a crash would."""
        self.process.send_signal(number)
        self.process.wait(timeout=60)

    def items(self, resources: str, scopes: str, kind: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Resource and item of each span, log record or metric that it received; a line that a crash has torn is none."""
        lines = self.file.read_bytes().splitlines() if self.file.exists() else []
        for line in lines:
            try:
                request = json.loads(line)
            except ValueError:
                continue
            for resource in request.get(resources, ()):
                for scope in resource[scopes]:
                    yield from ((resource["resource"], item) for item in scope[kind])

    def numbers(self) -> list[int]:
        """Which exchanges are among its spans."""
        spans = [span for _, span in self.items("resourceSpans", "scopeSpans", "spans")]
        return [int(named(span["attributes"])["httpipe.sequence"]["intValue"]) for span in spans]


def named(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    """Attributes by name."""
    return {each["key"]: each["value"] for each in attributes}


@pytest.fixture
def collector(program: Path, tmp_path: Path) -> Iterator[Collector]:
    """Running."""
    running = Collector(program, tmp_path)
    running.start()
    yield running
    running.kill()


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_everything_passes_a_collector_that_is_killed(collector: Collector, tmp_path: Path, protocol: str) -> None:
    """Killed three times in the middle: all arrive, and twice only batches that it had kept without an answer."""
    port = collector.grpc if protocol == "grpc" else collector.http
    options = f'type = "otlp"\nendpoint = "http://127.0.0.1:{port}"\nprotocol = "{protocol}"\ncompression = "gzip"'
    with sending(tmp_path, f'{options}\nbatch.max_events = 100\nresource."service.name" = "shop"') as run:
        for times in range(1, 4):
            while len(collector.numbers()) < times * 4000:
                assert run.poll() is None
                time.sleep(0.02)
            collector.kill()
            collector.start()
        all_sent(run)
    found = Counter(collector.numbers())
    assert set(found) == set(range(COUNT))
    assert sum(found.values()) - COUNT <= 3 * 100
    print(f"{protocol}: {sum(found.values()) - COUNT} twice")  # noqa: T201  for `make test-sinks`
    assert {named(resource["attributes"])["service.name"]["stringValue"] for resource, _ in spans(collector)} == {"shop"}


@pytest.mark.anyio
@pytest.mark.parametrize("protocol", ["http", "grpc"])
async def test_measurements_and_other_events_are_taken(collector: Collector, protocol: Literal["http", "grpc"]) -> None:
    """As metrics and log records, which the Collector finds whole."""
    transform = Aggregate(AggregateConfig.model_validate({"by": ["server.address"]}), Context("a"))
    transform.process(ordinary_events(0, 500))
    port = collector.grpc if protocol == "grpc" else collector.http
    config = {"endpoint": f"http://127.0.0.1:{port}", "protocol": protocol}
    sink = OtlpSink(OtlpSinkConfig.model_validate(config), Context("otel"))
    await sink.open()
    await sink.write([*transform.flush(0, last=True)[DEFAULT], TlsHandshake(1, error_type="reset")])
    await sink.aclose()
    metrics = [metric for _, metric in collector.items("resourceMetrics", "scopeMetrics", "metrics")]
    points = [point for metric in metrics if metric["name"] == "httpipe.requests" for point in metric["sum"]["dataPoints"]]
    assert sum(int(point["asInt"]) for point in points) == 500
    histograms = [point for metric in metrics if "histogram" in metric for point in metric["histogram"]["dataPoints"]]
    assert sum(int(point["count"]) for point in histograms) == 500
    assert all(int(point["count"]) == sum(map(int, point["bucketCounts"])) for point in histograms)
    ((_, record),) = collector.items("resourceLogs", "scopeLogs", "logRecords")
    assert (record["eventName"], record["severityText"]) == ("tls.handshake", "ERROR")


def spans(collector: Collector) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Of the Collector's."""
    return collector.items("resourceSpans", "scopeSpans", "spans")
