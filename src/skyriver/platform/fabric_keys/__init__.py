"""Grant signing keys: mint grants for viewers and services, publish the JWK Set, keep the deny list."""

from skyriver.platform.fabric_keys.keys import (
    SERVICE_LIFETIME,
    VIEWER_LIFETIME,
    GrantKeys,
    Minted,
    denied_grants,
    deny_grant,
    tenant_of_jti,
)
from skyriver.platform.fabric_keys.records import DeniedGrantRecord, GrantKeyRecord
from skyriver.platform.fabric_keys.seal import Seal, WrongSeal

__all__ = [
    "SERVICE_LIFETIME",
    "VIEWER_LIFETIME",
    "DeniedGrantRecord",
    "GrantKeyRecord",
    "GrantKeys",
    "Minted",
    "Seal",
    "WrongSeal",
    "denied_grants",
    "deny_grant",
    "tenant_of_jti",
]
