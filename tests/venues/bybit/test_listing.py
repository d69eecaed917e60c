"""The instruments that Bybit lists, in base units, under our symbols."""

from decimal import Decimal

import orjson
import pytest

from tests.venues.bybit.sample import BTC, INVERSE, KNOWN, PAIR, SAMPLE
from workers.venue import RestReply

D = Decimal


def test_symbols() -> None:
    assert {(one.kind, one.venue_symbol): one.symbol for one in KNOWN.all()} == {
        ("linear", "BTCUSDT"): "BTCUSDT-PERP.BYBIT",
        ("linear", "BTCPERP"): "BTCUSDC-PERP.BYBIT",
        ("linear", "BTC-25DEC26"): "BTCUSDC-261225.BYBIT",
        ("linear", "ETHUSDT"): "ETHUSDT-PERP.BYBIT",
        ("linear", "OLDUSDT"): "OLDUSDT-PERP.BYBIT",
        ("inverse", "BTCUSD"): "BTCUSD-PERP.BYBIT",
        ("inverse", "BTCUSDZ26"): "BTCUSD-261225.BYBIT",
        ("spot", "BTCUSDT"): "BTCUSDT.BYBIT",
        ("spot", "ETHUSDT"): "ETHUSDT.BYBIT",
        ("spot", "BTCUSDC"): "BTCUSDC.BYBIT",
    }
    assert {one.venue_symbol for one in KNOWN.all() if not one.tradable} == {"OLDUSDT"}


def test_steps_are_base_units() -> None:
    linear, inverse, spot = BTC, INVERSE, PAIR
    assert (linear.tick_size, linear.lot_size, linear.min_amount) == (
        D("0.10"),
        D("0.001"),
        D("0.001"),
    )
    assert (linear.min_cost, linear.max_amount, linear.contract_size) == (D(5), D(1190), D(1))
    assert (inverse.min_cost, inverse.lot_size, inverse.contract_size) == (D(1), D("1E-8"), D(1))
    assert inverse.max_amount is None
    assert (spot.lot_size, spot.min_amount, spot.min_cost, spot.max_amount) == (
        D("0.000001"),
        D("0.000011"),
        D(5),
        D(83),
    )
    assert [one.settle for one in (linear, inverse, spot)] == ["USDT", "BTC", "USDT"]


@pytest.mark.parametrize(
    "change",
    [
        {"baseCoin": ""},
        {"baseCoin": "b-t"},
        {"quoteCoin": "usdt"},
        {"symbol": ""},
        {"contractType": "InversePerpetual"},
        {"contractType": "LinearFutures", "deliveryTime": "9" * 20},
        {"lotSizeFilter": []},
        {"priceFilter": {"tickSize": "0"}},
    ],
    ids=repr,
)
def test_what_cannot_be_traded_here_is_left_out(change: dict[str, object]) -> None:
    body = orjson.loads(SAMPLE.listing)
    body["result"]["list"][0] |= change
    found = SAMPLE.venue.read_instruments(RestReply(200, orjson.dumps(body).decode()))
    assert len(found) == len(body["result"]["list"]) - 1
