"""Fixtures of the API process's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI

from skyriver.apps.api import create_app
from skyriver.platform.settings import ControlPlaneSettings


@pytest.fixture
def app_without_services(tmp_path: Path) -> FastAPI:
    """The application with nothing but its own routes, not started."""
    return create_app(ControlPlaneSettings(data_dir=tmp_path), parts=(), services=())
