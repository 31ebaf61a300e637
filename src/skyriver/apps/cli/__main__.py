"""`python -m skyriver.apps.cli`: the command line where the console script is not on the path."""

from __future__ import annotations

from skyriver.apps.cli import main

main()
