"""What the routes of channels share: the living part of the service, and the caller's own channel."""

from __future__ import annotations

from typing import Annotated

from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.platform.fabric_keys import GrantKeys
from skyriver.platform.identity import Principal
from skyriver.platform.web import Provided
from skyriver.services.live import service
from skyriver.services.live.observe import Live
from skyriver.services.live.records import ChannelRecord

LiveDep = Annotated[Live, Provided(Live)]
Grants = Annotated[GrantKeys, Provided(GrantKeys)]


async def own_channel(session: AsyncSession, caller: Principal, id_or_slug: str) -> ChannelRecord:
    """The caller's channel; another tenant's is not found."""
    return await service.find_channel(session, caller.tenant_id, id_or_slug)
