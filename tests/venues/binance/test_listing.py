"""Instruments: names, steps and filters."""

from decimal import Decimal

import pytest

from tests.venues.binance.samples import BTC, CONTRACTS, ETH, FUTURES, PAIRS, SPOT, of
from workers.venue import RestReply, UnexpectedReply


def test_a_perpetual_has_its_filters() -> None:
    """exchangeInfo as it was live in 2026-09."""
    assert (BTC.symbol, BTC.kind, BTC.venue_symbol) == (
        "BTCUSDT-PERP.BINANCE",
        "linear",
        "BTCUSDT",
    )
    assert (BTC.base, BTC.quote, BTC.settle) == ("BTC", "USDT", "USDT")
    assert (BTC.tick_size, BTC.lot_size) == (Decimal("0.10"), Decimal("0.001"))
    assert (BTC.min_amount, BTC.max_amount) == (Decimal("0.001"), Decimal(1000))
    assert BTC.min_cost == 50
    assert BTC.contract_size == 1
    assert BTC.tradable


def test_a_dated_future_and_one_that_settles() -> None:
    dated = of(CONTRACTS, "BTCUSDT_261225")
    assert dated.symbol == "BTCUSDT-261225.BINANCE"
    assert not of(CONTRACTS, "ACEUSDT").tradable


def test_what_has_no_symbol_or_no_steps_is_left_out() -> None:
    listed = {one.venue_symbol for one in CONTRACTS.all()}
    assert listed == {"BTCUSDT", "ETHUSDC", "ACEUSDT", "BNBUSDT", "BTCUSDT_261225"}


def test_spot_pairs() -> None:
    assert (ETH.symbol, ETH.kind, ETH.settle) == ("ETHUSDT.BINANCE", "spot", "USDT")
    assert (ETH.tick_size, ETH.lot_size) == (Decimal("0.01"), Decimal("0.0001"))
    assert ETH.min_cost == 5, "NOTIONAL"
    assert of(PAIRS, "BTCUSDT").min_cost == 10, "MIN_NOTIONAL, as it was called before"
    assert not of(PAIRS, "BTCUSDT").tradable, "BREAK"
    assert not of(PAIRS, "LTCBTC").tradable
    assert of(PAIRS, "LTCBTC").min_cost == 0


@pytest.mark.parametrize("text", ["{}", "[]", "<html>", '{"symbols":{}}'])
def test_a_reply_that_lists_nothing_is_no_empty_venue(text: str) -> None:
    with pytest.raises(UnexpectedReply):
        FUTURES.read_instruments(RestReply(200, text))


def test_rubbish_in_the_list_hides_no_neighbour() -> None:
    assert SPOT.read_instruments(RestReply(200, '{"symbols":[7,{},{"symbol":"A"}]}')) == []


def test_both_products_ask_their_own_host() -> None:
    assert [one.path for one in FUTURES.query_instruments()] == ["/fapi/v1/exchangeInfo"]
    assert [one.path for one in SPOT.query_instruments()] == ["/api/v3/exchangeInfo"]
