"""The users of the caller's tenant."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import select

from skyriver.apps.api.routes.views import UserView
from skyriver.platform.identity import Passwords, Role
from skyriver.platform.identity.passwords import MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS
from skyriver.platform.identity.records import UserRecord
from skyriver.platform.identity.users import create_user, delete_user, get_user, update_user
from skyriver.platform.web import (
    Admin,
    Body,
    Caller,
    Email,
    Name,
    Once,
    Page,
    Paging,
    Provided,
    Reader,
    RuntimeDep,
    Writer,
    fetch_page,
    problems,
)

router = APIRouter(prefix="/v1/users", tags=["users"])
Password = Annotated[str, Field(min_length=MIN_PASSWORD_CHARS, max_length=MAX_PASSWORD_CHARS)]
PasswordsDep = Annotated[Passwords, Provided(Passwords)]


class NewUser(Body):
    email: Email
    password: Password
    name: Name | None = None
    role: Role = "member"


class UserChange(Body):
    name: Name | None = None
    role: Role | None = None
    password: Password | None = Field(None, description="A new password signs the user out everywhere.")


@router.get("")
async def list_users(caller: Caller, reader: Reader, paging: Paging) -> Page[UserView]:
    """The users of the caller's tenant."""
    query = select(UserRecord).where(UserRecord.tenant_id == caller.tenant_id)
    rows, cursor = await fetch_page(reader, query, UserRecord.id, paging)
    return Page(items=[UserView.model_validate(row) for row in rows], next_cursor=cursor)


@router.post("", status_code=201, responses=problems(409, 429))
async def add_user(body: NewUser, caller: Admin, runtime: RuntimeDep, once: Once, passwords: PasswordsDep) -> UserView:
    """Add a user to the caller's tenant."""
    password_hash = await passwords.hash(body.password)  # outside the transaction: it takes long
    async with runtime.store.transaction() as session:

        async def create() -> UserView:
            user = await create_user(
                session, caller, email=body.email, name=body.name or "", role=body.role, password_hash=password_hash
            )
            return UserView.model_validate(user)

        return await once(session, caller, body, UserView, create)


@router.get("/{user_id}", responses=problems(404))
async def show_user(user_id: str, caller: Caller, reader: Reader) -> UserView:
    """One user of the caller's tenant."""
    return UserView.model_validate(await get_user(reader, caller, user_id))


@router.patch("/{user_id}", responses=problems(404, 409, 429))
async def change_user(
    user_id: str, body: UserChange, caller: Admin, runtime: RuntimeDep, passwords: PasswordsDep
) -> UserView:
    """Change a user's name, role or password."""
    password_hash = await passwords.hash(body.password) if body.password is not None else None
    async with runtime.store.transaction() as session:
        user = await update_user(session, caller, user_id, name=body.name, role=body.role, password_hash=password_hash)
        return UserView.model_validate(user)


@router.delete("/{user_id}", status_code=204, responses=problems(404, 409))
async def remove_user(user_id: str, caller: Admin, writer: Writer) -> None:
    """Remove a user and its sessions."""
    await delete_user(writer, caller, user_id)
