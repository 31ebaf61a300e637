"""What a browser that wants to publish says, and the ticket it gets."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, Field, StringConstraints

from skyriver.platform.web.fields import Body
from skyriver.platform.workloads.model import ObservedState
from skyriver.services.live.contributions import OpenTicket
from skyriver.services.live.model import InputName, contribution_path, ingest_space_of

_ID = r"^pt_[a-z0-9]{1,60}$"
TicketId = Annotated[str, Path(pattern=_ID, description="A publish ticket's id.")]


class NewPublishTicket(Body):
    input: InputName = Field(default=InputName.MAIN, description="Which of the channel's inputs to publish to.")
    renews: Annotated[str, StringConstraints(pattern=_ID)] | None = Field(
        default=None, description="A ticket of this channel that is to last longer: it keeps its id and broadcast."
    )


class OriginShape(BaseModel):
    url: str
    certificate_sha256: list[str] = Field(description="For WebTransport's serverCertificateHashes, hex.")


class PublishTicket(BaseModel):
    """Connect to `{origin.url}/{space}?jwt={grant}` and publish the broadcast there."""

    id: str
    channel_id: str
    space: str
    broadcast: str
    grant: str
    expires_at: datetime
    origins: list[OriginShape] = Field(description="Relays to publish to, best first; one of them is enough.")


def publish_ticket_shape(ticket: OpenTicket, observed: ObservedState) -> PublishTicket:
    record = ticket.record
    return PublishTicket(
        id=record.id,
        channel_id=record.channel_id,
        space=ingest_space_of(record.channel_id),
        broadcast=contribution_path(record.id),
        grant=ticket.grant.token,
        expires_at=ticket.grant.expires_at,
        origins=[OriginShape.model_validate(origin.spec()) for origin in observed.origins()],
    )
