"""Turns what a database driver says into errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from skyriver.kernel.errors import InvalidInput, NotReady, SkyriverError, WorldBroke

_FREE_SPACE = "Free space on the disk of the data folder or the database server; nothing stored was lost."
_RESTORE = "Restore it from a backup, or choose another data folder."
# What the driver's message contains -> (code, what happened, what to do). First match wins.
_FAULTS: tuple[tuple[str, tuple[str, str, str]], ...] = (
    ("database or disk is full", ("disk_full", "the disk is full", _FREE_SPACE)),
    ("no space left", ("disk_full", "the disk is full", _FREE_SPACE)),
    ("could not extend file", ("disk_full", "the disk is full", _FREE_SPACE)),
    (
        "readonly database",
        ("read_only", "the database file or its folder is read-only", "Give this user write permission on it."),
    ),
    (
        "read-only transaction",
        ("read_only", "the database is a read-only replica", "Point the database URL at the primary."),
    ),
    (
        "unable to open database file",
        ("cannot_open", "the database file cannot be opened", "Check that the data folder exists and is writable."),
    ),
    (
        "database is locked",
        ("store_busy", "another process holds the database", "Stop what else uses this data folder, then try again."),
    ),
    ("file is not a database", ("store_damaged", "the file is not a database", _RESTORE)),
    ("disk image is malformed", ("store_damaged", "the database file is damaged", _RESTORE)),
    ("disk i/o error", ("disk_failed", "the disk did not take the write", "Look at the system's log for disk errors.")),
)
_UNSTORABLE = ("invalid byte sequence", "too large to convert", "out of range", "out of int64 range")
_UNREACHABLE = (
    "connection refused",
    "connection was closed",
    "connect call failed",
    "could not connect",
    "is shutting down",
    "starting up",
    "connection reset",
    "name or service not known",
    "cannot connect now",
)


def explain(error: Exception, doing: str) -> SkyriverError:
    """The error of ours for a driver's error, while `doing` (a phrase such as "read the store")."""
    text = str(error).lower()
    for needle, (code, what, hint) in _FAULTS:
        if needle in text:
            return WorldBroke(f"Could not {doing}: {what}.", hint=hint, code=code)
    if isinstance(error, DataError) or any(needle in text for needle in _UNSTORABLE):
        return InvalidInput(
            f"Could not {doing}: a value is of a kind that cannot be stored.",
            hint="Texts must not hold the character NUL, and numbers must fit 64 bits.",
            code="unstorable",
        )
    if isinstance(error, PoolTimeoutError):
        return NotReady(f"Could not {doing}: every database connection is busy.", hint="Try again in a moment.")
    if isinstance(error, OSError) or any(needle in text for needle in _UNREACHABLE):
        return NotReady(
            f"Could not {doing}: the database does not answer.",
            hint="Check that it runs and that the database URL is right; the API goes on by itself once it is back.",
            code="store_unreachable",
        )
    return WorldBroke(f"Could not {doing}: the database refused ({type(error).__name__}).", hint="See the API's log.")


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Raise our errors instead of the driver's. Integrity errors pass: the service that wrote knows their meaning."""
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, PoolTimeoutError, OSError, OverflowError) as error:
        raise explain(error, doing) from error
