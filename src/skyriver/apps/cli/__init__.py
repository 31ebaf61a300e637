"""The command line. `skyriver --help` is the way in; every command takes `--json`.

Nothing here imports more than Typer at the top of a module: a command loads what it needs when it runs, so that
`skyriver --help` and shell completion stay quick.
"""

from __future__ import annotations


def main() -> None:
    """The console script: runs the command in sys.argv and exits with its code (see `exits`)."""
    from skyriver.apps.cli.program import app

    app(prog_name="skyriver")
