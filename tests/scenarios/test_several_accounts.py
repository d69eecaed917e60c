"""One strategy on several accounts, served by one worker process: two venues, two of one venue."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial

import pytest

from router.enums import ExchangeType
from router.enums import WsOrderResultType as Result
from router.errors import InvalidArgument
from simulator.server import RunningSimulator
from tests.scenarios.stack import Recorder, Stack, running_stack, until
from tests.scenarios.venues import BITGET, BYBIT, OKX, SPOT, USDM, VenueUnderTest

#: The guide's two lines.
GRACE_MS = {OKX.name: 1_500, USDM.name: 1_000}
MID = Decimal(89_500)  # where the simulator's markets stand for other tests


@pytest.fixture
def beside(request: pytest.FixtureRequest) -> VenueUnderTest:
    venue: VenueUnderTest = request.param
    return venue


@pytest.fixture
def two(
    redis_url: str, simulator: RunningSimulator, venue: VenueUnderTest, beside: VenueUnderTest
) -> Iterator[Stack]:
    """A stack with two accounts, both served by one worker process."""
    with running_stack(redis_url, simulator, venue=venue, beside=(beside,)) as stack:
        stack.start_worker()
        stack.wait_connected()
        yield stack


def status_ms(stack: Stack, account: str) -> dict[str, int]:
    """Return when an account's private socket events were written, by event."""
    rows = [row for _, row in stack.redis.xrange(stack.keys_of(account).results("alpha"))]
    return {row["event"]: int(row["ts_ms"]) for row in rows if row["type"] == "private_ws_status"}


def accepted(stack: Stack, strategy: Recorder) -> dict[str, str]:
    """Return an order on the book of each account, by account."""
    oids = {
        account: strategy.buy(symbol=venue.symbol, account_type=account)
        for account, venue in stack.accounts.items()
    }
    for oid in oids.values():
        strategy.wait_for(oid, "accepted")
    return oids


@pytest.mark.parametrize("beside", [USDM], indirect=True)
def test_two_venues_each_keep_the_grace_that_was_set_for_them(two: Stack) -> None:
    strategy = Recorder()

    def begin(one: Recorder) -> None:
        one.set_reconnect_reconcile_grace_ms(ExchangeType.OKX, GRACE_MS[OKX.name])
        one.set_reconnect_reconcile_grace_ms(ExchangeType.BINANCE, GRACE_MS[USDM.name])

    strategy.begin = begin
    two.start_strategy(strategy=strategy)
    oids = {at: strategy.buy(symbol=venue.symbol) for at, venue in two.accounts.items()}
    for account, oid in oids.items():
        strategy.wait_for(oid, "accepted")
        assert [row["client_id"] for row in two.ledger(account).orders] == [oid]
    for account, oid in oids.items():
        path = {"path": two.accounts[account].private_path}
        with two.control.fault("refuse_connections", match=path):
            two.cut("private", account)
            two.wait_socket("private", "disconnected", account)
            two.control.cancel_order(oid, account=account)
        until(partial(lambda at: "resynced" in status_ms(two, at), account), f"{account} resynced")
        strategy.wait_for(oid, "canceled")
    for account, venue in two.accounts.items():
        at_ms = status_ms(two, account)
        # Two roundings. Without a wish of its own it would be the settings' 150 ms.
        assert at_ms["resynced"] - at_ms["reconnected"] >= GRACE_MS[venue.name] - 2
    two.check(strategy)


@pytest.mark.parametrize(
    ("venue", "beside"),
    [
        (OKX.key, OKX),
        (USDM.key, USDM),
        (USDM.key, SPOT),
        (BYBIT.key, BYBIT),
        pytest.param(BITGET.key, BITGET, marks=pytest.mark.long),
    ],
    indirect=True,
)
def test_two_accounts_of_one_venue_are_apart(two: Stack) -> None:
    strategy = two.start_strategy()
    first, second = two.accounts
    with pytest.raises(InvalidArgument, match=f"{first}, {second}; name the one you mean"):
        strategy.buy()
    oids = accepted(two, strategy)
    for account, oid in oids.items():
        assert [row["client_id"] for row in two.ledger(account).orders] == [oid]
        assert strategy.orders(oid)[-1].account == account
    # A fault of one account's socket is nothing to the other's.
    with two.control.fault("hangup_after", count=1, match={"account": first, "op": "order"}):
        lost = strategy.buy(account_type=first)
        strategy.wait_result(lost, Result.ACK_TIMEOUT_CONFIRMED)
    two.wait_socket("trade", "connected", first)
    assert "disconnected" not in status_ms(two, second)
    # The same key at the other account is another order; at the same one it is none.
    keyed = strategy.buy(account_type=first, idempotency_key="k")
    other = strategy.buy(
        symbol=two.accounts[second].symbol, account_type=second, idempotency_key="k"
    )
    assert keyed != other
    assert strategy.buy(account_type=first, idempotency_key="k") == keyed
    for oid in (keyed, other):
        strategy.wait_for(oid, "accepted")
    two.control.fill_order(oids[second], account=second)
    strategy.wait_for(oids[second], "filled")
    assert [row["state"] for row in two.ledger(first).orders_of(oids[first])] == ["live"]
    two.check(strategy)


def owners(stack: Stack) -> dict[str, str | None]:
    """Return who holds each account's lease."""
    return {at: stack.redis.hget(stack.keys_of(at).lease, "owner") for at in stack.accounts}


@pytest.mark.parametrize("beside", [USDM], indirect=True)
def test_workers_share_two_accounts_and_the_one_that_stays_serves_both(two: Stack) -> None:
    strategy = two.start_strategy()
    first = owners(two)
    two.start_worker(wait=False)
    kept = accepted(two, strategy)
    assert owners(two) == first, "the second worker stands by"
    two.workers[0].stop()
    two.workers[1].wait_serving()
    two.wait_connected()
    assert not {*owners(two).values()} & {None, *first.values()}
    more = accepted(two, strategy)
    for account, oid in kept.items():
        strategy.cancel_order_ws(two.accounts[account].symbol, oid, account_type=account)
        strategy.wait_for(oid, "canceled")
        assert [row["client_id"] for row in two.ledger(account).orders] == [oid, more[account]]
    two.check(strategy)


@pytest.mark.parametrize(("venue", "beside"), [(USDM.name, SPOT)], indirect=True)
def test_two_products_of_one_exchange_have_each_their_instruments_and_books(two: Stack) -> None:
    """They share the exchange's keys in Redis, in which neither may overwrite the other's."""
    strategy = two.start_strategy()
    for venue in two.accounts.values():
        strategy.subscribe_bookl1(venue.symbol)
        until(partial(strategy.cache.bookl1, venue.symbol), f"a book of {venue.symbol}")
    two.workers[0].stop()
    two.start_worker()
    two.wait_connected()
    bids = {USDM.symbol: Decimal("89000"), SPOT.symbol: Decimal("88000.07")}
    for venue in two.accounts.values():
        bid = bids[venue.symbol]
        assert strategy.price_to_precision(venue.symbol, bid) == bid
        two.control.move(venue.venue_symbol, bid, venue=venue.name)
    try:
        until(lambda: {one: bid_of(strategy, one) for one in bids} == bids, "both books moved")
    finally:
        for venue in two.accounts.values():
            two.control.move(venue.venue_symbol, MID, venue=venue.name)


def bid_of(strategy: Recorder, symbol: str) -> Decimal | None:
    book = strategy.cache.bookl1(symbol)
    return Decimal(str(book.bid)) if book is not None else None
