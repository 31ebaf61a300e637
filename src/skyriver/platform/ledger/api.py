"""Routes of usage."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel

from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import InvalidInput, NotAllowed
from skyriver.platform.ledger.facts import sum_usage
from skyriver.platform.web.auth import Caller
from skyriver.platform.web.sessions import Reader

router = APIRouter(prefix="/v1", tags=["usage"])

DEFAULT_SPAN = timedelta(days=1)


class UsageLine(BaseModel):
    """Bytes of one tenant, space or site; `key` null: the platform's own traffic."""

    key: str | None
    bytes_sent: int
    bytes_received: int
    sessions: int


class Usage(BaseModel):
    """Sums of the usage that ended in [since, until), largest first, 1000 lines at most."""

    since: datetime
    until: datetime
    by: Literal["tenant", "space", "site"]
    items: list[UsageLine]


@router.get("/usage")
async def read_usage(
    caller: Caller,
    reader: Reader,
    since: Annotated[AwareDatetime | None, Query(description="Default: a day before `until`.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Default: now.")] = None,
    by: Annotated[Literal["tenant", "space", "site"], Query(description="What to sum by.")] = "space",
    space: Annotated[str | None, Query(max_length=200, description="Of this space only.")] = None,
    tenant_id: Annotated[str | None, Query(max_length=40, description="Operators: of this tenant only.")] = None,
) -> Usage:
    """What was carried. Tenants see their own; operators everybody's."""
    end = until or utc_now()
    try:
        start = since or end - DEFAULT_SPAN
    except OverflowError:
        start = end
    if start > end:
        raise InvalidInput("`since` is later than `until`.", hint="Exchange them.")
    if tenant_id is not None and tenant_id != caller.tenant_id and not caller.is_operator:
        raise NotAllowed("Only operators may read another tenant's usage.", hint="Leave out `tenant_id`.")
    whose = tenant_id if caller.is_operator else caller.tenant_id
    sums = await sum_usage(reader, since=start, until=end, by=by, tenant_id=whose, space=space)
    return Usage(since=start, until=end, by=by, items=[UsageLine(**vars(line)) for line in sums])
