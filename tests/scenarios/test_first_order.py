"""One order through everything."""

from tests.scenarios.stack import Stack


def test_an_order_is_told_pending_and_accepted(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = strategy.buy()
    strategy.wait_for(oid, "accepted")
    assert strategy.of(oid) == ["pending", "accepted"]
    strategy.cancel_order_ws(symbol="BTCUSDT-PERP.OKX", oid=oid)
    strategy.wait_for(oid, "canceled")
    told = [name for name in strategy.of(oid) if name != "canceling"]  # its end may outrun the ack
    assert told == ["pending", "accepted", "canceled"]
    assert strategy.results(oid) == []
    stack.check(strategy)
