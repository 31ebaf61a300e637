"""Who acts: a user, an API key, a node or a service, always within one tenant and with one role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["owner", "admin", "member", "viewer"]
PrincipalKind = Literal["user", "api_key", "node", "service"]

ROLES: tuple[Role, ...] = get_args(Role)
"""From most to least: owner (all), admin (people and keys), member (makes and changes things), viewer (looks)."""


def role_covers(held: Role, needed: Role) -> bool:
    """Whether somebody who holds `held` may do what needs `needed`."""
    return ROLES.index(held) <= ROLES.index(needed)


@dataclass(frozen=True)
class Principal:
    """Who is asking. Everything it may see belongs to `tenant_id`.

    Attributes:
        id: of the user (us_), API key (key_), node (nd_) or service.
        tenant_id: of the tenant it acts within.
        role: the most it may do there.
        is_operator: its tenant runs this cloud; only together with the role `admin` may it touch the cloud itself.
        credential_id: the session (ses_) or key (key_) that was presented; empty for nodes and services.
    """

    kind: PrincipalKind
    id: str
    tenant_id: str
    role: Role
    is_operator: bool = False
    credential_id: str = ""

    def covers(self, role: Role) -> bool:
        """Whether this principal may do what needs `role` within its tenant."""
        return role_covers(self.role, role)
