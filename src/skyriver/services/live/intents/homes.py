"""Which core node the publisher of each of a channel's inputs comes to."""

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
    """Where the channel's main publisher is to come: where it is now, else its hashed home among usable core nodes.

    Nodes that are draining or dead come into question only when there is no other: a list that is empty would take the
    keys away from every station, and a publisher that runs there does not care what we think of its node.

    Args:
        input_node_id: where its publisher is now, if it has one.
    """
    present = _present(observed)
    return _where_it_is(present, input_node_id) or _hashed(channel_id, _usable(present))


def backup_node(
    channel_id: str, observed: ObservedState, main: ObservedNode | None, *, input_node_id: str | None = None
) -> ObservedNode | None:
    """Where the channel's backup publisher is to come: as far from the main one's node as there are core nodes.

    Another site when there is one, so that a site's loss is one input's; else another node; else the same one.
    """
    present = _present(observed)
    usable = _usable(present)
    others = [node for node in usable if main is None or node.id != main.id]
    elsewhere = [node for node in others if main is None or node.site_id != main.site_id]
    return _where_it_is(present, input_node_id) or _hashed(f"{channel_id}/backup", elsewhere or others or usable)


def _present(observed: ObservedState) -> list[ObservedNode]:
    nodes = core_nodes(observed)
    return [node for node in nodes if node.state is not NodeState.DEAD] or nodes


def _usable(present: list[ObservedNode]) -> list[ObservedNode]:
    return [node for node in present if not node.draining] or present


def _where_it_is(present: list[ObservedNode], node_id: str | None) -> ObservedNode | None:
    return next((node for node in present if node.id == node_id), None)


def _hashed(name: str, nodes: list[ObservedNode]) -> ObservedNode | None:
    home_id = home_of(name, [node.id for node in nodes])
    return next((node for node in nodes if node.id == home_id), None)
