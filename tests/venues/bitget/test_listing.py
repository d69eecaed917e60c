"""What Bitget lists: steps, names, and what is left out."""

from decimal import Decimal

import pytest

from router.instruments import Instrument
from tests.venues.bitget.sample import KNOWN, SAMPLE, envelope
from workers.venue import RestReply

CONTRACT = {
    **{"symbol": "BTCUSDT", "category": "USDT-FUTURES", "baseCoin": "BTC", "quoteCoin": "USDT"},
    **{"minOrderQty": "0.0001", "pricePrecision": "1", "quantityPrecision": "4"},
    **{"priceMultiplier": "0.5", "quantityMultiplier": "0.0001", "type": "perpetual"},
}


def listed(**change: object) -> list[Instrument]:
    reply = RestReply(200, envelope([{**CONTRACT, **change}]))
    return SAMPLE.venue.read_instruments(reply)


def test_what_is_listed() -> None:
    """Dated and USDC contracts, and pairs of stocks, have no symbol here."""
    assert {one.symbol: (one.kind, one.venue_symbol) for one in KNOWN.all()} == {
        "BTCUSDT-PERP.BITGET": ("linear", "BTCUSDT"),
        "ETHUSDT-PERP.BITGET": ("linear", "ETHUSDT"),
        "BTCUSDT.BITGET": ("spot", "BTCUSDT"),
        "LTCUSDC.BITGET": ("spot", "LTCUSDC"),
    }


def test_steps_of_a_contract_are_said_and_those_of_a_pair_are_digits() -> None:
    eth, btc = KNOWN.symbol("ETHUSDT-PERP.BITGET"), KNOWN.symbol("BTCUSDT.BITGET")
    assert eth is not None
    assert (eth.tick_size, eth.lot_size, eth.min_amount) == (
        Decimal("0.01"),
        Decimal("0.01"),
        Decimal("0.01"),
    )
    assert (eth.max_amount, eth.min_cost, eth.settle) == (Decimal(2000), Decimal(5), "USDT")
    assert btc is not None
    assert (btc.tick_size, btc.lot_size) == (Decimal("0.01"), Decimal("0.000001"))
    assert (btc.max_amount, btc.min_cost) == (None, Decimal(1))


def test_a_pair_that_is_not_online_cannot_be_traded_and_has_a_least_amount() -> None:
    ltc = KNOWN.symbol("LTCUSDC.BITGET")
    assert ltc is not None
    assert (ltc.tradable, ltc.min_amount) == (False, Decimal(1))


@pytest.mark.parametrize(
    "change",
    [
        {"type": "delivery"},
        {"type": None},
        {"category": "COIN-FUTURES"},
        {"baseCoin": "rAAPL"},
        {"quoteCoin": ""},
        {"priceMultiplier": "0"},
        {"priceMultiplier": None, "pricePrecision": "x"},
        {"quantityMultiplier": "", "quantityPrecision": "-1"},
    ],
)
def test_what_cannot_be_traded_here_is_left_out(change: dict[str, object]) -> None:
    assert len(listed()) == 1
    assert listed(**change) == []
