"""What nodes report, kept in memory, and joined with what they should run.

Only the node that a workload is assigned to may report it, and only under the present generation: a node that was
dead and is back, and still runs what was given to another, does not disturb the picture.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from skyriver.fabric.bus.client import Message
from skyriver.fabric.bus.node_keys import is_signed_by
from skyriver.platform.workloads.model import ObservedWorkload, StayingWorkload, WorkloadState

log = logging.getLogger("skyriver.workloads")

MAX_WORKLOADS = 2000


@dataclass(frozen=True)
class Heartbeat:
    """One beat of one node. `boot` changes when the agent starts anew; `seq` grows within a boot."""

    node_id: str
    boot: str
    seq: int
    plan_generation: int
    cpu: float
    memory_used_bytes: int
    workloads: Mapping[str, Mapping[str, Any]]
    staying: tuple[StayingWorkload, ...] = ()


@dataclass
class NodeReports:
    """The newest beat of every node."""

    keys: dict[str, Ed25519PublicKey] = field(default_factory=dict)
    latest: dict[str, Heartbeat] = field(default_factory=dict)
    refused: int = 0

    def watch(self, keys: Mapping[str, Ed25519PublicKey]) -> None:
        """Hear exactly these nodes."""
        self.keys = dict(keys)
        self.latest = {node_id: beat for node_id, beat in self.latest.items() if node_id in keys}

    def take(self, message: Message) -> Heartbeat | None:
        """The beat in a message; None when it is forged, unreadable, old, or of a node we do not know (yet)."""
        node_id = message.subject.rpartition(".")[2]
        key = self.keys.get(node_id)
        if key is None:
            return None
        if not is_signed_by(key, message.subject, message.payload, message.headers):
            self.refused += 1
            log.warning("A heartbeat in the name of node %s is not signed by it; ignored.", node_id)
            return None
        beat = _read(node_id, message.payload)
        last = self.latest.get(node_id)
        if beat is None or (last is not None and last.boot == beat.boot and beat.seq <= last.seq):
            self.refused += 1
            return None
        self.latest[node_id] = beat
        return beat


def _read(node_id: str, payload: bytes) -> Heartbeat | None:
    try:
        body = json.loads(payload)
        workloads = body["workloads"][:MAX_WORKLOADS]
        return Heartbeat(
            node_id=node_id,
            boot=str(body["boot"]),
            seq=int(body["seq"]),
            plan_generation=int(body["plan_generation"]),
            cpu=float(body["cpu"]),
            memory_used_bytes=int(body["memory_bytes"]),
            workloads={str(w["id"]): w for w in workloads},
            staying=tuple(
                StayingWorkload(str(w["name"]), str(w.get("trouble") or ""), int(w["restarts"]))
                for w in body.get("staying", ())[:MAX_WORKLOADS]
            ),
        )
    except (ValueError, KeyError, TypeError) as error:
        log.warning("A heartbeat of node %s cannot be read: %r.", node_id, error)
        return None


def observe(expected: ObservedWorkload, report: Mapping[str, Any] | None) -> ObservedWorkload:
    """`expected` (from the store) with what its node reports of it, if that is of the same generation."""
    if report is None or report.get("generation") != expected.generation:
        return expected
    try:
        state = WorkloadState(report.get("state", ""))
    except ValueError:
        state = WorkloadState.STARTING
    ready, metrics, pid = report.get("ready"), report.get("metrics"), report.get("pid")
    return ObservedWorkload(
        **{
            **vars(expected),
            "state": state,
            "pid": pid if isinstance(pid, int) else None,
            "restarts": int(report.get("restarts", 0)),
            "ready": ready if isinstance(ready, dict) and ready else expected.ready,
            "metrics": metrics if isinstance(metrics, dict) else {},
            "reported": True,
        }
    )


def foreign(beat: Heartbeat, own: Iterable[ObservedWorkload]) -> list[str]:
    """Workload ids that a node runs and should not: it has not seen its newest plan."""
    known = {workload.id: workload.generation for workload in own}
    return [id_ for id_, report in beat.workloads.items() if known.get(id_) != report.get("generation")]
