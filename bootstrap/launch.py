"""The order of things: make sure that the environment and the console are there, then become the CLI.

Every step leaves a stamp of what it was made from, so that the next run finds nothing to do and costs about 0.1 s.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bootstrap import checks, console, environment
from bootstrap.report import SetupProblem, say
from bootstrap.turns import one_at_a_time

INTERRUPTED = 130  # what a shell reports for a process ended by Ctrl-C


def main(root: Path, arguments: list[str]) -> int:
    """Set up what is missing, then run the CLI or the checks. Returns an exit status, or never returns."""
    try:
        prepare(root)
        if arguments[:1] == ["test"]:
            return checks.run_all(root, arguments[1:])
    except SetupProblem as problem:
        say(f"{problem}")
        return 1
    except OSError as error:
        say(f"setting up failed: {error}. Is there room on the disk, and is this checkout yours?")
        return 1
    except KeyboardInterrupt:
        say("interrupted; run it again to go on from here")
        return INTERRUPTED
    python = str(environment.python_of(root))
    sys.stdout.flush()
    # A file in the user's folder that is called like a library must not be imported instead of it, nor in children.
    os.environ["PYTHONSAFEPATH"] = "1"
    os.execv(python, [python, "-m", "skyriver.apps.cli", *arguments])


def prepare(root: Path) -> None:
    """Everything that `up` and the other commands need. Safe to interrupt, to repeat, and to run twice at once."""
    if environment.is_current(root, environment.RUNTIME) and console.is_current(root):
        return
    with one_at_a_time(root):
        # The other run may have done it while we waited, hence no assumption from the check above.
        environment.bring_up_to_date(root, environment.RUNTIME)
        console.bring_up_to_date(root)
