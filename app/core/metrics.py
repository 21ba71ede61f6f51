"""Prometheus metrics: the one place that imports the client, which must know the processes' shared folder first.

With `METRICS_DIR` set, every process of a host writes its figures to files there and each can answer a
scrape for all. The client decides this while it is imported, so the environment is read here. The folder must be
emptied before the processes start.
"""

import os
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

if os.environ.get("METRICS_DIR"):
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", os.environ["METRICS_DIR"])
    Path(os.environ["METRICS_DIR"]).mkdir(parents=True, exist_ok=True)

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    values,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    # Containers that share the folder may have the same process ids. The client's parser needs names without "_",
    # and this class of it has no types.
    _HOST = socket.gethostname().replace("_", "-")
    values.ValueClass = values.MultiProcessValue(lambda: f"{_HOST}-{os.getpid()}")  # type: ignore[no-untyped-call]

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4.partition("; charset")[0]
"""Without the charset: Litestar adds it to any text."""
REGISTRY = CollectorRegistry(auto_describe=False)
"""Only our metrics: nothing that a library registers by itself."""

Gauge = GaugeMetricFamily


def counter(name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
    """A count that only grows; Prometheus shows it as `<name>_total`."""
    return Counter(name, documentation, labels, registry=REGISTRY)


def histogram(name: str, documentation: str, labels: Sequence[str], *, buckets: Sequence[float]) -> Histogram:
    """A distribution of seconds."""
    return Histogram(name, documentation, labels, buckets=buckets, registry=REGISTRY)


class _Once(Collector):
    """Gauges computed for one scrape."""

    def __init__(self, gauges: Iterable[Gauge]) -> None:
        self._gauges = list(gauges)

    def collect(self) -> Iterable[Gauge]:
        return self._gauges


def render(gauges: Iterable[Gauge]) -> bytes:
    """The exposition text: this host's counters and histograms, and the gauges given."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder:
        counted = CollectorRegistry()
        MultiProcessCollector(counted, folder)  # type: ignore[no-untyped-call]
    else:
        counted = REGISTRY
    fresh = CollectorRegistry()
    fresh.register(_Once(gauges))
    return generate_latest(counted) + generate_latest(fresh)
