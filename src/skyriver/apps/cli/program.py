"""The tree of commands, and the one place where a failure becomes words and an exit code."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from skyriver.apps.cli import exits
from skyriver.apps.cli.commands import (
    alarms,
    bench,
    captions,
    channels,
    cloud,
    doctor,
    drill,
    files,
    machines,
    people,
    push,
    recordings,
    relaying,
    tenants,
    watch,
    webhooks,
)


class Program(TyperGroup):
    """The root command: tells errors as message and hint, and answers Ctrl-C with code 130."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(exits.INTERRUPTED) from None
        except (typer.Exit, typer.Abort):
            raise
        except BrokenPipeError:  # `skyriver channel list | head`: the reader has what it wanted
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(0) from None
        except Exception as error:
            if type(error).__module__.startswith("typer."):
                raise  # usage errors: Typer shows them with the command's usage, and exits with 2
            raise typer.Exit(exits.report(error)) from error


app = typer.Typer(
    cls=Program,
    epilog="Exit codes: 0 done, 1 failed, 2 used wrongly, 3 no cloud, 4 refused, 5 no such thing, 130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich help costs 150 ms at every `--help`
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for module in (cloud, push, watch, drill, bench, doctor):
    module.register(app)
app.add_typer(channels.app, name="channel")
app.add_typer(alarms.app, name="alarms")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(captions.app, name="caption")
channels.app.add_typer(relaying.pulls, name="pull")
app.add_typer(relaying.destinations, name="destination")
app.add_typer(files.app, name="file")
channels.app.add_typer(files.slates, name="slate")
app.add_typer(recordings.app, name="recording")
app.add_typer(machines.sites, name="site")
app.add_typer(machines.nodes, name="node")
app.add_typer(tenants.tenants, name="tenant")
app.add_typer(people.users, name="user")
app.add_typer(people.keys, name="api-key")


def _print_version(wanted: bool) -> None:
    if wanted:
        from skyriver import __version__

        typer.echo(f"skyriver {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Skyriver: a cloud for live things that runs on your own machines. `skyriver up` starts one."""
