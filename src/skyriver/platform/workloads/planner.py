"""The planner: what should run + where it is + what is seen -> what to change. Pure and deterministic.

Rules:
- Work stays where it is. It moves only when its node is dead, gone or draining, and only if another node takes it:
  a dead node's work without a better place stays assigned, and goes on when the node is back.
- A suspect or unknown node keeps its work and gets no new.
- Every move raises the generation. Whoever holds an older one is not the owner any more.
- A port outside its node's range (the machine was given another one) is replaced, as if the work moved.
- Pinned work never moves. Work whose intent is gone is removed.
- What cannot be placed is reported with the reason, and tried again at the next pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from skyriver.platform.dispatch.model import NodeLoad, Placement
from skyriver.platform.workloads.model import Assignment, NodeState, ObservedNode, WorkloadIntent

PORTS_PER_WORKLOAD = 2
"""A relay listens on its port and the next one in turns: a new certificate is served beside the old one for a while."""


@dataclass(frozen=True)
class Put:
    """Give the intent this node. `previous` is None for new work, else what it moves away from."""

    intent: WorkloadIntent
    node_id: str
    port: int | None
    reason: str
    previous: Assignment | None = None

    @property
    def generation(self) -> int:
        return self.previous.generation + 1 if self.previous else 1


@dataclass(frozen=True)
class Unplaced:
    """An intent that no node takes now."""

    intent: WorkloadIntent
    reason: str


@dataclass
class PlanChanges:
    """What one pass of the planner wants to change; empty when everything is where it should be."""

    put: list[Put] = field(default_factory=list)
    remove: list[Assignment] = field(default_factory=list)
    unplaced: list[Unplaced] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.put or self.remove)


def plan(
    intents: Sequence[WorkloadIntent],
    assignments: Sequence[Assignment],
    nodes: Sequence[ObservedNode],
    placement: Placement,
) -> PlanChanges:
    """The changes that bring `assignments` to `intents`. Intents are placed in order of name."""
    wanted = {intent.name: intent for intent in intents}
    if len(wanted) != len(intents):
        raise ValueError("Two intents have the same name; names must be unique over all services.")
    board = _Board(wanted, nodes)
    changes = PlanChanges()
    homeless: list[tuple[WorkloadIntent, Assignment | None]] = []
    placed: set[str] = set()
    for assignment in sorted(assignments, key=lambda a: a.name):
        intent = wanted.get(assignment.name)
        if intent is None or intent.kind != assignment.kind:
            changes.remove.append(assignment)
            continue
        placed.add(assignment.name)
        board.keep(intent, assignment)
        if board.must_leave(intent, assignment):
            homeless.append((intent, assignment))
    homeless += [(intent, None) for name, intent in sorted(wanted.items()) if name not in placed]
    for intent, previous in homeless:
        _place(intent, previous, board, placement, changes)
    return changes


def _place(
    intent: WorkloadIntent,
    previous: Assignment | None,
    board: _Board,
    placement: Placement,
    changes: PlanChanges,
) -> None:
    if intent.node_id is not None:
        if intent.node_id in board.nodes:
            changes.put.append(Put(intent, intent.node_id, board.port(intent, intent.node_id), "pinned", previous))
            board.promise(intent, intent.node_id, changes.put[-1].port)
        else:
            changes.unplaced.append(Unplaced(intent, f"the node {intent.node_id} it is pinned to is not known"))
        return
    choice = placement.place(intent, board.loads(without=previous.node_id if previous else None))
    if choice.node_id is None:
        changes.unplaced.append(Unplaced(intent, choice.reason))
        return
    port = board.port(intent, choice.node_id)
    changes.put.append(Put(intent, choice.node_id, port, choice.reason, previous))
    if previous is not None:
        board.take_back(intent, previous)
    board.promise(intent, choice.node_id, port)


class _Board:
    """What is promised on each node, while a plan is being made."""

    def __init__(self, wanted: Mapping[str, WorkloadIntent], nodes: Sequence[ObservedNode]) -> None:
        self.nodes = {node.id: node for node in nodes}
        self._wanted = wanted
        self._held: dict[str, list[str]] = {node.id: [] for node in nodes}
        self._ports: dict[str, set[int]] = {node.id: set() for node in nodes}

    def keep(self, intent: WorkloadIntent, assignment: Assignment) -> None:
        if assignment.node_id in self.nodes:
            port = None if self._port_is_outside(assignment) else assignment.port
            self.promise(intent, assignment.node_id, port)

    def promise(self, intent: WorkloadIntent, node_id: str, port: int | None) -> None:
        self._held[node_id].append(intent.name)
        if port:
            self._ports[node_id].add(port)

    def take_back(self, intent: WorkloadIntent, assignment: Assignment) -> None:
        if intent.name in self._held.get(assignment.node_id, ()):
            self._held[assignment.node_id].remove(intent.name)

    def must_leave(self, intent: WorkloadIntent, assignment: Assignment) -> bool:
        if intent.node_id is not None:
            return intent.node_id != assignment.node_id or self._port_is_outside(assignment)
        node = self.nodes.get(assignment.node_id)
        return node is None or node.state is NodeState.DEAD or (node.draining and node.state is NodeState.ALIVE)

    def _port_is_outside(self, assignment: Assignment) -> bool:
        node = self.nodes.get(assignment.node_id)
        if node is None or not all(node.ports) or not assignment.port:
            return False
        return assignment.port not in _first_ports(node)

    def loads(self, without: str | None) -> list[NodeLoad]:
        return [self._load(node) for node in self.nodes.values() if node.id != without]

    def _load(self, node: ObservedNode) -> NodeLoad:
        held = [self._wanted[name] for name in self._held[node.id]]
        return NodeLoad(
            node,
            promised_cores=sum(intent.cpu_cores for intent in held),
            promised_bytes=sum(intent.memory_bytes for intent in held),
            intents=tuple(self._held[node.id]),
        )

    def port(self, intent: WorkloadIntent, node_id: str) -> int | None:
        """The lowest free port of the node's range; 0 (any) when it has no range or the range is used up."""
        if not intent.wants_port:
            return None
        free = (port for port in _first_ports(self.nodes[node_id]) if port and port not in self._ports[node_id])
        return next(free, 0)


def _first_ports(node: ObservedNode) -> range:
    """The ports that work on `node` may be given."""
    first, last = node.ports
    return range(first, last + 2 - PORTS_PER_WORKLOAD, PORTS_PER_WORKLOAD)
