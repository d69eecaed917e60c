"""What commands print: JSON for machines, tables for people, one line for a mistake."""

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson
import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# A pipe has no width; tables must not be cut to 80 columns on their way into a file.
_PIPE_WIDTH = 200


# rich is loaded by what draws tables: a worker draws none, and would start later for it.


def console() -> "Console":
    """Return a console for tables on stdout."""
    from rich.console import Console

    # No emoji: ":100:" in a key is no picture.
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(width=width, highlight=False, emoji=False)


def print_json(value: Any) -> None:
    """Print one JSON value on one line."""
    typer.echo(orjson.dumps(value, default=str).decode())


def print_error(text: str) -> None:
    """Print one line on stderr."""
    typer.echo(f"order-router: {' '.join(text.split())}", err=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> "Table":
    """Return a table of texts; "" stands for None."""
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    made = Table(title=escape(title), title_justify="left", title_style="bold", header_style="bold")
    for name in columns:
        made.add_column(name, overflow="fold")
    for row in rows:
        made.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    return made


def ago(then_ms: int, now_ms: int) -> str:
    """Return how long ago a time was, for people; "" for 0."""
    if not then_ms:
        return ""
    seconds = max(0, now_ms - then_ms) / 1000
    if seconds < 10:
        return f"{seconds:.1f} s ago"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def clock_time(ms: int) -> str:
    """Return local time of day with milliseconds; "" for 0."""
    if not ms:
        return ""
    return f"{time.strftime('%H:%M:%S', time.localtime(ms / 1000))}.{ms % 1000:03d}"


def now_ms() -> int:
    """Return the wall clock in milliseconds."""
    return time.time_ns() // 1_000_000
