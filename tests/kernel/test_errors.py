"""Every error says what happened and what to do, and has a stable code and an HTTP status."""

from __future__ import annotations

import pytest

from skyriver.kernel.errors import (
    Conflict,
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    NotReady,
    SkyriverError,
    TooMany,
    WorldBroke,
)

KINDS = (Conflict, InvalidInput, NotAllowed, NotAuthenticated, NotFound, NotReady, TooMany, WorldBroke)


@pytest.mark.parametrize("kind", KINDS)
def test_message_and_hint_are_both_shown(kind: type[SkyriverError]) -> None:
    error = kind("Cannot open the store.", hint="Free some disk space.")
    assert str(error) == "Cannot open the store. Free some disk space."
    assert str(kind("Cannot open the store.")) == "Cannot open the store."


def test_codes_are_distinct_and_a_case_may_have_its_own() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS)
    assert Conflict("Taken.", code="slug_taken").code == "slug_taken"
    assert Conflict("Taken.").code == "conflict"


def test_the_callers_fault_and_the_worlds_are_told_apart_by_status() -> None:
    assert all(400 <= kind.http_status < 500 for kind in KINDS if kind not in (NotReady, WorldBroke))
    assert NotReady.http_status == 503
    assert TooMany("Slow down.", retry_after_s=2.5).retry_after_s == 2.5
