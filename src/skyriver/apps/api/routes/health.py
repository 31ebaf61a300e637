"""Liveness, readiness, metrics, and the public keys that verify grants."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from skyriver import __version__

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """This process serves."""

    status: str = "ok"
    version: str = __version__


@router.get("/healthz")
async def healthz() -> Health:
    """Whether this process serves."""
    return Health()
