"""The API process: the control plane's only door."""

from __future__ import annotations

from skyriver.apps.api.app import create_app

__all__ = ["create_app"]
