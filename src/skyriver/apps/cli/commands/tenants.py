"""`tenant …`: who shares this cloud. For its operator."""

from __future__ import annotations

from typing import Annotated

import typer

from skyriver.apps.cli.options import Data, Json

tenants = typer.Typer(help="Tenants: who shares this cloud.", no_args_is_help=True)


@tenants.command("list")
def list_tenants(data: Data = None, as_json: Json = False) -> None:
    """Every tenant of this cloud."""
    from skyriver.apps.cli.output import print_json, print_table
    from skyriver.apps.cli.session import ask, everything

    found = ask(data, lambda sky: everything(sky.tenants()))
    if as_json:
        print_json(found)
        return
    print_table(
        ("tenant", "name", "operator", "since", "id"),
        [(one.slug, one.name, one.is_operator, one.created_at, one.id) for one in found],
    )


@tenants.command("create")
def create_tenant(
    slug: Annotated[str, typer.Argument(help="Its name in addresses: lower-case letters, digits, hyphens.")],
    owner: Annotated[str, typer.Option("--owner", metavar="EMAIL", help="Who owns it.")],
    name: Annotated[str | None, typer.Option(help="What people call it [default: SLUG].")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a tenant with its first owner. The owner's password is generated, and shown only once."""
    from skyriver.apps.cli.output import print_fields, print_json
    from skyriver.apps.cli.session import ask

    made = ask(data, lambda sky: sky.create_tenant(slug, name=name or slug, owner_email=owner))
    if as_json:
        print_json(made)
        return
    print_fields(
        [
            ("tenant", f"{made.tenant.slug} ({made.tenant.id})"),
            ("owner", made.owner.email),
            ("password", made.owner_password),
        ]
    )
    print("Keep the password: it is not shown again.")
