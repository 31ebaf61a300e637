"""Routes that belong to no service: health, sign-in, tenants, users, keys, audit, live events."""

from __future__ import annotations

from fastapi import APIRouter

from skyriver.apps.api.routes import health

ROUTERS: tuple[APIRouter, ...] = (health.router,)
