"""Balances and positions: what was told since never falls to an answer that is older."""

from dataclasses import replace
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


def test_what_is_dated_by_the_time_of_the_answer_is_no_newer_than_a_push() -> None:
    """It was counted before the push, and sent after it."""
    one, _ = holdings()
    one.take_balances([BalanceReport("USDT", ONE, TWO, 1_001)], complete=False, now_ms=1_001)
    stale = BalanceReport("USDT", TWO, TWO, 1_300)
    one.take_balances([stale], complete=True, now_ms=1_300, asked_ms=1_000)
    assert one.balances["USDT"].free == ONE
    one.take_balances([stale], complete=True, now_ms=1_400, asked_ms=1_100)
    assert one.balances["USDT"].free == TWO
    one.take_balances([BalanceReport("USDT", ONE, ONE, 1_200)], complete=False, now_ms=1_400)
    assert one.balances["USDT"].free == ONE, "the push is newer than what was listed"


def test_the_newest_position_that_an_answer_lacks_says_how_long_to_wait() -> None:
    one, _ = holdings()
    told = [position("BTC", 1_000), position("ETH", 1_200), position("SOL", 1_300)]
    one.take_positions(told, complete=False, now_ms=1_300)
    assert one.newest_missing_ms(told) == 0
    assert one.newest_missing_ms(told[2:]) == 1_200
    assert one.newest_missing_ms([]) == 1_300
    flat = [replace(report, signed_amount=Decimal(0)) for report in told]
    assert one.newest_missing_ms(flat) == 0, "dated as late as what was told"
    assert one.newest_missing_ms([replace(report, ts_ms=0) for report in flat]) == 1_300


@pytest.mark.parametrize(("pushed_ms", "kept"), [(801, True), (800, False)])
@pytest.mark.parametrize("listed", ["missing", "flat"])
def test_a_list_that_lags_clears_nothing_that_is_younger(
    listed: str, pushed_ms: int, kept: bool
) -> None:
    one, _ = holdings()
    one.take_positions([position("BTC", pushed_ms)], complete=False, now_ms=1_000)
    flat = replace(position("BTC", 0), signed_amount=Decimal(0))
    rows = [flat] if listed == "flat" else []
    one.take_positions(rows, complete=True, now_ms=1_010, asked_ms=1_000, lag_ms=200)
    assert ("BTC" in one.positions) is kept


def test_a_listed_position_that_changed_later_is_taken_however_young_the_last_one_told() -> None:
    one, _ = holdings()
    one.take_positions([position("BTC", 900)], complete=False, now_ms=1_000)
    larger = replace(position("BTC", 950), signed_amount=Decimal(2))
    one.take_positions([larger], complete=True, now_ms=1_010, asked_ms=1_000, lag_ms=3_000)
    assert one.positions["BTC"].signed_amount == 2


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
    one.take_positions([], complete=True, now_ms=2_000, asked_ms=asked_ms)
    one.take_balances([], complete=True, now_ms=2_000, asked_ms=asked_ms)
    one.flush()
    assert set(one.positions) == ({"BTC"} if kept else set())
    assert set(one.balances) == ({"USDT"} if kept else set())
    assert len(teller.told) == told + (0 if kept else 2)
