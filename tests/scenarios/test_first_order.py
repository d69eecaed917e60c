"""One order through everything, at each venue."""

from decimal import Decimal

from tests.scenarios.stack import Stack, until
from tests.scenarios.venues import every_derivative, every_venue


@every_venue
def test_an_order_is_told_pending_and_accepted(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = strategy.buy()
    strategy.wait_for(oid, "accepted")
    assert strategy.of(oid) == ["pending", "accepted"]
    strategy.cancel_order_ws(symbol=stack.symbol, oid=oid)
    strategy.wait_for(oid, "canceled")
    told = [name for name in strategy.of(oid) if name != "canceling"]  # its end may outrun the ack
    assert told == ["pending", "accepted", "canceled"]
    assert strategy.results(oid) == []
    assert {row["transport"] for row in stack.ledger().requests_of(oid)} == {"ws"}
    stack.check(strategy)


@every_venue
def test_an_order_that_crosses_is_told_filled_with_its_fees(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = strategy.buy(type="MARKET")
    filled = strategy.wait_for(oid, "filled")
    [fill] = stack.ledger().fills
    assert (filled.filled, filled.avg_price) == (Decimal("0.001"), Decimal(fill["price"]))
    assert (filled.fee, filled.fee_currency) == (Decimal(fill["fee"]), fill["fee_currency"])
    if stack.venue.positions:
        until(lambda: stack.redis.hget(stack.keys.positions, stack.symbol), "the position")
    assert strategy.results(oid) == []
    stack.check(strategy)


@every_derivative
def test_an_order_is_changed_where_it_stands(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = strategy.buy()
    strategy.wait_for(oid, "accepted")
    price, amount = stack.venue.far_price - 100, Decimal("0.002")
    strategy.modify_order_ws(stack.symbol, oid, price=price)
    until(lambda: strategy.orders(oid)[-1].price == price)
    strategy.modify_order(stack.symbol, oid, amount=amount)
    until(lambda: strategy.orders(oid)[-1].amount == amount)
    [row] = stack.ledger().orders_of(oid)
    assert (Decimal(row["price"] or 0), Decimal(row["amount"])) == (price, amount)
    assert strategy.results(oid) == []
    stack.check(strategy)
