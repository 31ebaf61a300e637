"""Who may do what: tenants, users, roles, API keys, sessions, sign-in throttling, the audit log."""

from __future__ import annotations

from skyriver.platform.identity.audit import record_audit
from skyriver.platform.identity.authentication import principal_of
from skyriver.platform.identity.bootstrap import FirstLogin, bootstrap
from skyriver.platform.identity.passwords import Passwords, generate_password
from skyriver.platform.identity.principals import ROLES, Principal, PrincipalKind, Role, role_covers
from skyriver.platform.identity.secrets import hash_secret, new_secret, secret_kind

__all__ = [
    "ROLES",
    "FirstLogin",
    "Passwords",
    "Principal",
    "PrincipalKind",
    "Role",
    "bootstrap",
    "generate_password",
    "hash_secret",
    "new_secret",
    "principal_of",
    "record_audit",
    "role_covers",
    "secret_kind",
]
