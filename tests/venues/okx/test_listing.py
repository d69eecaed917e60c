"""Instruments and symbols."""

from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.enums import ExchangeType
from router.instruments import Instrument, exchange_of
from tests.venues.okx.sample import INSTRUMENTS, INVERSE, LISTING, SPOT, SWAP, VENUE, WITHOUT_CODE
from workers.venue import RestReply
from workers.venues import load
from workers.venues.fields import Malformed
from workers.venues.okx.listing import symbol_of


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTC-USDT", "BTCUSDT.OKX"),
        ("BTC-USDT-SWAP", "BTCUSDT-PERP.OKX"),
        ("BTC-USD-SWAP", "BTCUSD-PERP.OKX"),
        ("BTC-USD-241227", "BTCUSD-241227.OKX"),
        ("1INCH-USDT", "1INCHUSDT.OKX"),
    ],
)
def test_symbols(name: str, symbol: str) -> None:
    assert symbol_of(name) == symbol
    assert exchange_of(symbol) is ExchangeType.OKX


@pytest.mark.parametrize("name", ["", "BTC", "btc-usdt", "BTC-USD_UM-SWAP", "BTC-USD-241227-1-C"])
def test_other_names_have_no_symbol(name: str) -> None:
    with pytest.raises(Malformed):
        symbol_of(name)


@given(st.from_regex(r"[A-Z0-9]{1,9}-[A-Z]{3,4}(-SWAP|-[0-9]{6})?", fullmatch=True))
def test_every_pair_has_a_legal_symbol(name: str) -> None:
    assert exchange_of(symbol_of(name)) is ExchangeType.OKX


def test_symbols_and_names_find_the_same_instrument() -> None:
    for one in INSTRUMENTS.all():
        assert INSTRUMENTS.symbol(one.symbol) is INSTRUMENTS.venue_symbol(one.venue_symbol)


def test_what_cannot_be_traded_here_is_left_out() -> None:
    """An option, a USD_UM contract, one counted in quote units, one without steps, and no item."""
    assert [one.venue_symbol for one in VENUE.read_instruments(LISTING)] == [
        "BTC-USD-SWAP",
        "BTC-USDT-SWAP",
        "XRP-USDT-SWAP",
        "ETH-USD-SWAP",
        "BTC-USDT",
        "LTC-USDC",
        "BTC-USD-220325",
    ]


def test_a_linear_swap_in_base_units() -> None:
    expected = Instrument(
        symbol="BTCUSDT-PERP.OKX",
        exchange=ExchangeType.OKX,
        kind="linear",
        base="BTC",
        quote="USDT",
        settle="USDT",
        tick_size=Decimal("0.1"),
        lot_size=Decimal("0.0001"),
        min_amount=Decimal("0.0001"),
        max_amount=Decimal(1000),
        contract_size=Decimal("0.01"),
        venue_symbol="BTC-USDT-SWAP",
        venue_ids={"instType": "SWAP", "size_step": "0.01", "instIdCode": "10459"},
    )
    assert expected == SWAP


def test_an_inverse_swap_in_base_units() -> None:
    assert INVERSE.kind == "inverse"
    assert (INVERSE.contract_size, INVERSE.min_cost) == (Decimal(100), Decimal(100))
    assert INVERSE.lot_size == Decimal("0.00000001")
    assert INVERSE.max_amount is None
    assert INVERSE.settle == "BTC"


def test_states_and_codes() -> None:
    assert SPOT.tradable
    assert SPOT.contract_size == 1
    suspended = INSTRUMENTS.symbol("ETHUSD-PERP.OKX")
    assert suspended is not None
    assert not suspended.tradable
    assert "instIdCode" not in WITHOUT_CODE.venue_ids


def test_which_lists_are_asked_for() -> None:
    path = "/api/v5/public/instruments?instType="
    assert [one.path for one in VENUE.query_instruments()] == [f"{path}SPOT", f"{path}SWAP"]
    assert VENUE.query_instruments()[0].headers == {"x-simulated-trading": "1"}
    for named in (["SPOT", "FUTURES"], "SPOT,FUTURES"):
        dated = load("okx", "live", {"inst_types": named})
        asked = [one.path for one in dated.query_instruments()]
        assert asked == [f"{path}SPOT", f"{path}FUTURES"]


def test_the_instruments_say_how_many_they_are() -> None:
    assert len(INSTRUMENTS) == 7
    assert repr(INSTRUMENTS) == "Instruments(7)"


@pytest.mark.parametrize("field", ["tickSz", "lotSz", "minSz", "ctVal", "ctMult"])
@pytest.mark.parametrize("value", ["0", "-1"])
def test_an_instrument_without_a_step_is_left_out(field: str, value: str) -> None:
    listing = orjson.loads(LISTING.text)
    items = [one for one in listing["data"] if isinstance(one, dict)]
    [swap] = [one for one in items if one.get("instId") == "BTC-USDT-SWAP"]
    listing["data"] = [swap | {field: value}]
    assert VENUE.read_instruments(RestReply(200, orjson.dumps(listing).decode())) == []
