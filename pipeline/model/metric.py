"""Running totals for the metrics endpoint: what a transform such as ``aggregate`` has counted since it was started."""

from collections.abc import Mapping
from typing import Literal

import msgspec


class Metric(msgspec.Struct, frozen=True):
    """One running total, in Prometheus' sense: it only grows.

    ``buckets`` of a histogram are pairs of upper bound and cumulative count, without the last one (+Inf), which is ``value``.
    """

    name: str
    kind: Literal["counter", "histogram"]
    help: str
    labels: Mapping[str, str]
    value: float
    sum: float = 0.0
    buckets: tuple[tuple[float, float], ...] = ()
