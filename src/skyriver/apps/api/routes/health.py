"""Liveness, readiness, metrics, and the public keys that verify grants. Open to everybody: they tell nothing of a
tenant's."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from skyriver import __version__
from skyriver.kernel.errors import NotReady, SkyriverError
from skyriver.platform.web import RuntimeDep
from skyriver.platform.web.runtime import ReadinessCheck

CHECK_TIMEOUT_S = 2.0
router = APIRouter(tags=["health"])


class Health(BaseModel):
    """This process serves."""

    status: Literal["ok"] = "ok"
    version: str = __version__


class Check(BaseModel):
    """One thing this process needs."""

    ok: bool
    message: str = ""


class Readiness(BaseModel):
    """Whether everything this process needs is there."""

    ready: bool
    checks: dict[str, Check]


@router.get("/healthz")
async def healthz() -> Health:
    """Whether this process serves."""
    return Health()


@router.get("/readyz", responses={503: {"model": Readiness, "description": "Something is missing."}})
async def readyz(runtime: RuntimeDep, response: Response) -> Readiness:
    """Whether everything this process needs is there; 503 while something is not."""
    names = list(runtime.readiness)
    results = await asyncio.gather(*(_run(runtime.readiness[name]) for name in names))
    readiness = Readiness(ready=all(r.ok for r in results), checks=dict(zip(names, results, strict=True)))
    if not readiness.ready:
        response.status_code = 503
    return readiness


async def _run(check: ReadinessCheck) -> Check:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check()
    except TimeoutError:
        return Check(ok=False, message=f"No answer within {CHECK_TIMEOUT_S:.0f} s.")
    except SkyriverError as error:
        return Check(ok=False, message=str(error))
    except Exception as error:  # a check's only outcome is yes or no
        return Check(ok=False, message=type(error).__name__)
    return Check(ok=True)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(runtime: RuntimeDep) -> Response:
    """Metrics in Prometheus' text format."""
    return Response(generate_latest(runtime.metrics), media_type=CONTENT_TYPE_LATEST)


@router.get("/.well-known/jwks.json")
async def jwks(runtime: RuntimeDep, response: Response) -> dict[str, Any]:
    """The public keys that verify grants (RFC 7517)."""
    if runtime.jwks is None:
        raise NotReady("The keys that sign grants are not open yet.", hint="Try again in a moment.")
    response.headers["Cache-Control"] = "public, max-age=60"
    return await runtime.jwks()
