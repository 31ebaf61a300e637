"""Private files, written whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from skyriver.kernel.files import replace_private


def test_a_file_is_replaced_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old")
    path.chmod(0o644)
    stale = tmp_path / ".key.new"
    stale.write_text("left by a crash")
    stale.chmod(0o644)
    replace_private(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_without_its_folder_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        replace_private(tmp_path / "missing" / "key", "new")
    assert list(tmp_path.iterdir()) == []
