"""What commands print: JSON for programs, tables for people; progress goes to stderr, results to stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel


Step = Callable[[float, str], None]
"""Tells progress: how much of the total is done, and a word on what is going on."""


def print_json(value: Any) -> None:
    """One JSON document on stdout; models and datetimes included."""
    print(json.dumps(_plain(value), indent=2, default=str, ensure_ascii=False), flush=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """A table as wide as its content wants and the terminal allows."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row), end_section=False)
    Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 160).print(table)


def print_fields(fields: Iterable[tuple[str, Any]]) -> None:
    """`name  value`, one a line."""
    shown = [(name, _cell(value)) for name, value in fields]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        print(f"{name:<{width}}  {value}")


@contextmanager
def progress(words: str, total: float | None, *, quiet: bool = False) -> Iterator[Step]:
    """A progress bar on stderr while the block runs; nothing where nobody looks (no terminal, or `quiet`)."""
    if quiet or not sys.stderr.isatty():
        yield _untold
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=total)

        def step(done: float, now: str) -> None:
            bar.update(task, completed=done, description=f"{words} {now}".strip())

        yield step


def _untold(done: float, words: str) -> None:
    """Progress that nobody looks at."""


def megabytes(size_bytes: float | None) -> str:
    return "-" if size_bytes is None else f"{size_bytes / 1e6:.0f} MB"


def rate(bits_per_second: float | None) -> str:
    """`2.4 Mbit/s`, in the unit people read."""
    if bits_per_second is None:
        return "-"
    if bits_per_second >= 1e6:
        return f"{bits_per_second / 1e6:.1f} Mbit/s"
    return f"{bits_per_second / 1e3:.0f} kbit/s"


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return str(value)


def _plain(value: Any) -> Any:
    """`value` with its models as mappings."""
    if hasattr(value, "model_dump"):
        model: BaseModel = value
        return model.model_dump(mode="json")
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
