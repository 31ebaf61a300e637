"""Which core node a channel's publisher comes to."""

from __future__ import annotations

from skyriver.platform.workloads.model import NodeState, ObservedNode, ObservedState
from skyriver.services.live.model import home_of


def core_nodes(observed: ObservedState) -> list[ObservedNode]:
    return sorted((node for node in observed.nodes if node.role == "core"), key=lambda node: node.id)


def neighbour_index(node: ObservedNode, observed: ObservedState) -> int:
    """How many core nodes with the same address come before this one: 0 on a machine of its own.

    Stations of several core nodes on one machine (`up --cores 2`) cannot all have the configured ports.
    """
    return [other.id for other in core_nodes(observed) if other.address == node.address].index(node.id)


def home_node(channel_id: str, observed: ObservedState, *, input_node_id: str | None = None) -> ObservedNode | None:
    """Where the channel's publisher is to come: where it is now, else its hashed home among the usable core nodes.

    Nodes that are draining or dead come into question only when there is no other: a list that is empty would take the
    keys away from every station, and a publisher that runs there does not care what we think of its node.

    Args:
        input_node_id: where its publisher is now, if it has one.
    """
    nodes = core_nodes(observed)
    present = [node for node in nodes if node.state is not NodeState.DEAD] or nodes
    for node in present:
        if node.id == input_node_id:
            return node
    usable = [node for node in present if not node.draining] or present
    home_id = home_of(channel_id, [node.id for node in usable])
    return next((node for node in usable if node.id == home_id), None)
