"""A book top as it stands in the stream."""

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from router.evidence import BookTop
from workers.market_data import MarketData, book_fields

_NUMBERS = ("1E+5", "0.5", "90000.1", "2E-8")


def top(*values: str | None) -> BookTop:
    bid, bid_size, ask, ask_size = (None if one is None else Decimal(one) for one in values)
    return BookTop("BTCUSDT-PERP.OKX", bid, bid_size, ask, ask_size, 1_700_000_000_123)


def test_a_book_is_plain_digits() -> None:
    assert book_fields(top(*_NUMBERS)) == {
        "symbol": "BTCUSDT-PERP.OKX",
        "ts_ms": "1700000000123",
        "bid": "100000",
        "bid_size": "0.5",
        "ask": "90000.1",
        "ask_size": "0.00000002",
    }


@pytest.mark.parametrize(
    ("values", "left_out"),
    [
        ((None, None, "2", "3"), {"bid", "bid_size"}),
        (("2", "3", None, None), {"ask", "ask_size"}),
        ((None, None, None, None), {"bid", "bid_size", "ask", "ask_size"}),
    ],
)
def test_an_empty_side_is_left_out(values: tuple[str | None, ...], left_out: set[str]) -> None:
    fields = book_fields(top(*values))
    assert {"bid", "bid_size", "ask", "ask_size"} - set(fields) == left_out
    assert all(isinstance(value, str) and value for value in fields.values())


def test_a_book_without_a_time_gets_that_of_its_arrival() -> None:
    wiring: Any = SimpleNamespace(clock=SimpleNamespace(venue_ms=lambda: 42))
    nothing: Any = None
    market = MarketData(wiring, nothing, nothing, nothing)
    timed = top(*_NUMBERS)
    market.take(timed)
    assert market._latest[timed.symbol] is timed
    market.take(replace(timed, ts_ms=0))
    assert market._latest[timed.symbol] == replace(timed, ts_ms=42)
