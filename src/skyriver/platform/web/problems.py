"""Errors as problem documents (RFC 9457), with our `hint`, and their declaration in the OpenAPI document."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from skyriver.kernel.errors import SkyriverError, TooMany

TYPE_PREFIX = "https://skyriver.dev/problems/"
MEDIA_TYPE = "application/problem+json"
log = logging.getLogger(__name__)


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    field: str = Field(description="Where: body.name, query.limit …")
    message: str


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(description="A stable URI; its last part is the error's code.")
    title: str
    status: int
    detail: str = Field(description="What was attempted and why it failed.")
    hint: str = Field("", description="What to do about it.")
    instance: str = Field(description="The path that was asked for.")
    errors: list[FieldProblem] | None = None


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses=`: the problems it answers beyond those every route may (see `openapi`)."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def problem_response(
    request: Request, status: int, code: str, detail: str, *, hint: str = "", **extra: Any
) -> JSONResponse:
    """One problem document as a response."""
    headers: dict[str, str] = extra.pop("headers", {})
    body = Problem(
        type=TYPE_PREFIX + code,
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=detail,
        hint=hint,
        instance=request.url.path,
        **extra,
    )
    return JSONResponse(body.model_dump(exclude_none=True), status, headers, media_type=MEDIA_TYPE)


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error with a problem document."""
    app.add_exception_handler(SkyriverError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unknown)


async def _known(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SkyriverError)
    headers = {}
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("%s", error, exc_info=error)
    return problem_response(request, error.http_status, error.code, error.message, hint=error.hint, headers=headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [FieldProblem(field=".".join(map(str, e["loc"])), message=e["msg"]) for e in error.errors()]
    return problem_response(
        request,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid_input",
        "The request does not have the form this route takes.",
        hint="See `errors` for the fields; the OpenAPI document is at /openapi.json.",
        errors=errors,
    )


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "_").replace("-", "_")
    return problem_response(request, error.status_code, code, str(error.detail), headers=dict(error.headers or {}))


async def _unknown(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected error in %s %s", request.method, request.url.path, exc_info=error)
    return problem_response(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal",
        "Something failed that should not have.",
        hint="The log of the API says more; please report it.",
    )
