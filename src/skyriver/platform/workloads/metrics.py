"""The cluster as Prometheus metrics of the API process; read off the picture when scraped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from skyriver.platform.workloads.controller import Controller
from skyriver.platform.workloads.view import ClusterView


class ClusterMetrics(Collector):
    """Nodes and workloads by state, passes of the planner, work without a place."""

    def __init__(self, view: ClusterView, controller: Controller) -> None:
        self._view = view
        self._controller = controller

    def collect(self) -> Iterator[Metric]:
        observed = self._view.observed
        nodes = GaugeMetricFamily("skyriver_nodes", "Nodes by role and state.", labels=["role", "state"])
        for (role, state), count in Counter((n.role, n.shown_state) for n in observed.nodes).items():
            nodes.add_metric([role, state], count)
        yield nodes
        workloads = GaugeMetricFamily("skyriver_workloads", "Workloads by kind and state.", labels=["kind", "state"])
        states = Counter((w.kind, w.state.value if w.reported else "unknown") for w in observed.workloads)
        for (kind, state), count in states.items():
            workloads.add_metric([kind, state], count)
        yield workloads
        yield GaugeMetricFamily("skyriver_unplaced", "Work that no node takes.", value=len(self._controller.unplaced()))
        yield CounterMetricFamily("skyriver_planner_passes", "Passes of the planner.", value=self._controller.passes)
        yield CounterMetricFamily(
            "skyriver_heartbeats_refused", "Forged, old or unreadable heartbeats.", value=self._view.reports.refused
        )
