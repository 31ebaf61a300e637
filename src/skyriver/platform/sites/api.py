"""Routes of sites, join tokens and the joining of nodes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.platform.identity.records import TenantRecord
from skyriver.platform.settings import ControlPlaneSettings
from skyriver.platform.sites import sites
from skyriver.platform.sites.records import SiteRecord
from skyriver.platform.web.auth import Operator
from skyriver.platform.web.idempotency import Once
from skyriver.platform.web.pages import Page, Paging, fetch_page
from skyriver.platform.web.problems import problems
from skyriver.platform.web.runtime import RuntimeDep
from skyriver.platform.web.sessions import Reader, Writer

router = APIRouter(prefix="/v1", tags=["sites"])

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="Lower-case letters, digits, hyphens.")]
Port = Annotated[int, Field(ge=0, le=65535)]


class Site(BaseModel):
    """A place with machines."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    slug: str
    name: str
    region: str
    role: Literal["core", "edge"]
    latitude: float | None
    longitude: float | None
    created_at: datetime


class NewSite(BaseModel):
    """A site to be made."""

    slug: Slug
    name: str = Field(min_length=1, max_length=100)
    role: Literal["core", "edge"] = Field(description="core: stations, transcoders, origins. edge: viewers' relays.")
    region: str = Field("", max_length=40)
    latitude: float | None = Field(None, ge=-90, le=90)
    longitude: float | None = Field(None, ge=-180, le=180)


class NewJoinToken(BaseModel):
    """For which site."""

    site_id: str = Field(max_length=40)


class JoinToken(BaseModel):
    """The right to add one node; the token is shown only here."""

    token: str
    site_id: str
    expires_at: datetime


class Machine(BaseModel):
    """What a machine says of itself: when it joins, and at every later start."""

    address: str = Field(min_length=1, max_length=253, description="Name or address under which viewers reach it.")
    cores: float = Field(gt=0, le=4096)
    memory_bytes: int = Field(gt=0, le=1 << 50)
    first_port: Port = Field(0, description="First UDP port for its relays; 0: any.")
    last_port: Port = Field(0, description="Last UDP port for its relays.")

    def described(self) -> sites.Machine:
        """The same in the platform's terms."""
        return sites.Machine(self.address, self.cores, self.memory_bytes, (self.first_port, self.last_port))


class NewNode(Machine):
    """A machine that wants to join."""

    token: str = Field(max_length=100)
    name: str = Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    public_key: str = Field(max_length=64, description="Ed25519, 32 raw bytes, URL-safe base 64 without padding.")


class NodeBus(BaseModel):
    """How a node reaches the bus."""

    url: str
    user: str
    password: str


class Joined(BaseModel):
    """What a new node needs to begin."""

    node_id: str
    site: Site
    bus: NodeBus


@router.get("/sites")
async def list_sites(caller: Operator, reader: Reader, paging: Paging) -> Page[Site]:
    """All sites."""
    rows, following = await fetch_page(reader, select(SiteRecord), SiteRecord.id, paging)
    return Page(items=[Site.model_validate(row) for row in rows], next_cursor=following)


@router.post("/sites", status_code=201)
async def create_site(body: NewSite, caller: Operator, writer: Writer, once: Once) -> Site:
    """Make a site."""

    async def create() -> Site:
        return Site.model_validate(await sites.create_site(writer, caller, **body.model_dump()))

    return await once(writer, caller, body, Site, create)


@router.post("/join-tokens", status_code=201, responses=problems(404))
async def create_join_token(body: NewJoinToken, caller: Operator, writer: Writer, once: Once) -> JoinToken:
    """Make a token that lets one machine join a site, within an hour."""

    async def create() -> JoinToken:
        record, secret = await sites.create_join_token(writer, caller, body.site_id)
        return JoinToken(token=secret, site_id=record.site_id, expires_at=record.expires_at)

    return await once(writer, caller, body, JoinToken, create)


@router.post("/nodes/join", status_code=201, responses=problems(401, 409))
async def join_node(body: NewNode, runtime: RuntimeDep, writer: Writer) -> Joined:
    """Join a machine to the site of its token. No other credential is needed; the token works once."""
    joining = sites.Joining(body.name, body.public_key, body.described())
    node = await sites.join(writer, body.token, joining, operator_tenant_id=await operator_tenant_id(writer))
    site = await writer.get_one(SiteRecord, node.site_id)
    return Joined(node_id=node.id, site=Site.model_validate(site), bus=node_bus(runtime.settings))


async def operator_tenant_id(session: AsyncSession) -> str:
    """Whose audit log says what nodes did: they belong to no tenant."""
    return (await session.scalars(select(TenantRecord.id).where(TenantRecord.is_operator))).first() or ""


def node_bus(settings: ControlPlaneSettings) -> NodeBus:
    """The bus access that nodes are given."""
    return NodeBus(
        url=settings.node_bus_url or settings.bus_url,
        user=settings.node_bus_user,
        password=settings.node_bus_password,
    )
