"""``/metrics`` for Prometheus, ``/health`` and ``/ready``, over HTTP on the address that the pipeline file names.

In: a service that is asked for snapshots. Out: views of them. It runs in a thread of its own and only reads; prometheus-client is
imported when the first server starts, for it costs start-up time and memory.

``/health`` answers 200 while the event loop turns and what guards the host is well, and names the components that are not well;
``/ready`` answers 200 while the pipeline carries events; else 503 with the reason.
"""

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.model.histogram import Histogram
from pipeline.model.metric import Metric as Measurement
from pipeline.model.snapshot import Snapshot
from pipeline.telemetry.http_server import StartResponse, listen
from pipeline.telemetry.metrics import METRICS, PREFIX, Kind, Metric

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric as Family

LOOP_SECS = 10.0
"""A loop that has not turned for so long is not healthy; it looks at the clock every second."""


class Service(Protocol):
    """What is asked, from a thread other than the run's (``runtime.control.service``)."""

    def snapshot(self) -> Snapshot:
        """The state of now."""

    def measurements(self) -> Sequence[tuple[str, Measurement]]:
        """The running totals of transforms, with the id of each."""

    def silence_secs(self) -> float:
        """How long ago the event loop turned last."""


class Exposition:
    """The HTTP server. Raises ``ConfigError`` where it cannot listen on ``address``."""

    def __init__(self, address: str, version: str, service: Service) -> None:
        self._service = service
        self._registry = _registry(version, service)
        self._server = listen(address, "telemetry.metrics_address", self._answer)
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    @property
    def port(self) -> int:
        """The port that was bound, also where 0 was asked for."""
        return int(self._server.server_port)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering. Waits for the thread: call it from one that may wait."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """One request (WSGI)."""
        match environ.get("PATH_INFO"):
            case "/metrics":
                from prometheus_client import make_wsgi_app  # noqa: PLC0415

                return make_wsgi_app(self._registry)(environ, start_response)  # type: ignore[no-any-return]
            case "/health":
                return _answered(start_response, self._why_unhealthy(), well=self._not_well())
            case "/ready":
                return _answered(start_response, self._why_unhealthy() or self._why_not_ready())
            case _:
                start_response("404 Not Found", [("Content-Type", "text/plain")])
                return [b"/metrics, /health, /ready\n"]

    def _why_unhealthy(self) -> str:
        silence = self._service.silence_secs()
        if silence > LOOP_SECS:
            return f"the event loop has not turned for {silence:.0f} s"
        components = self._service.snapshot().components
        return "; ".join(f"{each.id}: {each.complaint}" for each in components if each.guards and each.complaint)

    def _why_not_ready(self) -> str:
        now = self._service.snapshot()
        if now.draining:
            return "shutting down"
        awaited = [f"{each.id}: {each.error or 'opening'}" for each in now.components if each.awaited]
        if awaited:
            return f"not opened yet: {'; '.join(awaited)}"
        if not now.ready:
            return "starting"
        sources = [each for each in now.components if each.kind == "source"]
        down = [f"{each.id}: {each.error}" for each in sources if each.state == "failed" or each.complaint]
        return "; ".join(down)

    def _not_well(self) -> str:
        """A line for each component that something hinders. No reason to restart the process, which would not help."""
        hindered = [each for each in self._service.snapshot().components if each.state in ("degraded", "failed")]
        return "".join(f"{each.id}: {each.state}: {each.error}\n" for each in hindered)


class _Collector:
    """Turns a snapshot into metric families, when Prometheus asks."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._busy: dict[tuple[str, ...], tuple[float, float]] = {}

    def collect(self) -> Iterator["Family"]:
        """All families."""
        now = self._service.snapshot()
        for metric in METRICS:
            yield self._family(metric, now)
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

        yield GaugeMetricFamily(f"{PREFIX}uptime_seconds", "Time since the start of the run.", value=now.uptime_secs)

    def _family(self, metric: Metric, now: Snapshot) -> "Family":
        from prometheus_client.core import (  # noqa: PLC0415
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        make = {Kind.COUNTER: CounterMetricFamily, Kind.GAUGE: GaugeMetricFamily, Kind.HISTOGRAM: HistogramMetricFamily}
        family: Any = make[metric.kind](metric.full_name, metric.help, labels=metric.labels)
        for component in now.components:
            for labels, value in metric.read(component):
                if metric.kind is Kind.HISTOGRAM:
                    family.add_metric(labels, *_buckets(value))
                elif metric.name == "utilization":
                    family.add_metric(labels, self._utilization(labels, value, now.uptime_secs))
                else:
                    family.add_metric(labels, value)
        return family  # type: ignore[no-any-return]

    def _utilization(self, labels: tuple[str, ...], busy_secs: float, now: float) -> float:
        """Since this collector was asked last."""
        before_busy, before = self._busy.get(labels, (0.0, 0.0))
        self._busy[labels] = (busy_secs, now)
        return (busy_secs - before_busy) / (now - before) if now > before else 0.0


def _buckets(histogram: Histogram | None) -> tuple[list[tuple[str, float]], float]:
    """Cumulative, as Prometheus wants them."""
    observed = histogram or Histogram()
    buckets = [(str(bound), count) for bound, count in observed.cumulative()]
    return [*buckets, ("+Inf", observed.count)], observed.sum


class _MeasurementsCollector:
    """Turns what transforms measure into metric families. Labels differ from one transform to the next."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator["Family"]:
        """All families."""
        from prometheus_client.core import Metric as Family  # noqa: PLC0415

        families: dict[str, Family] = {}
        for component_id, total in self._service.measurements():
            name = PREFIX + total.name
            bare = name.removesuffix("_total")  # the text format puts the suffix of a counter back
            family = families.setdefault(name, Family(bare, total.help, total.kind))
            labels = {"component_id": component_id, **{_label(each): _text(value) for each, value in total.labels.items()}}
            if total.kind == "counter":
                family.add_sample(name, labels, total.value)
                continue
            for bound, count in (*total.buckets, ("+Inf", total.value)):
                family.add_sample(f"{name}_bucket", {**labels, "le": str(bound)}, count)
            family.add_sample(f"{name}_count", labels, total.value)
            family.add_sample(f"{name}_sum", labels, total.sum)
        yield from families.values()


def _text(value: str) -> str:
    """What came off the wire may be no text at all."""
    return value.encode("utf-8", "replace").decode()


def _label(name: str) -> str:
    """The name of a field as Prometheus allows labels: ``server_address``."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def _registry(version: str, service: Service) -> "CollectorRegistry":
    from prometheus_client import CollectorRegistry, ProcessCollector  # noqa: PLC0415
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

    class Build:
        def collect(self) -> Iterator["Family"]:
            family = GaugeMetricFamily(f"{PREFIX}build_info", "1, with the version as a label.", labels=("version",))
            family.add_metric((version,), 1)
            yield family

    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(Build())
    registry.register(_Collector(service))
    registry.register(_MeasurementsCollector(service))
    return registry


def _answered(start_response: StartResponse, trouble: str, *, well: str = "") -> Iterable[bytes]:
    """503 with the trouble; else 200, and what there is to say all the same."""
    start_response("503 Service Unavailable" if trouble else "200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{trouble or 'ok'}\n{'' if trouble else well}".encode()]
