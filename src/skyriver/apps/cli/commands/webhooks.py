"""`webhooks …`: programs of your own that are told what happens."""

from __future__ import annotations

from typing import Annotated

import typer

from skyriver.apps.cli.options import Data, Json, Yes

app = typer.Typer(help="Webhooks: your own programs are told what happens.", no_args_is_help=True)

Webhook = Annotated[str, typer.Argument(metavar="WEBHOOK", help="Id of the webhook.")]


@app.command("list")
def list_webhooks(data: Data = None, as_json: Json = False) -> None:
    """Your tenant's webhooks."""
    from skyriver.apps.cli.output import print_json, print_table
    from skyriver.apps.cli.session import ask, everything

    found = ask(data, lambda sky: everything(sky.webhooks()))
    if as_json:
        print_json(found)
        return
    print_table(
        ("name", "address", "events", "enabled", "failures", "id"),
        [(w.name, w.url, ", ".join(w.event_types) or "all", w.enabled, w.failures, w.id) for w in found],
    )


@app.command("events")
def list_events(data: Data = None, as_json: Json = False) -> None:
    """Every event that webhooks can be told of."""
    from skyriver.apps.cli.output import print_json, print_table
    from skyriver.apps.cli.session import ask

    found = ask(data, lambda sky: sky.webhook_events())
    if as_json:
        print_json(found)
    else:
        print_table(("event", "meaning"), [(one.name, one.meaning) for one in found])


@app.command("create")
def create_webhook(
    name: Annotated[str, typer.Argument(help="Whose receiver it is.")],
    url: Annotated[str, typer.Argument(help="Where messages are posted to.")],
    events: Annotated[list[str] | None, typer.Option("--event", help="Of this event only; may be repeated.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a webhook; the secret that its messages are signed with is shown only once."""
    from skyriver.apps.cli.output import print_fields, print_json
    from skyriver.apps.cli.session import ask

    made = ask(data, lambda sky: sky.create_webhook(name, url, events or []))
    if as_json:
        print_json(made)
        return
    print_fields([("webhook", made.id), ("secret", made.secret)])
    print("Keep the secret: it is not shown again. Check signatures with it (Standard Webhooks).")


@app.command("enable")
def enable_webhook(webhook: Webhook, data: Data = None, as_json: Json = False) -> None:
    """Take a disabled webhook back into service."""
    _switch(webhook, True, data, as_json)


@app.command("disable")
def disable_webhook(webhook: Webhook, data: Data = None, as_json: Json = False) -> None:
    """Send nothing to a webhook until it is enabled again."""
    _switch(webhook, False, data, as_json)


@app.command("test")
def send_test(webhook: Webhook, data: Data = None, as_json: Json = False) -> None:
    """Send a test event; `deliveries` tells what became of it."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    sent = ask(data, lambda sky: sky.send_test_event(webhook))
    if as_json:
        print_json(sent)
    else:
        print(f"On its way as {sent.id}.")


@app.command("deliveries")
def list_deliveries(
    webhook: Webhook,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most, newest first.")] = 50,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """What was sent to a webhook, and what became of it."""
    from skyriver.apps.cli.output import print_json, print_table
    from skyriver.apps.cli.session import ask, first

    found = ask(data, lambda sky: first(limit, sky.webhook_deliveries(webhook)))
    if as_json:
        print_json(found)
        return
    print_table(
        ("when", "event", "state", "attempts", "answer", "error", "id"),
        [(d.created_at, d.event_type, d.state, d.attempts, d.last_status, d.last_error, d.id) for d in found],
    )


@app.command("redeliver")
def redeliver(
    webhook: Webhook,
    delivery: Annotated[str, typer.Argument(help="Id of the delivery.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Send something again now, and for another day."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    sent = ask(data, lambda sky: sky.redeliver(webhook, delivery))
    if as_json:
        print_json(sent)
    else:
        print(f"On its way again as {sent.id}.")


@app.command("delete")
def delete_webhook(webhook: Webhook, yes: Yes = False, data: Data = None, as_json: Json = False) -> None:
    """Remove a webhook; what waits to be sent to it is dropped."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    if not yes and not as_json:
        typer.confirm(f"Delete webhook {webhook}?", abort=True)
    ask(data, lambda sky: sky.delete_webhook(webhook))
    if as_json:
        print_json({"deleted": webhook})
    else:
        print(f"Deleted {webhook}.")


def _switch(webhook: str, enabled: bool, data: Data, as_json: bool) -> None:
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    changed = ask(data, lambda sky: sky.update_webhook(webhook, enabled=enabled))
    if as_json:
        print_json(changed)
    else:
        print(f"{changed.name} is {'enabled' if changed.enabled else 'disabled'}.")
