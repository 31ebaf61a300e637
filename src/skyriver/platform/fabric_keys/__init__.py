"""Grant signing keys: mint grants for viewers and services, publish the JWK Set, keep the deny list."""

from skyriver.platform.fabric_keys.keys import (
    SERVICE_LIFETIME,
    VIEWER_LIFETIME,
    GrantKeys,
    Minted,
    denied_grants,
    deny_grant,
    revoke_issued_for,
    revoke_space,
    tenant_of_jti,
)
from skyriver.platform.fabric_keys.records import DeniedGrantRecord, GrantKeyRecord, GrantRevocationRecord
from skyriver.platform.fabric_keys.seal import Seal, WrongSeal

__all__ = [
    "SERVICE_LIFETIME",
    "VIEWER_LIFETIME",
    "DeniedGrantRecord",
    "GrantKeyRecord",
    "GrantKeys",
    "GrantRevocationRecord",
    "Minted",
    "Seal",
    "WrongSeal",
    "denied_grants",
    "deny_grant",
    "revoke_issued_for",
    "revoke_space",
    "tenant_of_jti",
]
