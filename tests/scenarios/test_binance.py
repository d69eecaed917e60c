"""What Binance does alone: answers that leave the outcome open, and the four faces of its 503."""

from contextlib import ExitStack
from decimal import Decimal

import pytest

from router.enums import OrderSide, OrderType
from tests.scenarios.stack import FAR_PRICE, Stack
from tests.scenarios.venues import SPOT, USDM

both = pytest.mark.venues(USDM.key, SPOT.key)
LONG = pytest.mark.long
DONE = pytest.mark.parametrize("processed", [True, False], ids=["processed", "not processed"])


@both
@DONE
@pytest.mark.parametrize("code", ["-1007", pytest.param("-1006", marks=LONG)])
@pytest.mark.rules(expiry_ms=300)
def test_an_answer_that_leaves_the_outcome_open_makes_one_order(
    stack: Stack, code: str, processed: bool
) -> None:
    """-1006 and -1007: the sheet has both as "execution status unknown"."""
    strategy = stack.start_strategy()
    match = stack.here | {"op": "place"}
    with ExitStack() as faults:
        faults.enter_context(stack.control.fault("lose_push", match=stack.here))
        faults.enter_context(
            stack.control.fault("ws_unknown", count=1, match=match, code=code, processed=processed)
        )
        oid = strategy.buy()
        strategy.wait_for(oid, "accepted")
    assert stack.ledger().requests_of(oid)[0]["processed"] == processed
    assert len(stack.ledger().orders_of(oid)) == 1
    stack.check(strategy)


@both
@pytest.mark.parametrize(
    ("face", "processed"),
    [
        ("unknown", True),  # the others say that nothing was carried out
        ("unknown", False),
        ("unavailable", False),
        ("internal", False),
        ("throttled", False),
    ],
)
@pytest.mark.rules(expiry_ms=300)
def test_whichever_face_a_503_shows_there_is_one_order(
    stack: Stack, face: str, processed: bool
) -> None:
    strategy = stack.start_strategy()
    terms = (OrderSide.BUY, OrderType.LIMIT, Decimal("0.001"), FAR_PRICE)
    match = stack.here | {"op": "place", "transport": "rest"}
    with stack.control.fault("rest_5xx", count=1, match=match, face=face, processed=processed):
        oid = strategy.create_order(stack.symbol, *terms)
        strategy.wait_for(oid, "accepted")
    assert len(stack.ledger().orders_of(oid)) == 1
    stack.check(strategy)
