"""Types of request fields that mean the same in every service. All refuse control characters: no name needs one, and
PostgreSQL cannot store NUL."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

MAX_NAME_CHARS = 100
MAX_EMAIL_CHARS = 254  # RFC 5321, 4.5.3.1.3

Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_NAME_CHARS, pattern=r"^[^\x00-\x1f\x7f]+$"),
    Field(description="What people call it."),
]
Slug = Annotated[
    str,
    StringConstraints(min_length=2, max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*[a-z0-9]$"),
    Field(description="A short name for addresses: lower-case letters, digits and dashes."),
]
Email = Annotated[
    str,
    StringConstraints(min_length=3, max_length=MAX_EMAIL_CHARS, pattern=r"^[^@\x00-\x20\x7f]+@[^@\x00-\x20\x7f]+$"),
    AfterValidator(str.lower),
    Field(description="An address; upper and lower case are the same."),
]


class Body(BaseModel):
    """The parent of request bodies: a field that is not known is refused, so that a typing mistake is never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)
