"""`user …` and `api-key …`: who may do what in your own tenant."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from skyriver.apps.cli.options import Data, Json, Yes

users = typer.Typer(help="Users of your tenant.", no_args_is_help=True)
keys = typer.Typer(help="API keys: what programs sign in with.", no_args_is_help=True)


class Role(StrEnum):
    """From who owns the tenant to who may only look."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


@users.command("list")
def list_users(data: Data = None, as_json: Json = False) -> None:
    """Every user of your tenant."""
    from skyriver.apps.cli.output import print_json, print_table
    from skyriver.apps.cli.session import ask, everything

    found = ask(data, lambda sky: everything(sky.users()))
    if as_json:
        print_json(found)
        return
    print_table(
        ("user", "name", "role", "since", "id"),
        [(one.email, one.name, one.role, one.created_at, one.id) for one in found],
    )


@users.command("create")
def create_user(
    email: str,
    role: Annotated[Role, typer.Option(help="What they may do.")] = Role.MEMBER,
    name: Annotated[str | None, typer.Option(help="What people call them.")] = None,
    password: Annotated[
        str,
        typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, envvar="SKYRIVER_NEW_PASSWORD"),
    ] = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Add a user. The password is asked for, or taken from SKYRIVER_NEW_PASSWORD."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    made = ask(data, lambda sky: sky.create_user(email, password, role=role.value, name=name))
    if as_json:
        print_json(made)
    else:
        print(f"Added {made.email} as {made.role} ({made.id}).")


@users.command("role")
def change_role(
    user: Annotated[str, typer.Argument(help="Id of the user.")],
    role: Role,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Change what a user may do."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    changed = ask(data, lambda sky: sky.update_user(user, role=role.value))
    if as_json:
        print_json(changed)
    else:
        print(f"{changed.email} is {changed.role} now.")


@users.command("delete")
def delete_user(
    user: Annotated[str, typer.Argument(help="Id of the user.")],
    yes: Yes = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Remove a user, and end their sessions."""
    from skyriver.apps.cli.session import ask

    if not yes and not as_json:
        typer.confirm(f"Remove user {user}?", abort=True)
    ask(data, lambda sky: sky.delete_user(user))
    _deleted(user, as_json)


@keys.command("list")
def list_keys(data: Data = None, as_json: Json = False) -> None:
    """Your tenant's API keys (their secrets are not kept, and cannot be shown)."""
    from skyriver.apps.cli.output import print_json, print_table
    from skyriver.apps.cli.session import ask, everything

    found = ask(data, lambda sky: everything(sky.api_keys()))
    if as_json:
        print_json(found)
        return
    print_table(
        ("key", "name", "role", "created", "last used"),
        [(one.id, one.name, one.role, one.created_at, one.last_used_at) for one in found],
    )


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.MEMBER,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make an API key; its secret is shown only once."""
    from skyriver.apps.cli.output import print_fields, print_json
    from skyriver.apps.cli.session import ask

    made = ask(data, lambda sky: sky.create_api_key(name, role.value))
    if as_json:
        print_json(made)
        return
    print_fields([("key", made.id), ("secret", made.secret)])
    print("Keep the secret: it is not shown again. Programs pass it as SKYRIVER_TOKEN.")


@keys.command("delete")
def delete_key(
    key: Annotated[str, typer.Argument(help="Id of the key.")],
    yes: Yes = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Revoke an API key at once."""
    from skyriver.apps.cli.session import ask

    if not yes and not as_json:
        typer.confirm(f"Revoke API key {key}?", abort=True)
    ask(data, lambda sky: sky.delete_api_key(key))
    _deleted(key, as_json)


def _deleted(thing: str, as_json: bool) -> None:
    from skyriver.apps.cli.output import print_json

    if as_json:
        print_json({"deleted": thing})
    else:
        print(f"Deleted {thing}.")
