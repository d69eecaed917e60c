"""A book top as it stands in the stream, and which socket is asked for it."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from router.evidence import BookTop
from router.instruments import Instrument
from strategy_sdk.testing import linear_perpetual
from workers.connection import Connection
from workers.market_data import Books, MarketData, book_fields
from workers.venue import Instruments

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
    market = MarketData(wiring, nothing, nothing, {})
    timed = top(*_NUMBERS)
    market.take(timed)
    assert market._latest[timed.symbol] is timed
    market.take(replace(timed, ts_ms=0))
    assert market._latest[timed.symbol] == replace(timed, ts_ms=42)


class Socket:
    """A public socket that notes what is written to it."""

    def __init__(self) -> None:
        self.ready = True
        self.session_number = 1
        self.sent: list[str] = []

    async def send_now(self, frames: list[str]) -> None:
        self.sent += frames


class ByKind:
    """A venue whose pairs and contracts have their books on sockets of their own."""

    limits = SimpleNamespace(subscriptions=None)

    def book_socket(self, instrument: Instrument) -> str:
        return instrument.kind

    def subscribe_books(self, instruments: Sequence[Instrument]) -> list[str]:
        return [f"+{one.symbol}" for one in instruments]

    def unsubscribe_books(self, instruments: Sequence[Instrument]) -> list[str]:
        return [f"-{one.symbol}" for one in instruments]


async def test_each_book_is_wanted_of_the_socket_that_brings_it() -> None:
    contract = linear_perpetual("AB-PERP.OKX")
    pair = contract.model_copy(update={"symbol": "AB.OKX", "kind": "spot"})
    known = Instruments([contract, pair])
    wiring: Any = SimpleNamespace(venue=ByKind(), instruments=known)
    linear, spot = Socket(), Socket()
    books = [
        Books(name, cast(Connection, socket), wiring)
        for name, socket in (("linear", linear), ("spot", spot))
    ]
    for wanted in ([contract, pair], [pair]):
        for one in books:
            assert one.ready
            await one.align(wanted)
    assert (linear.sent, spot.sent) == (["+AB-PERP.OKX", "-AB-PERP.OKX"], ["+AB.OKX"])
    spot.session_number = 2
    assert books[1].ready
    await books[1].align([pair])
    assert spot.sent == ["+AB.OKX", "+AB.OKX"], "a new session begins with none"
    spot.ready = False
    assert not books[1].ready
