"""The synthetic market: a seeded random walk, and the levels quoted around it."""

from __future__ import annotations

import random
from decimal import Decimal

from simulator.exchange.book import Book
from simulator.exchange.instruments import Instrument


def walk(mid: Decimal, step_bps: float, source: random.Random) -> Decimal:
    """Return ``mid`` moved by one normally distributed step of ``step_bps`` basis points."""
    return mid * (1 + Decimal(f"{source.gauss(0, step_bps):.6f}") / 10_000)


def ladder(
    instrument: Instrument, best: Decimal, *, step: Decimal, size: Decimal, count: int
) -> list[tuple[Decimal, Decimal]]:
    """Return ``count`` levels of ``size`` from ``best`` on, each ``step`` (signed) further."""
    return [
        (price, size)
        for price in (best + step * level for level in range(count))
        if price >= instrument.tick
    ]


def quote_around(book: Book, mid: Decimal, *, size: Decimal, count: int) -> None:
    """Quote the synthetic levels around ``mid`` with the book's spread."""
    instrument = book.instrument
    half = max(book.spread_ticks // 2, 0)
    bid_ticks = max(instrument.ticks(mid) - half, 1)
    bid = instrument.price(bid_ticks)
    ask = instrument.price(bid_ticks + max(book.spread_ticks, 1))
    quote_at(book, bid, ask, size=size, count=count)


def quote_at(book: Book, bid: Decimal, ask: Decimal, *, size: Decimal, count: int) -> None:
    """Quote the synthetic levels from ``bid`` down and from ``ask`` up."""
    instrument = book.instrument
    step = instrument.tick * max(book.spread_ticks, 1)
    book.mid = (bid + ask) / 2
    book.quote(
        ladder(instrument, bid, step=-step, size=size, count=count),
        ladder(instrument, ask, step=step, size=size, count=count),
    )
