"""What transforms measure is in the Prometheus endpoint."""

import urllib.request
from collections.abc import Sequence

from pipeline.model.metric import Metric
from pipeline.model.snapshot import Snapshot
from pipeline.telemetry.exposition import Exposition
from pipeline.testing.transforms import Driven, exchange
from pipeline.transforms.aggregate import Aggregate


class Measured:
    """A run without components that has measured something."""

    def __init__(self, totals: Sequence[tuple[str, Metric]]) -> None:
        self._totals = totals

    def snapshot(self) -> Snapshot:
        """Of no components."""
        return Snapshot(file="p.toml", pid=1, taken_ns=0, uptime_secs=1.0, ready=True, draining=False, components=())

    def measurements(self) -> Sequence[tuple[str, Metric]]:
        """As given."""
        return self._totals

    def silence_secs(self) -> float:
        """The loop turns."""
        return 0.0


def scraped(totals: Sequence[tuple[str, Metric]]) -> list[str]:
    """The lines of one scrape."""
    exposition = Exposition("127.0.0.1:0", "1", Measured(totals))
    exposition.start()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{exposition.port}/metrics", timeout=10) as answer:
            return str(answer.read().decode()).splitlines()
    finally:
        exposition.close()


def test_aggregates_are_exposed_with_their_groups() -> None:
    """Two aggregates with different groups share one family; hostile values of labels are escaped."""
    totals = []
    for name, by in (("hosts", ["server.address"]), ("all", [])):
        driven = Driven(Aggregate, {"by": by})
        driven.run(exchange(0, server_address='a"\n\\\ud800', httpipe_duration_ms=30.0, http_response_status_code=500))
        driven.end()
        totals += [(name, metric) for metric in driven.transform.metrics()]
    lines = scraped(totals)
    group = 'component_id="hosts",server_address="a\\"\\n\\\\?"'
    assert f"httpipe_http_requests_total{{{group}}} 1.0" in lines
    assert 'httpipe_http_errors_total{component_id="all"} 1.0' in lines
    for bound, count in (("0.025", 0), ("0.05", 1), ("+Inf", 1)):
        bucket = group.replace(",", f',le="{bound}",')
        assert f"httpipe_http_request_duration_seconds_bucket{{{bucket}}} {count}.0" in lines
    assert f"httpipe_http_request_duration_seconds_sum{{{group}}} 0.03" in lines
    assert lines.count("# TYPE httpipe_http_requests_total counter") == 1
