"""The exchange without any socket: priority, fees, positions, and money that adds up."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulator.config import AccountConfig, MarketConfig, SimulatorConfig
from simulator.exchange.clock import Clock
from simulator.exchange.exchange import Amendment, Exchange
from simulator.exchange.instruments import plain
from simulator.exchange.orders import Order, OrderKind, Side
from simulator.exchange.positions import Position
from simulator.exchange.retention import Retention, forget, pending_as_of
from simulator.world import Floor, build

D = Decimal
FUNDS = {"USDT": D(1_000_000), "BTC": D(10)}


@pytest.fixture
def world() -> Floor:
    return make_world()


def make_world(hands: Callable[[], int] = lambda: 1_700_000_000_000_000) -> Floor:
    accounts = tuple(
        AccountConfig(name=name, api_key=name, secret="s", balances=FUNDS) for name in "abc"
    )
    config = SimulatorConfig(accounts=accounts, market=MarketConfig(tick_ms=0, price_band=D(10)))
    world = build(config, Clock(hands)).floors["okx"]
    empty(world.exchange)
    return world


def empty(exchange: Exchange) -> None:
    """Take the synthetic liquidity away."""
    for symbol in exchange.books:
        exchange.move(symbol, [], [])


def order(
    world: Floor,
    account: str,
    side: Side,
    size: str,
    price: str | None,
    *,
    kind: OrderKind = "limit",
    symbol: str = "BTC-USDT",
    reduce_only: bool = False,
) -> Order:
    """Place an order that must be taken, and return it."""
    placed = Order(
        world.exchange.accounts[account],
        world.exchange.books[symbol].instrument,
        side,
        kind if price is not None else "market",
        D(size),
        None if price is None else D(price),
        reduce_only=reduce_only,
    )
    assert world.exchange.place(placed) is None
    return placed


def test_better_prices_first_then_earlier_orders(world: Floor) -> None:
    late = order(world, "a", "sell", "1", "90000")
    later = order(world, "b", "sell", "1", "90000")
    best = order(world, "b", "sell", "1", "89900")
    order(world, "c", "buy", "1.5", "90000")
    assert [plain(one.filled) for one in (best, late, later)] == ["1", "0.5", "0"]
    assert (best.state, late.state, later.state) == ("filled", "partially_filled", "live")


def test_trades_print_at_the_resting_price(world: Floor) -> None:
    order(world, "a", "sell", "1", "89000")
    taker = order(world, "b", "buy", "1", "90000")
    assert taker.average == D(89000)


def test_real_orders_trade_before_synthetic_ones_of_their_price(world: Floor) -> None:
    world.exchange.move("BTC-USDT", [], [(D(90000), D(5))])
    maker = order(world, "a", "sell", "1", "90000")
    order(world, "b", "buy", "1.5", "90000")
    assert maker.state == "filled"
    assert world.exchange.books["BTC-USDT"].asks.levels(1) == [(-900000, D("4.5"), 1)]


def test_a_price_change_loses_the_place_and_a_smaller_size_keeps_it(world: Floor) -> None:
    first = order(world, "a", "sell", "1", "90000")
    second = order(world, "b", "sell", "1", "90000")
    assert world.exchange.amend(first, Amendment(size=D("0.8"))) is None
    order(world, "c", "buy", "0.8", "90000")
    assert (first.state, plain(second.filled)) == ("filled", "0")
    third = order(world, "a", "sell", "1", "90000")
    assert world.exchange.amend(second, Amendment(size=D(2))) is None
    order(world, "c", "buy", "1", "90000")
    assert (third.state, plain(second.filled)) == ("filled", "0")


def test_the_market_reaches_resting_orders(world: Floor) -> None:
    high = order(world, "a", "buy", "1", "80000")
    low = order(world, "a", "buy", "1", "79000")
    world.exchange.move("BTC-USDT", [], [(D(79500), D("0.4"))])
    assert (high.filled, high.average, low.filled) == (D("0.4"), D(80000), D(0))
    world.exchange.move("BTC-USDT", [], [(D(79500), D("5"))])
    assert (high.state, low.state) == ("filled", "live")


def test_spot_fees_are_paid_in_what_is_received(world: Floor) -> None:
    order(world, "a", "sell", "1", "90000")
    order(world, "b", "buy", "1", "90000")
    seller, buyer = (world.exchange.accounts[name].balances for name in "ab")
    assert seller["USDT"].total == D(1_000_000) + 90000 - D("72")
    assert buyer["BTC"].total == D(11) - D("0.001")
    assert buyer["USDT"].total == D(910_000)


def test_better_prices_give_back_what_was_frozen(world: Floor) -> None:
    order(world, "a", "sell", "1", "80000")
    order(world, "b", "buy", "2", "90000")
    usdt = world.exchange.accounts["b"].balances["USDT"]
    assert (usdt.total, usdt.frozen) == (D(920_000), D(90000))


def test_a_market_buy_stops_when_the_money_ends(world: Floor) -> None:
    world.exchange.move("BTC-USDT", [], [(D(90000), D(10)), (D(200000), D(100))])
    bought = order(world, "a", "buy", "11", None)
    assert bought.state == "filled"
    assert bought.filled == D("10.5")
    assert world.exchange.accounts["a"].balances["USDT"].total == 0


def test_a_market_order_without_liquidity_is_canceled(world: Floor) -> None:
    world.exchange.move("BTC-USDT", [(D(90000), D(1))], [])
    sold = order(world, "a", "sell", "2", None)
    assert (sold.state, sold.filled, sold.cancel_source) == ("canceled", D(1), "ioc")


def swap_position(world: Floor, symbol: str, *trades: tuple[Side, str, str]) -> Position:
    """Let account a trade at the given prices against b; return its position."""
    for side, size, price in trades:
        order(world, "b", "sell" if side == "buy" else "buy", size, price, symbol=symbol)
        order(world, "a", side, size, price, symbol=symbol)
    return world.exchange.accounts["a"].positions[symbol]


def test_linear_positions_average_and_realize(world: Floor) -> None:
    trades: tuple[tuple[Side, str, str], ...] = (
        ("buy", "100", "90000"),
        ("buy", "100", "92000"),
        ("sell", "50", "93000"),
    )
    position = swap_position(world, "BTC-USDT-SWAP", *trades)
    assert (position.size, position.entry, position.realized) == (D(150), D(91000), D(1000))
    position = swap_position(world, "BTC-USDT-SWAP", ("sell", "200", "90000"))
    assert (position.size, position.entry) == (D(-50), D(90000))
    assert position.realized == 1000 - 1500
    account = world.exchange.accounts["a"]
    assert account.balances["USDT"].total == D(1_000_000) + position.realized - position.fee
    assert account.balances["USDT"].margin == D(50) * D("0.01") * 90000 / 10


def test_inverse_positions_average_harmonically(world: Floor) -> None:
    trades: tuple[tuple[Side, str, str], ...] = (("buy", "100", "80000"), ("buy", "100", "100000"))
    position = swap_position(world, "BTC-USD-SWAP", *trades)
    assert round(position.entry, 6) == round(D(200) / (D(100) / 80000 + D(100) / 100000), 6)
    position = swap_position(world, "BTC-USD-SWAP", ("sell", "200", "100000"))
    assert position.size == 0
    expected = D(100) * 100 * (1 / D(80000) - 1 / D(100000))
    assert abs(position.realized - expected) < D("0.00000001")
    assert world.exchange.accounts["a"].balances["BTC"].margin == 0


@pytest.mark.parametrize("role", ["maker", "taker"])
def test_reduce_only_orders_never_turn_a_position(
    world: Floor, role: Literal["maker", "taker"]
) -> None:
    position = swap_position(world, "BTC-USDT-SWAP", ("buy", "10", "90000"))
    swap = "BTC-USDT-SWAP"
    if role == "taker":
        order(world, "b", "buy", "50", "90000", symbol=swap)
    closing = order(world, "a", "sell", "25", "90000", symbol=swap, reduce_only=True)
    if role == "maker":
        order(world, "b", "buy", "50", "90000", symbol=swap)
    assert position.size == 0
    assert closing.state == "canceled"
    assert (closing.filled, closing.cancel_source) == (D(10), "reduce_only")


@pytest.mark.parametrize("how", ["take", "walk", "sweep"])
def test_reduce_only_orders_end_when_they_are_reached_without_a_position(
    world: Floor, how: str
) -> None:
    swap, exchange = "BTC-USDT-SWAP", world.exchange
    swap_position(world, swap, ("buy", "10", "90000"))
    closing = order(world, "a", "sell", "10", "90000", symbol=swap, reduce_only=True)
    account = exchange.accounts["a"]
    exchange.set_position(account, exchange.books[swap].instrument, D(0))
    if how == "take":
        order(world, "b", "buy", "1", "90000", symbol=swap)
    elif how == "walk":
        assert exchange.matcher.walk(exchange.books[swap], "buy", D(1), None) == 0
    else:
        exchange.move(swap, [(D(90000), D(1)), (D(89000), D(0))], [])
    assert (closing.state, closing.cancel_source) == ("canceled", "reduce_only")
    assert account.positions[swap].size == 0


def test_somebody_walks_through_resting_orders(world: Floor) -> None:
    world.exchange.move("BTC-USDT", [], [(D(90010), D(1))])
    maker = order(world, "a", "sell", "1", "90000")
    book = world.exchange.books["BTC-USDT"]
    assert world.exchange.matcher.walk(book, "buy", D("1.5"), None) == D("1.5")
    assert (maker.state, book.best_ask()) == ("filled", D(90010))
    assert world.exchange.matcher.walk(book, "buy", D(1), -900000) == 0


def test_the_walk_is_the_same_for_the_same_seed() -> None:
    mids = []
    for _ in range(2):
        world = make_world()
        for _ in range(20):
            world.exchange.tick()
        mids.append(world.exchange.books["BTC-USDT"].mid)
    assert mids[0] == mids[1] != D(89500)


def test_frozen_markets_stand_still(world: Floor) -> None:
    book = world.exchange.books["BTC-USDT"]
    book.frozen, before = True, book.mid
    world.exchange.tick()
    assert book.mid == before


class Hands:
    """A clock that is turned by hand."""

    us = 1_700_000_000_000_000

    def __call__(self) -> int:
        return self.us

    def turn(self, ms: int) -> None:
        self.us += ms * 1000


def test_the_past_can_be_asked_for() -> None:
    hands = Hands()
    world = make_world(hands)
    position = swap_position(world, "BTC-USDT-SWAP", ("buy", "10", "90000"))
    bid = order(world, "a", "buy", "1", "80000")
    then_ms = world.clock.now_ms()
    hands.turn(10)
    order(world, "b", "sell", "0.4", "80000")
    world.exchange.cancel(bid)
    order(world, "a", "buy", "1", "81000")
    swap_position(world, "BTC-USDT-SWAP", ("sell", "10", "90000"))
    account = world.exchange.accounts["a"]
    assert [position.as_of(ms).size for ms in (then_ms - 1, then_ms, then_ms + 10)] == [0, 10, 0]
    assert list(pending_as_of(account, then_ms)) == [(bid, D(0))]
    assert list(pending_as_of(account, then_ms - 1)) == []


def test_queries_forget_what_the_ledger_keeps() -> None:
    hands = Hands()
    world = make_world(hands)
    kept = Retention(never_filled_ms=100, ledger_ms=0)
    empty_one = order(world, "a", "buy", "1", "80000")
    world.exchange.cancel(empty_one)
    hands.turn(100)
    assert kept.shows(empty_one, world.clock.now_ms())
    hands.turn(1)
    assert not kept.shows(empty_one, world.clock.now_ms())
    forget(world.exchange, kept)
    assert empty_one.venue_id in world.exchange.orders
    forget(world.exchange, Retention(never_filled_ms=100, ledger_ms=50))
    assert world.exchange.orders == {}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1.500", "1.5"),
        ("100", "100"),
        ("0", "0"),
        ("0.00", "0"),
        ("1E-8", "0.00000001"),
        ("1E+3", "1000"),
    ],
)
def test_numbers_are_shown_plainly(number: str, text: str) -> None:
    assert plain(D(number)) == text


steps = st.tuples(
    st.sampled_from("abc"),
    st.sampled_from(["buy", "sell"]),
    st.integers(1, 300),
    st.integers(89_990, 90_010),
    st.sampled_from(["limit", "ioc", "fok", "post_only", "market", "cancel"]),
)


#: A part of an order's margin, and an average price, that are quotients without an end.
THIRDS = [
    *[("a", "buy", 1, 89_990, "limit")] * 11,
    ("a", "sell", 1, 89_990, "limit"),
    ("c", "sell", 127, 89_990, "limit"),
    *[("a", "buy", 1, 89_990, "limit")] * 4,
    ("a", "sell", 295, 89_990, "limit"),
    ("b", "buy", 125, 89_990, "limit"),
    ("b", "buy", 160, 89_990, "limit"),
    ("c", "sell", 11, 89_990, "limit"),
    ("a", "sell", 3, 89_990, "limit"),
    ("c", "buy", 135, 89_992, "limit"),
]


@settings(max_examples=60, deadline=None)
@example(THIRDS, "BTC-USDT-SWAP")
@given(st.lists(steps, max_size=40), st.sampled_from(["BTC-USDT", "BTC-USDT-SWAP"]))
def test_no_money_is_made_or_lost(
    script: list[tuple[str, Side, int, int, OrderKind]], symbol: str
) -> None:
    world = make_world()
    exchange = world.exchange
    spot = symbol == "BTC-USDT"
    for account, side, size, price, kind in script:
        owner = exchange.accounts[account]
        if kind == "cancel":  # type: ignore[comparison-overlap]
            for one in list(owner.open.values())[:1]:
                exchange.cancel(one)
            continue
        exchange.place(
            Order(
                owner,
                exchange.books[symbol].instrument,
                side,
                kind,
                D(size) / 1000 if spot else D(size),
                None if kind == "market" else D(price),
            )
        )
    for name, start in FUNDS.items():
        held = sum(owner.balances[name].total for owner in exchange.accounts.values())
        fees = sum(
            fill.fee for fill in exchange.settlement.fills if fill.order.fee_currency == name
        )
        realized = sum(fill.profit for fill in exchange.settlement.fills)
        assert held == 3 * start - fees + (realized if name == "USDT" else 0)
    for owner in exchange.accounts.values():
        for balance in owner.balances.values():
            assert balance.frozen >= 0
        if not owner.open:
            assert all(balance.frozen == 0 for balance in owner.balances.values())
    sizes = [o.positions[symbol].size for o in exchange.accounts.values() if symbol in o.positions]
    assert sum(sizes) == 0
    bid, ask = exchange.books[symbol].best_bid(), exchange.books[symbol].best_ask()
    assert bid is None or ask is None or bid < ask
