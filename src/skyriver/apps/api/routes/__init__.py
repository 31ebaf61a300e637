"""Routes that belong to no service: health, sign-in, tenants, users, keys, audit, live events, the console."""

from __future__ import annotations

from fastapi import APIRouter

from skyriver.apps.api.routes import api_keys, audit, events, health, sessions, tenants, users

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    sessions.router,
    tenants.router,
    users.router,
    api_keys.router,
    audit.router,
    events.router,
)
