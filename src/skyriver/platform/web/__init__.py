"""Building blocks of the HTTP API: callers, store sessions, problem documents, pages, idempotency, live events."""

from __future__ import annotations

from skyriver.platform.web.auth import (
    Admin,
    AnyCaller,
    Caller,
    Credential,
    Member,
    Node,
    Operator,
    Owner,
    require,
    require_operator,
)
from skyriver.platform.web.events import EventHub
from skyriver.platform.web.fields import Body, Email, Name, Slug
from skyriver.platform.web.idempotency import Once
from skyriver.platform.web.pages import Page, PageQuery, Paging, fetch_page
from skyriver.platform.web.problems import Problem, problems
from skyriver.platform.web.runtime import Provided, Runtime, RuntimeDep
from skyriver.platform.web.sessions import Reader, Writer

__all__ = [
    "Admin",
    "AnyCaller",
    "Body",
    "Caller",
    "Credential",
    "Email",
    "EventHub",
    "Member",
    "Name",
    "Node",
    "Once",
    "Operator",
    "Owner",
    "Page",
    "PageQuery",
    "Paging",
    "Problem",
    "Provided",
    "Reader",
    "Runtime",
    "RuntimeDep",
    "Slug",
    "Writer",
    "fetch_page",
    "problems",
    "require",
    "require_operator",
]
