"""What one can do with sites, nodes and join tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.fabric.bus.node_keys import decode_public_key, encode_public_key
from skyriver.kernel.clock import utc_now
from skyriver.platform.identity import Principal, hash_secret, new_secret, record_audit
from skyriver.platform.sites.errors import BadJoinToken, NodeNameTaken, NoSuchNode, NoSuchSite, SlugTaken
from skyriver.platform.sites.records import JoinTokenRecord, NodeRecord, SiteRecord
from skyriver.platform.workloads.model import SiteRole

JOIN_TOKEN_LIFETIME = timedelta(hours=1)  # long enough to log in to a machine and paste it


@dataclass(frozen=True)
class Machine:
    """What a machine says of itself. Ports: the UDP range its relays may use, (0, 0) for any."""

    address: str
    cores: float
    memory_bytes: int
    ports: tuple[int, int] = (0, 0)

    def columns(self) -> dict[str, Any]:
        """The same, as a node's row has it."""
        return {
            "address": self.address,
            "cores": self.cores,
            "memory_bytes": self.memory_bytes,
            "first_port": self.ports[0],
            "last_port": self.ports[1],
        }


@dataclass(frozen=True)
class Joining:
    """A machine that wants to become a node."""

    name: str
    public_key: str
    machine: Machine


async def create_site(
    session: AsyncSession,
    actor: Principal,
    *,
    slug: str,
    name: str,
    role: SiteRole,
    region: str = "",
    latitude: float | None = None,
    longitude: float | None = None,
) -> SiteRecord:
    """A new site.

    Raises:
        SlugTaken: another site has this slug.
    """
    if (await session.scalars(select(SiteRecord.id).where(SiteRecord.slug == slug))).first() is not None:
        raise SlugTaken(slug)
    site = SiteRecord(slug=slug, name=name, role=role, region=region, latitude=latitude, longitude=longitude)
    session.add(site)
    await session.flush()
    record_audit(session, actor, "site.created", site.id, slug=slug, role=role)
    return site


async def create_join_token(
    session: AsyncSession, actor: Principal, site_id: str, *, lifetime: timedelta = JOIN_TOKEN_LIFETIME
) -> tuple[JoinTokenRecord, str]:
    """A token that lets one machine join the site, and its secret, which is known only now.

    Raises:
        NoSuchSite: there is none with this id.
    """
    if await session.get(SiteRecord, site_id) is None:
        raise NoSuchSite(site_id)
    secret = new_secret("join")
    token = JoinTokenRecord(site_id=site_id, token_sha256=hash_secret(secret), expires_at=utc_now() + lifetime)
    session.add(token)
    await session.flush()
    record_audit(session, actor, "join_token.created", token.id, site_id=site_id)
    return token, secret


async def join(session: AsyncSession, secret: str, joining: Joining, *, operator_tenant_id: str) -> NodeRecord:
    """Make the machine a node. The same machine (same key) may repeat it: the first answer may have been lost.

    Raises:
        BadJoinToken: unknown, expired, or used by another machine.
        BadPublicKey: the machine's key is none.
        NodeNameTaken: another node of the site has this name.
    """
    public_key = encode_public_key(decode_public_key(joining.public_key))
    query = select(JoinTokenRecord).where(JoinTokenRecord.token_sha256 == hash_secret(secret)).with_for_update()
    token = (await session.scalars(query)).one_or_none()
    if token is None:
        raise BadJoinToken
    if token.node_id is not None:
        known = await session.get(NodeRecord, token.node_id)
        if known is None or known.public_key != public_key:
            raise BadJoinToken
        return known
    if token.expires_at <= utc_now():
        raise BadJoinToken
    same_name = select(NodeRecord.id).where(NodeRecord.site_id == token.site_id, NodeRecord.name == joining.name)
    if (await session.scalars(same_name)).first() is not None:
        raise NodeNameTaken(joining.name)
    node = NodeRecord(
        site_id=token.site_id,
        name=joining.name,
        public_key=public_key,
        **joining.machine.columns(),
    )
    session.add(node)
    await session.flush()
    token.node_id = node.id
    itself = Principal("node", node.id, operator_tenant_id, "viewer")
    record_audit(session, itself, "node.joined", node.id, name=node.name, site_id=node.site_id)
    return node


async def describe_machine(
    session: AsyncSession, node_id: str, machine: Machine, *, operator_tenant_id: str
) -> NodeRecord:
    """Take down what a node's machine says of itself now: it may have another address, other ports, more memory.

    Raises:
        NoSuchNode: there is none with this id.
    """
    node = await session.get(NodeRecord, node_id)
    if node is None:
        raise NoSuchNode(node_id)
    changed = {name: value for name, value in machine.columns().items() if getattr(node, name) != value}
    if changed:
        for name, value in changed.items():
            setattr(node, name, value)
        itself = Principal("node", node.id, operator_tenant_id, "viewer")
        record_audit(session, itself, "node.machine_changed", node.id, **changed)
    return node


async def set_draining(session: AsyncSession, actor: Principal, node_id: str, draining: bool) -> NodeRecord:
    """Drain a node (its movable work goes elsewhere) or take it back into service.

    Raises:
        NoSuchNode: there is none with this id.
    """
    node = await session.get(NodeRecord, node_id)
    if node is None:
        raise NoSuchNode(node_id)
    if node.draining != draining:
        node.draining = draining
        record_audit(session, actor, "node.drained" if draining else "node.undrained", node_id)
    return node


async def delete_node(session: AsyncSession, actor: Principal, node_id: str) -> None:
    """Forget a node: its key is worthless from now on, and its work goes elsewhere.

    Raises:
        NoSuchNode: there is none with this id.
    """
    node = await session.get(NodeRecord, node_id)
    if node is None:
        raise NoSuchNode(node_id)
    await session.delete(node)
    record_audit(session, actor, "node.deleted", node_id, name=node.name)
