"""How a node proves who it is: tokens for HTTP, signatures for the bus, both made with its Ed25519 key.

The private half never leaves the node; the control plane knows the public half from the join. This lives beside the
bus, not with the sites' tables, so that an agent does not load a database library to sign a heartbeat.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from skyriver.kernel.errors import InvalidInput, NotAuthenticated

AUDIENCE = "skyriver-api"
TOKEN_LIFETIME_S = 50
MAX_TOKEN_LIFETIME_S = 60
CLOCK_LEEWAY_S = 30  # a node whose clock is half a minute off should still get its plan, to learn of it
SIGNATURE_HEADER = "Sky-Signature"


class BadPublicKey(InvalidInput):
    """The text is no Ed25519 public key."""

    code = "bad_public_key"

    def __init__(self) -> None:
        super().__init__(
            "`public_key` is not an Ed25519 public key.", hint="Send its 32 raw bytes in URL-safe base 64, unpadded."
        )


def encode_public_key(key: Ed25519PublicKey) -> str:
    """32 bytes as URL-safe base 64 without padding."""
    return base64.urlsafe_b64encode(key.public_bytes_raw()).decode().rstrip("=")


def decode_public_key(text: str) -> Ed25519PublicKey:
    """The key in `text`.

    Raises:
        BadPublicKey: it is none.
    """
    try:
        return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error) as error:
        raise BadPublicKey from error


def node_token(node_id: str, key: Ed25519PrivateKey, *, now_s: float | None = None) -> str:
    """A JWT (EdDSA) with which the node may call the API for the next 50 s."""
    issued_s = int(time.time() if now_s is None else now_s)
    claims = {"sub": node_id, "aud": AUDIENCE, "iat": issued_s, "exp": issued_s + TOKEN_LIFETIME_S}
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": node_id})


def claimed_node_id(token: str) -> str | None:
    """Which node a token says it is from, unverified; None: it is no node's token."""
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except jwt.PyJWTError:
        return None
    return kid if isinstance(kid, str) and kid.startswith("nd_") else None


def verify_node_token(token: str, node_id: str, key: Ed25519PublicKey) -> None:
    """Raise unless `token` is the node's own, fresh and short-lived.

    Raises:
        NotAuthenticated: it is not; says so in the node operator's terms.
    """
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=["EdDSA"],
            audience=AUDIENCE,
            leeway=CLOCK_LEEWAY_S,
            options={"require": ["exp", "iat", "sub"]},
        )
    except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError) as error:
        raise NotAuthenticated(
            "The node's token is not valid at this time.",
            hint="Compare the clocks of the node and of this server: they may differ by 30 s at most.",
            code="clock_skew",
        ) from error
    except jwt.PyJWTError as error:
        raise NotAuthenticated("The node's token is not signed with the node's key.", code="bad_node_token") from error
    if claims["sub"] != node_id or claims["exp"] - claims["iat"] > MAX_TOKEN_LIFETIME_S:
        raise NotAuthenticated("The node's token lives longer than 60 s or names another node.", code="bad_node_token")


def sign_message(key: Ed25519PrivateKey, subject: str, payload: bytes) -> dict[str, str]:
    """The bus header that proves who sent `payload` on `subject`."""
    return {SIGNATURE_HEADER: base64.b64encode(key.sign(_signed(subject, payload))).decode()}


def is_signed_by(key: Ed25519PublicKey, subject: str, payload: bytes, headers: Mapping[str, str]) -> bool:
    """Whether the message carries the signature of `key`'s owner, for this very subject."""
    try:
        key.verify(base64.b64decode(headers.get(SIGNATURE_HEADER, "")), _signed(subject, payload))
    except (InvalidSignature, ValueError):
        return False
    return True


def _signed(subject: str, payload: bytes) -> bytes:
    return subject.encode() + b"\n" + payload
