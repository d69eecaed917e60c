"""What is seen while the demo runs: a live table on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from commands.output import ago, now_ms, table
from commands.survey import AccountView, account_view
from demo.conductor import Conductor
from demo.stack import Stack

_COLUMNS = ("account", "strategy", "waiting", "in flight", "open", "unknown", "untold", "repeats")
_LINE_EVERY_S = 5.0


class Board:
    """Shows the stack's state whenever it is told to."""

    def __init__(self, stack: Stack, conductor: Conductor, out: Console, *, quiet: bool) -> None:
        self._stack = stack
        self._conductor = conductor
        self._out = out
        self._quiet = quiet
        self._live: Live | None = None
        self._line_at_s = 0.0
        self._shown = 0

    @contextmanager
    def open(self) -> Iterator[None]:
        """Show a live table while the block lasts, if there is a terminal."""
        if self._quiet or not self._out.is_terminal:
            yield
            return
        with Live(console=self._out, auto_refresh=False, transient=True) as self._live:
            yield
        self._live = None

    def show(self, elapsed_s: float) -> None:
        """Show how things stand."""
        if self._quiet:
            return
        if self._live is None and elapsed_s < self._line_at_s:
            return
        views = [account_view(self._stack.client, keys) for keys in self._stack.keys]
        health = self._stack.control.health()
        if self._live is not None:
            self._live.update(self._picture(views, health, elapsed_s), refresh=True)
            return
        self._line_at_s = elapsed_s + _LINE_EVERY_S
        self._print_line(views, health, elapsed_s)

    def _picture(self, views: list[AccountView], health: dict[str, Any], elapsed_s: float) -> Group:
        rows = [
            (
                view.account,
                one.strategy,
                one.waiting,
                one.pending,
                one.open,
                one.unknown,
                one.backlog,
                one.repeats,
            )
            for view in views
            for one in view.strategies
        ]
        sockets = "\n".join(_sockets(view) for view in views)
        title = (
            f"{elapsed_s:5.1f} of {self._stack.options.seconds:g} s   "
            f"{health['orders']} orders at the venues"
        )
        faults = [Text(f"{at_s:5.1f}  {what}") for at_s, what in self._conductor.taken[-8:]]
        return Group(table(title, _COLUMNS, rows), Text(sockets), Text("faults", "bold"), *faults)

    def _print_line(
        self, views: list[AccountView], health: dict[str, Any], elapsed_s: float
    ) -> None:
        fresh = self._conductor.taken[self._shown :]
        self._shown += len(fresh)
        for at_s, what in fresh:
            self._out.print(f"{at_s:6.1f} s  fault: {what}", markup=False)
        rows = [one for view in views for one in view.strategies]
        counts = (
            f"open {sum(one.open for one in rows)}, "
            f"unknown {sum(one.unknown for one in rows)}, "
            f"untold {sum(one.backlog for one in rows)}"
        )
        self._out.print(f"{elapsed_s:6.1f} s  {health['orders']} orders at the venues, {counts}")


def _sockets(view: AccountView) -> str:
    states = (
        f"{name} {one.state} {ago(one.since_ms, now_ms())}" for name, one in view.sockets.items()
    )
    return "  ".join((f"{view.account}: epoch {view.epoch} {view.worker}", *states))
