"""Balances and positions: what was told since never falls to an answer that is older."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from router.evidence import BalanceReport, PositionReport
from router.keyspace import AccountKeys
from workers.holdings import Holdings
from workers.teller import Teller

ONE, TWO = Decimal(1), Decimal(2)


class Heard(SimpleNamespace):
    """Notes what would be told to everybody."""

    def hash(self, key: str, fields: Any) -> None:
        self.hashes.append(fields)

    def broadcast(self, fields: Any) -> None:
        self.told.append(fields)


def holdings() -> tuple[Holdings, Any]:
    teller = Heard(hashes=[], told=[])
    return Holdings(AccountKeys("okx-main"), cast(Teller, teller), "okx"), teller


def position(symbol: str, ts_ms: int) -> PositionReport:
    return PositionReport(symbol, ONE, TWO, Decimal(0), Decimal(0), ts_ms)


@pytest.mark.parametrize(
    ("pushed_ms", "asked_ms", "kept"),
    [(1_001, 1_000, True), (1_000, 1_000, False), (900, 1_000, False), (1_001, None, False)],
)
def test_an_answer_clears_only_what_was_told_before_it_was_asked_for(
    pushed_ms: int, asked_ms: int | None, kept: bool
) -> None:
    one, teller = holdings()
    one.take_positions([position("BTC", pushed_ms)], complete=False, now_ms=2_000)
    one.take_balances([BalanceReport("USDT", ONE, TWO, pushed_ms)], complete=False, now_ms=2_000)
    one.flush()
    told = len(teller.told)
    one.take_positions([], complete=True, now_ms=2_000, as_of_ms=asked_ms)
    one.take_balances([], complete=True, now_ms=2_000, as_of_ms=asked_ms)
    one.flush()
    assert set(one.positions) == ({"BTC"} if kept else set())
    assert set(one.balances) == ({"USDT"} if kept else set())
    assert len(teller.told) == told + (0 if kept else 2)
