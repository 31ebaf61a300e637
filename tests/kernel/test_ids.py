"""Identifiers: their shape, their order, and what is not one."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyriver.kernel.ids import is_id, new_id


def at_ms(monkeypatch: pytest.MonkeyPatch, millis: int) -> str:
    """An id made at `millis` since the Unix epoch."""
    monkeypatch.setattr(time, "time_ns", lambda: millis * 1_000_000)
    return new_id("ch")


@given(st.from_regex(r"[a-z]{2,4}", fullmatch=True))
def test_a_fresh_id_is_an_id_of_its_kind(prefix: str) -> None:
    fresh = new_id(prefix)
    assert is_id(fresh)
    assert is_id(fresh, prefix)
    assert len(fresh) == len(prefix) + 1 + 16


def test_ids_of_another_kind_are_told_apart() -> None:
    assert not is_id(new_id("ch"), "nd")
    assert not is_id(new_id("cha"), "ch")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ch",
        "ch_",
        "ch_0gk3v9xw2m7q4t1",  # one short
        "ch_0gk3v9xw2m7q4t1zz",  # one long
        "CH_0gk3v9xw2m7q4t1z",
        "ch_0gk3v9xw2m7q4t1i",  # i, l, o and u are not in Crockford's alphabet
        "ch_0gk3v9xw2m7q4t1z\n",
        "../0gk3v9xw2m7q4t1z",
    ],
)
def test_what_is_no_id(text: str) -> None:
    assert not is_id(text)


def test_ids_sort_by_time_of_creation(monkeypatch: pytest.MonkeyPatch) -> None:
    moments_ms = [1_600_000_000_000, 1_600_000_000_001, 1_763_888_000_000, 2_600_000_000_000]
    made = [at_ms(monkeypatch, moment_ms) for moment_ms in moments_ms]
    assert made == sorted(made)


def test_ids_made_in_the_same_millisecond_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len({at_ms(monkeypatch, 1_763_888_000_000) for _ in range(1000)}) == 1000
