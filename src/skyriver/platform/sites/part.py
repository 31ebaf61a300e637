"""What sites bring to the API process: their routes, and the recognition of nodes by their tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import Request

from skyriver.fabric.bus.node_keys import claimed_node_id, decode_public_key, verify_node_token
from skyriver.platform.identity import Principal
from skyriver.platform.manifest import Component, Part
from skyriver.platform.sites.api import router
from skyriver.platform.sites.records import NodeRecord
from skyriver.platform.web.runtime import Runtime, runtime_of


async def authenticate_node(request: Request, credential: str) -> Principal | None:
    """The node that signed `credential`; None when it is no node's token, or the node is not known (any more)."""
    node_id = claimed_node_id(credential)
    if node_id is None:
        return None
    async with runtime_of(request).store.session() as session:
        node = await session.get(NodeRecord, node_id)
    if node is None:
        return None
    verify_node_token(credential, node_id, decode_public_key(node.public_key))
    return Principal("node", node_id, "", "viewer")


@asynccontextmanager
async def _open(runtime: Runtime) -> AsyncIterator[Sequence[Component]]:
    runtime.authenticators.append(authenticate_node)
    yield []


PART = Part("sites", routers=(router,), open=_open)
