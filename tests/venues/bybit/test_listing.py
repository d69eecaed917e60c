"""The instruments that Bybit lists, in base units, under our symbols."""

from decimal import Decimal

import orjson
import pytest

from tests.venues.bybit.sample import INVERSE, LINEAR, SPOT
from tests.venues.conformance.sample import Sample
from workers.venue import RestReply

D = Decimal


@pytest.mark.parametrize(
    ("sample", "symbols"),
    [
        (
            LINEAR,
            {
                "BTCUSDT": "BTCUSDT-PERP.BYBIT",
                "BTCPERP": "BTCUSDC-PERP.BYBIT",
                "BTC-25DEC26": "BTCUSDC-261225.BYBIT",
                "ETHUSDT": "ETHUSDT-PERP.BYBIT",
                "OLDUSDT": "OLDUSDT-PERP.BYBIT",
            },
        ),
        (INVERSE, {"BTCUSD": "BTCUSD-PERP.BYBIT", "BTCUSDZ26": "BTCUSD-261225.BYBIT"}),
        (SPOT, {"BTCUSDT": "BTCUSDT.BYBIT", "ETHUSDT": "ETHUSDT.BYBIT"}),
    ],
    ids=repr,
)
def test_symbols(sample: Sample, symbols: dict[str, str]) -> None:
    assert {one.venue_symbol: one.symbol for one in sample.instruments.all()} == symbols
    tradable = {one.venue_symbol for one in sample.instruments.all() if one.tradable}
    assert tradable == symbols.keys() - {"OLDUSDT"}


def test_steps_are_base_units() -> None:
    linear, inverse, spot = (one.named["BTC"] for one in (LINEAR, INVERSE, SPOT))
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
    body = orjson.loads(LINEAR.listing)
    body["result"]["list"][0] |= change
    found = LINEAR.venue.read_instruments(RestReply(200, orjson.dumps(body).decode()))
    assert len(found) == len(body["result"]["list"]) - 1
