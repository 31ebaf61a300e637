"""Which nodes are alive, as a pure state machine: the caller passes the time, nothing here waits or reads a clock.

Rules:
- A node is alive when heard within 0.5 s, suspect until 1 s, dead after it. Heartbeats come every 250 ms.
- We judge only while we can hear. While the bus is away (`deaf`) every state stays as it was: a dead bus must not
  look like dead nodes.
- After we begin to hear (`hearing`) a node that has not spoken yet gets a grace: it has to find the bus again, too.
- When our own process was held up (a stopped machine, a long pause), the time lost is credited to every node: the
  heartbeats that came meanwhile are still unread.
- A node never heard at all is unknown until its grace is over, and then dead.
"""

from __future__ import annotations

from dataclasses import dataclass

from skyriver.platform.workloads.model import NodeState

SUSPECT_AFTER_S = 0.5
DEAD_AFTER_S = 1.0
RETURN_GRACE_S = 5.0  # an agent's reconnection back-off ends at 2 s; with a slow start of the server twice that
MAX_TICK_GAP_S = 0.25  # ticks come every 0.1 s; more than this between two means that we were held up


@dataclass
class _Seen:
    state: NodeState
    heard_at_s: float | None
    """None: not since we began to hear."""
    watched_since_s: float


@dataclass(frozen=True)
class Change:
    """A node's state changed."""

    node_id: str
    before: NodeState
    after: NodeState


class Liveness:
    """States of the watched nodes. `now_s` is monotonic seconds, and never goes backwards."""

    def __init__(
        self,
        *,
        suspect_after_s: float = SUSPECT_AFTER_S,
        dead_after_s: float = DEAD_AFTER_S,
        grace_s: float = RETURN_GRACE_S,
    ) -> None:
        self._suspect_after_s = suspect_after_s
        self._dead_after_s = dead_after_s
        self._grace_s = grace_s
        self._nodes: dict[str, _Seen] = {}
        self._hearing = False
        self._last_tick_s: float | None = None

    def watch(self, node_ids: set[str], now_s: float) -> None:
        """Watch exactly these nodes: new ones get a grace, others are forgotten."""
        for node_id in node_ids - self._nodes.keys():
            self._nodes[node_id] = _Seen(NodeState.UNKNOWN, None, now_s)
        for node_id in self._nodes.keys() - node_ids:
            del self._nodes[node_id]

    def hearing(self, now_s: float) -> None:
        """We hear (again): who has not spoken yet gets a grace."""
        self._hearing = True
        self._last_tick_s = now_s
        for seen in self._nodes.values():
            seen.heard_at_s = None
            seen.watched_since_s = now_s

    def deaf(self) -> None:
        """We do not hear any more; nothing can be concluded from silence."""
        self._hearing = False

    def heard(self, node_id: str, now_s: float) -> Change | None:
        """A heartbeat of a watched node came."""
        seen = self._nodes.get(node_id)
        if seen is None:
            return None
        seen.heard_at_s = now_s
        return self._become(node_id, seen, NodeState.ALIVE)

    def tick(self, now_s: float) -> list[Change]:
        """Let time pass; the changes it brought."""
        if not self._hearing:
            return []
        held_up_s = now_s - (self._last_tick_s if self._last_tick_s is not None else now_s)
        self._last_tick_s = now_s
        if held_up_s > MAX_TICK_GAP_S:
            self._credit(held_up_s)
        changes = [self._become(node_id, seen, self._judge(seen, now_s)) for node_id, seen in self._nodes.items()]
        return [change for change in changes if change is not None]

    def state(self, node_id: str) -> NodeState:
        seen = self._nodes.get(node_id)
        return seen.state if seen else NodeState.UNKNOWN

    def _judge(self, seen: _Seen, now_s: float) -> NodeState:
        if seen.heard_at_s is None:
            return NodeState.DEAD if now_s - seen.watched_since_s >= self._grace_s else seen.state
        silent_s = now_s - seen.heard_at_s
        if silent_s >= self._dead_after_s:
            return NodeState.DEAD
        return NodeState.SUSPECT if silent_s >= self._suspect_after_s else NodeState.ALIVE

    def _credit(self, seconds: float) -> None:
        for seen in self._nodes.values():
            seen.watched_since_s += seconds
            if seen.heard_at_s is not None:
                seen.heard_at_s += seconds

    @staticmethod
    def _become(node_id: str, seen: _Seen, state: NodeState) -> Change | None:
        if seen.state is state:
            return None
        before, seen.state = seen.state, state
        return Change(node_id, before, state)
