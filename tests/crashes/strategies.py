"""A strategy in a process of its own that may die; what it was told outlives it in a file."""

import os
import pickle
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from strategy_sdk.schema import Order
from tests.scenarios.stack import Recorder, Told

BEGUN = "begun"


class Durable(Recorder):
    """Writes each callback down before it returns. At each start it does the same thing again."""

    def __init__(self, file: Path, does: Mapping[str, Any]) -> None:
        super().__init__()
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._does = does
        self._note(BEGUN, os.getpid())

    def _note(self, name: str, what: Any) -> None:
        os.write(self._file, pickle.dumps(Told(name, what)))

    def on_results_lost(self, gap: dict[str, Any]) -> None:
        self._note("lost", gap)

    def on_start(self) -> None:
        match dict(self._does):
            case {"call": "create", "key": key}:
                self.buy(idempotency_key=key)
            case {"call": "cancel", "oid": oid}:
                self.cancel_order_ws(self.symbol, oid)
            case {"call": "modify", "oid": oid, "price": price}:
                self.modify_order_ws(self.symbol, oid, price=Decimal(price))


def runs(file: Path) -> list[list[Told]]:
    """Return what each process of the strategy was told, in order."""
    found: list[list[Told]] = []
    if not file.exists():
        return found
    with file.open("rb") as stream:
        while True:
            try:
                told = pickle.load(stream)
            except (EOFError, pickle.UnpicklingError):
                return found
            if told.name == BEGUN:
                found.append([])
            else:
                found[-1].append(told)


def in_one(lives: list[list[Told]]) -> list[Told]:
    """Return what the strategy was told over all its lives, each thing once.

    A process that died before it had stored its place is followed by one that is told the last few
    results again: those, and no others, may stand twice.
    """
    whole: list[Told] = []
    for life in lives:
        most = min(len(whole), len(life))
        fits = (many for many in range(most, 0, -1) if _same(whole[-many:], life[:many]))
        whole += life[next(fits, 0) :]
    return whole


def _same(ones: list[Told], others: list[Told]) -> bool:
    return [_gist(one) for one in ones] == [_gist(other) for other in others]


def _gist(told: Told) -> tuple[Any, ...]:
    what = told.what
    if isinstance(what, Order):
        return (told.name, what.oid, what.status, what.filled, what.trade_id, what.price)
    return (told.name, repr(what))
