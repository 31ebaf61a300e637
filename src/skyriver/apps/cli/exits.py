"""Exit codes, and how a failure is told: its message and its hint, never a traceback.

| code | meaning |
| --- | --- |
| 0 | done |
| 1 | failed: tried, and something broke, or a check did not pass |
| 2 | used wrongly: an unknown option, or input that can never work |
| 3 | no cloud: none is known, or it does not answer |
| 4 | refused: not signed in, or not allowed |
| 5 | no such thing, or its present state forbids this |
| 130 | interrupted with Ctrl-C |

SKYRIVER_DEBUG=1 lets tracebacks through.
"""

from __future__ import annotations

import json
import os
import sys

from skyriver.kernel.errors import Conflict, InvalidInput, NotAllowed, NotAuthenticated, NotFound, SkyriverError
from skyriver.kernel.logs import scrub

FAILED = 1
USAGE = 2
NO_CLOUD = 3
REFUSED = 4
NO_SUCH_THING = 5
INTERRUPTED = 130

_NO_CLOUD_CODES = frozenset({"cloud_not_reachable", "no_cloud"})


def exit_code(error: SkyriverError) -> int:
    """The code of the table above that `error` stands for."""
    if error.code in _NO_CLOUD_CODES or type(error).__name__ == "CloudNotReachable":
        return NO_CLOUD  # by name: importing the client here would cost every command the HTTP library
    if isinstance(error, NotAuthenticated | NotAllowed):
        return REFUSED
    if isinstance(error, NotFound | Conflict):
        return NO_SUCH_THING
    return USAGE if isinstance(error, InvalidInput) else FAILED


def told(error: BaseException) -> SkyriverError:
    """`error` as one that can be told to a person: out of its exception group, and out of its library's words."""
    while isinstance(error, BaseExceptionGroup):
        ours = [inner for inner in error.exceptions if isinstance(inner, SkyriverError | BaseExceptionGroup)]
        error = (ours or list(error.exceptions))[0]
    if isinstance(error, SkyriverError):
        return error
    return SkyriverError(
        f"{type(error).__name__}: {error}",
        hint="This is a fault in Skyriver or in this machine: `skyriver doctor` checks the machine, "
        "SKYRIVER_DEBUG=1 shows where it happened.",
    )


def report(error: BaseException) -> int:
    """Tell `error` on stderr (and as JSON on stdout when the command was asked for JSON); returns the exit code."""
    if os.environ.get("SKYRIVER_DEBUG"):
        raise error
    known = told(error)
    code = exit_code(known)
    message, hint = scrub(known.message), scrub(known.hint)
    if "--json" in sys.argv:
        print(json.dumps({"error": {"code": known.code, "message": message, "hint": hint, "exit": code}}))
    print(f"error: {message}", file=sys.stderr)
    if hint:
        print(f"  hint: {hint}", file=sys.stderr)
    return code
