"""What the API shows of identities. Never a hash, never a secret."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from skyriver.platform.identity import PrincipalKind, Role


class View(BaseModel):
    """Read from a record's attributes of the same names."""

    model_config = ConfigDict(from_attributes=True)


class TenantView(View):
    id: str
    slug: str
    name: str
    is_operator: bool
    created_at: datetime


class UserView(View):
    id: str
    email: str
    name: str
    role: Role
    created_at: datetime


class ApiKeyView(View):
    id: str
    name: str
    role: Role
    created_at: datetime
    last_used_at: datetime | None


class AuditView(View):
    id: str
    at: datetime
    actor_kind: PrincipalKind
    actor_id: str
    action: str
    subject_id: str
    details: dict[str, Any]
