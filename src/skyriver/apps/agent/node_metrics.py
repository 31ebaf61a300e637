"""The node for Prometheus, read off the agent's state when scraped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from skyriver.apps.agent.measure import Measure
from skyriver.apps.agent.reconcile import Slot
from skyriver.kernel.errors import WorldBroke

_WORKLOAD_GAUGES = {
    "cpu": "Cores used by the workload.",
    "memory_bytes": "Resident memory of the workload.",
    "viewers": "Viewers connected to a relay.",
    "sessions": "Sessions of a relay.",
    "egress_bps": "Bits sent per second.",
    "ingress_bps": "Bits received per second.",
    "lag_ms": "How late a relay's event loop runs.",
}


class NodeMetrics(Collector):
    """Collects from `slots`, from `measure`, and from `facts()`, which gives the agent's own numbers by name."""

    def __init__(self, slots: Mapping[str, Slot], measure: Measure, facts: Callable[[], Mapping[str, float]]) -> None:
        self._slots = slots
        self._measure = measure
        self._facts = facts

    def collect(self) -> Iterator[Metric]:
        for name, value in self._facts().items():
            yield GaugeMetricFamily(f"skyriver_agent_{name}", name.replace("_", " ").capitalize() + ".", value=value)
        labels = ["workload", "kind"]
        up = GaugeMetricFamily("skyriver_workload_up", "1 while the workload is ready.", labels=labels)
        restarts = CounterMetricFamily("skyriver_workload_restarts", "Unexpected ends.", labels=labels)
        gauges = {
            name: GaugeMetricFamily(f"skyriver_workload_{name}", text, labels=labels)
            for name, text in _WORKLOAD_GAUGES.items()
        }
        # A scrape runs in a thread of its own: a copy, because the agent goes on changing the original.
        for slot in list(self._slots.values()):
            who = [slot.workload.name, slot.workload.kind]
            up.add_metric(who, float(slot.state == "ready"))
            restarts.add_metric(who, slot.restarts)
            metrics = {**self._measure.of(slot.pid), **slot.metrics}
            for name, gauge in gauges.items():
                if isinstance(measured := metrics.get(name), int | float):
                    gauge.add_metric(who, measured)
        yield up
        yield restarts
        yield from gauges.values()


def serve_metrics(collector: Collector, host: str, port: int) -> tuple[int, Any]:
    """Serve `/metrics` in a thread; the port it got, and the server to shut down.

    Raises:
        WorldBroke: the port is taken.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    try:
        server, _thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise WorldBroke(
            f"Serving metrics on {host}:{port} failed: {error.strerror}.",
            hint="Choose another --metrics-port.",
            code="port_taken",
        ) from error
    return int(server.server_port), server
