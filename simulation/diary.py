"""What every strategy did and was told in one seed, across its deaths."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from demo.told import Submitted
from simulation.loop import VirtualLoop
from strategy_sdk.accounts import Account
from strategy_sdk.dispatch import Dispatcher

Fields = Mapping[str, str]


@dataclass
class Page:
    """One instance of one strategy. ``runs``: for each life, the results whose callbacks ended."""

    strategy: str
    instance: str
    runs: list[list[tuple[int, Fields]]] = field(default_factory=list)

    def told(self) -> dict[int, Fields]:
        """Return the results told, each once, by ``seq``."""
        return {seq: fields for run in self.runs for seq, fields in run}


@dataclass
class Diary:
    """All pages, and the calls by which orders were made."""

    pages: dict[str, Page] = field(default_factory=dict)
    submitted: dict[str, list[Submitted]] = field(default_factory=dict)
    cancels: dict[str, list[str]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def new_life(self, process: str) -> None:
        """Begin a new run of an instance, named ``strategy@instance``."""
        strategy, _, instance = process.partition("@")
        self.pages.setdefault(process, Page(strategy, instance)).runs.append([])

    def note_order(self, strategy: str, at_s: float, oid: str, key: str, scope: str) -> None:
        """Note that a call returned this oid."""
        self.submitted.setdefault(strategy, []).append(Submitted(at_s * 1000, oid, key, scope))

    def note_cancel(self, strategy: str, oid: str) -> None:
        """Note that a cancel was taken."""
        self.cancels.setdefault(strategy, []).append(oid)

    @contextmanager
    def kept(self, loop: VirtualLoop) -> Iterator[None]:
        """Write down each result once its callback has ended."""
        told = Dispatcher.result

        def result(
            self: Dispatcher, account: Account, entry_id: str, fields: Fields, **options: Any
        ) -> None:
            page = pages[loop.current.name]
            told(self, account, entry_id, fields, **options)
            page.runs[-1].append((int(fields.get("seq", 0)), fields))

        pages = self.pages
        Dispatcher.result = result  # type: ignore[method-assign]
        try:
            yield
        finally:
            Dispatcher.result = told  # type: ignore[method-assign]
