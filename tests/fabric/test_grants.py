"""Grants: what verifies, and everything that must not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from skyriver.fabric.grants import MAX_GRANT_CHARS, Denial, SigningKey, Verifier, covers, is_space
from skyriver.kernel.errors import NotAllowed, NotAuthenticated

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEY = SigningKey("k1", Ed25519PrivateKey.generate())
SPACE = "live/ch_1"


def verifier(now: datetime = NOW, *keys: SigningKey) -> Verifier:
    return Verifier({"keys": [k.public_jwk() for k in keys or (KEY,)]}, now=lambda: now)


def sign(key: SigningKey = KEY, **changes: object) -> str:
    fields: dict[str, object] = {
        "root": SPACE,
        "get": ["live"],
        "lifetime": timedelta(hours=1),
        "now": NOW,
        "jti": "t.1",
    }
    return key.sign(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_good_grant_gives_its_claims() -> None:
    grant = verifier().verify(sign(put=["cam"]), SPACE)
    assert (grant.root, grant.put, grant.get, grant.jti, grant.cluster) == (SPACE, ("cam",), ("live",), "t.1", False)
    assert grant.expires_at == NOW + timedelta(hours=1)
    assert grant.may_put("cam/1") and not grant.may_put("camera") and not grant.may_get("src")


@pytest.mark.parametrize(
    ("token", "space", "code"),
    [
        (None, SPACE, "not_authenticated"),
        ("", SPACE, "not_authenticated"),
        ("x" * (MAX_GRANT_CHARS + 1), SPACE, "grant_malformed"),
        ("not.a.token", SPACE, "grant_malformed"),
        (sign(SigningKey("k1", Ed25519PrivateKey.generate())), SPACE, "grant_malformed"),
        (sign(SigningKey("k9", Ed25519PrivateKey.generate())), SPACE, "grant_unknown_key"),
        (sign(lifetime=timedelta(seconds=-10)), SPACE, "grant_expired"),
        (sign(get=["../x"]), SPACE, "grant_malformed"),
        (sign(jti="j" * 65), SPACE, "grant_malformed"),
        (sign(root=""), SPACE, "grant_malformed"),
        (sign(root="live"), SPACE, "foreign_space"),
        (sign(), "live/ch_2", "foreign_space"),
        (sign(), "live/ch_1/more", "foreign_space"),
    ],
)
def test_a_bad_grant_is_refused_with_its_reason(token: str | None, space: str, code: str) -> None:
    with pytest.raises((NotAuthenticated, NotAllowed)) as refused:
        verifier().verify(token, space)
    assert refused.value.code == code


def test_a_symmetric_or_unsigned_forgery_is_refused() -> None:
    claims = {"root": SPACE, "get": [""], "exp": int(NOW.timestamp()) + 60, "jti": "t.1"}
    public = KEY.private_key.public_key().public_bytes_raw()
    for forged in (
        jwt.encode(claims, "", algorithm="none", headers={"kid": "k1"}),
        jwt.encode(claims, public, algorithm="HS256", headers={"kid": "k1"}),
    ):
        with pytest.raises(NotAuthenticated):
            verifier().verify(forged, SPACE)


def test_a_service_grant_may_cover_many_spaces_but_not_a_lookalike() -> None:
    checker = verifier()
    everywhere = sign(root="", cluster=True)
    assert checker.verify(everywhere, "live/ch_2").cluster
    live = sign(root="live", cluster=True)
    assert checker.verify(live, "live/ch_2").root == "live"
    with pytest.raises(NotAllowed):
        checker.verify(live, "livelier/ch_2")
    with pytest.raises(NotAllowed):
        checker.verify(everywhere, "live/../x")


def test_a_denied_grant_is_refused_until_it_would_have_expired() -> None:
    checker = verifier()
    checker.deny(Denial("jti t.1", NOW + timedelta(minutes=5)))
    with pytest.raises(NotAuthenticated) as refused:
        checker.verify(sign(), SPACE)
    assert refused.value.code == "grant_revoked"
    checker.verify(sign(jti="t.2"), SPACE)
    checker.deny(Denial("jti t.2", NOW - timedelta(seconds=1)))
    checker.verify(sign(jti="t.2"), SPACE)
    checker.deny(*(Denial(f"jti t.{n}", NOW + timedelta(minutes=5)) for n in (2, 3)))
    for n in (1, 2, 3):
        with pytest.raises(NotAuthenticated, match="revoked"):
            checker.verify(sign(jti=f"t.{n}"), SPACE)


@pytest.mark.parametrize("subject", [f"root {SPACE}", "by us_1"])
def test_what_was_issued_before_is_refused_and_what_comes_after_is_good(subject: str) -> None:
    checker = verifier()
    cut = NOW + timedelta(seconds=1)
    later = Denial(subject, NOW + timedelta(hours=4), int(cut.timestamp() * 1_000_000))
    earlier = Denial(subject, NOW + timedelta(hours=3), int(NOW.timestamp() * 1_000_000))
    before = sign(by="us_1")
    checker.verify(before, SPACE)
    for denial in (later, earlier):  # the bus keeps no order
        checker.deny(Denial.from_entry(json.loads(json.dumps(denial.entry()))))
    with pytest.raises(NotAuthenticated) as refused:
        checker.verify(before, SPACE)
    assert refused.value.code == "grant_revoked"
    checker.verify(sign(by="us_1", now=cut), SPACE)
    other = sign(by="us_2", now=NOW)
    if subject.startswith("by"):
        checker.verify(other, SPACE)
    service = checker.verify(sign(cluster=True), SPACE)
    assert not later.covers(service), "what carries the show is not a viewer"


def test_a_key_that_left_the_set_signs_nothing_any_more() -> None:
    checker = verifier()
    checker.replace_keys({"keys": [SigningKey("k2", Ed25519PrivateKey.generate()).public_jwk()]})
    with pytest.raises(NotAuthenticated):
        checker.verify(sign(), SPACE)


def test_prefixes_cover_whole_segments_only() -> None:
    assert covers("", "a/b") and covers("a", "a") and covers("a", "a/b")
    assert not covers("a", "ab") and not covers("a/b", "a")


@given(st.text(max_size=300))
def test_a_space_never_climbs_and_never_hides(path: str) -> None:
    if is_space(path):
        assert all(segment and set(segment) != {"."} for segment in path.split("/"))
        assert len(path) <= 200 and not path.startswith("/")
