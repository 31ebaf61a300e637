"""The demo channel of a cloud on one machine: there or not there, as `up` was told."""

from __future__ import annotations

from skyriver.apps.cloud.settings import CloudSettings


async def provide_demo(settings: CloudSettings) -> None:
    """Make and feed the demo channel, or end its feeding. The API has migrated the store and made the operator."""
    from sqlalchemy import select

    from skyriver.platform.identity import Principal
    from skyriver.platform.identity.records import TenantRecord, UserRecord
    from skyriver.platform.store import Store
    from skyriver.services.live.demo import FeederKeys, ensure_demo, stop_demo

    store = Store(settings.database_url or f"sqlite:///{settings.data / 'skyriver.db'}")
    try:
        if not settings.demo:
            await stop_demo(store)
            return
        async with store.session() as session:
            tenant = (await session.scalars(select(TenantRecord).where(TenantRecord.is_operator))).one()
            user = (await session.scalars(select(UserRecord).where(UserRecord.tenant_id == tenant.id))).first()
        owner = Principal("user", user.id if user else tenant.id, tenant.id, "owner", is_operator=True)
        await ensure_demo(store, owner, FeederKeys(settings.data))
    finally:
        await store.close()
