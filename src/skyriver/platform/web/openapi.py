"""Makes the OpenAPI document true: every operation declares the problems that any request may meet."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from skyriver.platform.web.problems import FieldProblem, Problem, problems

DESCRIPTION = (
    "The control plane of Skyriver. Errors are problem documents (RFC 9457) with a `hint`. Lists are cursor pages. "
    "Creates take an `Idempotency-Key`. What belongs to another tenant is answered as if it did not exist (404)."
)
_ANY_REQUEST = (400, 500, 503)
_WITH_BODY = (413, 422)
_WITH_CREDENTIAL = (401, 403)
_METHODS = ("get", "post", "put", "patch", "delete")


def install_openapi(app: FastAPI) -> None:
    """Let `app.openapi()` (and so GET /openapi.json) return the completed document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, tags=app.openapi_tags
            )
            app.openapi_schema = complete(document)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to change the document


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add what FastAPI cannot know; changes and returns `document`."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    _, definitions = models_json_schema(
        [(Problem, "validation"), (FieldProblem, "validation")], ref_template="#/components/schemas/{model}"
    )
    schemas.update(definitions["$defs"])
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    for path in document["paths"].values():
        for method in _METHODS:
            if method in path:
                _complete_operation(path[method])
    return document


def _complete_operation(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    responses.pop("422", None)  # FastAPI's own form of it; ours follows
    statuses = list(_ANY_REQUEST)
    if "requestBody" in operation:
        statuses += _WITH_BODY
    elif operation.get("parameters"):
        statuses.append(422)
    if any(parameter["name"].lower() == "idempotency-key" for parameter in operation.get("parameters", ())):
        statuses.append(409)
    if operation.get("security"):
        statuses += _WITH_CREDENTIAL
    for status, response in problems(*statuses).items():
        responses.setdefault(str(status), response)
    operation["responses"] = dict(sorted(responses.items()))
