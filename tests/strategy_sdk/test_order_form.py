"""What is refused in the caller, and that nothing is rounded silently."""

from decimal import Decimal
from typing import Any

import pytest

from router import ids
from router.contracts import CreateIntent
from router.enums import OrderSide, OrderType, TimeInForce, Via
from router.errors import InvalidArgument
from strategy_sdk import order_form
from strategy_sdk.order_form import CreateForm
from strategy_sdk.testing import StrategyHarness, linear_perpetual
from tests.strategy_sdk.recorder import SYMBOL, Recorder

TAG = ids.strategy_tag("alpha")
INSTRUMENT = linear_perpetual(SYMBOL, min_cost=5).model_copy(update={"max_amount": Decimal(100)})


def intent(**changes: Any) -> CreateIntent:
    values: dict[str, Any] = {
        "symbol": SYMBOL,
        "side": OrderSide.BUY,
        "type": OrderType.LIMIT,
        "amount": Decimal("0.001"),
        "price": Decimal("89500"),
    }
    return order_form.create_intent(CreateForm(**(values | changes)), INSTRUMENT, TAG, Via.WS)


def test_a_generated_oid_is_the_client_id_and_carries_the_tag() -> None:
    made = intent()
    assert made.client_id == made.oid
    assert ids.tag_of(made.oid) == TAG


def test_words_may_be_enums_or_equal_strings() -> None:
    made = intent(side="SELL", type="LIMIT", time_in_force="IOC")
    assert (made.side, made.type, made.tif) == (OrderSide.SELL, OrderType.LIMIT, TimeInForce.IOC)


@pytest.mark.parametrize("amount", [Decimal("0.5"), "0.5", "5E-1"])
def test_amounts_may_be_decimals_and_strings(amount: object) -> None:
    assert intent(amount=amount).amount == Decimal("0.5")


def test_amounts_may_be_whole_numbers() -> None:
    assert intent(amount=2).amount == 2


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"price": None}, "price", "a LIMIT order needs a price"),
        ({"type": OrderType.POST_ONLY, "price": None}, "price", "needs a price"),
        ({"price": Decimal("89500.05")}, "price", "tick 0.1; nearest: 89500.0 or 89500.1"),
        ({"price": 89500.0}, "price", r"a float.*pass Decimal\('89500.0'\)"),
        ({"price": Decimal("NaN")}, "price", "not a finite number above 0"),
        ({"amount": Decimal("0.00015")}, "amount", "lot 0.0001; nearest: 0.0001 or 0.0002"),
        ({"amount": Decimal("0.00005")}, "amount", "nearest: 0.0001. self.amount_to_precision"),
        ({"amount": 0.001}, "amount", r"a float.*pass Decimal\('0.001'\)"),
        ({"amount": Decimal("Infinity")}, "amount", "not a finite number"),
        ({"amount": 0}, "amount", "above 0"),
        ({"amount": Decimal("-1")}, "amount", "above 0"),
        ({"amount": "many"}, "amount", "is no number"),
        ({"amount": True}, "amount", "is no number"),
        ({"amount": None}, "amount", "is no number"),
        ({"amount": Decimal("1e40")}, "amount", "does not lie between"),
        ({"amount": Decimal(101)}, "amount", "above BTCUSDT-PERP.OKX's largest amount 100"),
        ({"price": Decimal(1000)}, "amount", "worth 1.000, below .* least order value 5"),
        ({"side": "UP"}, "side", "'UP' is none of BUY, SELL"),
        ({"type": "STOP"}, "type", "'STOP' is none of MARKET"),
        ({"time_in_force": "DAY"}, "time_in_force", "none of GTC, IOC, FOK"),
        ({"type": "POST_ONLY", "time_in_force": "IOC"}, "time_in_force", "contradicts"),
        ({"reduce_only": "False"}, "reduce_only", "neither True nor False"),
        ({"ws_fallback": 1}, "ws_fallback", "neither True nor False"),
        ({"idempotency_key": "a b"}, "idempotency_key", "printable ASCII"),
        ({"idempotency_key": ""}, "idempotency_key", "printable ASCII"),
        ({"idempotency_key": "k" * 129}, "idempotency_key", "128"),
        ({"idempotency_key": 7}, "idempotency_key", "is no str"),
        ({"idempotency_scope": "world"}, "idempotency_scope", "none of strategy, account"),
        ({"client_oid": ""}, "client_oid", "1 to 64"),
        ({"client_oid": "x" * 65}, "client_oid", "1 to 64"),
        ({"client_oid": 7}, "client_oid", "is no str"),
        ({"params": {"x": "y" * 2001}}, "venue_params", "more than the 2000"),
        ({"params": {"x": object()}}, "venue_params", "JSON"),
        ({"params": {"trigger_price": "abc"}}, "trigger_price", "no number"),
        ({"params": {"trigger_price": 89_000.5}}, "trigger_price", "is a float"),
        ({"type": OrderType.MARKET}, "price", r"leave it out, or .* LIMIT"),
        *(
            ({"type": kind}, "type", "not supported at any venue yet.*on_bookl1")
            for kind in OrderType
            if kind not in ("MARKET", "LIMIT", "POST_ONLY")
        ),
    ],
)
def test_a_wrong_argument_is_named_with_a_remedy(
    changes: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(InvalidArgument, match=says) as caught:
        intent(**changes)
    assert caught.value.field == field


def test_a_trigger_order_leaves_its_key_free() -> None:
    strategy = Recorder()
    with StrategyHarness(strategy, [linear_perpetual()]) as harness:
        for kind in (OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT):
            terms = OrderSide.SELL, kind, Decimal("0.001"), Decimal(80_000)
            with pytest.raises(InvalidArgument, match="trigger order"):
                strategy.create_order_ws(SYMBOL, *terms, idempotency_key="exit")
        assert harness.creates == []
        assert strategy.buy(idempotency_key="exit") == harness.creates[0].oid


def test_an_instrument_that_cannot_be_traded_is_refused() -> None:
    closed = INSTRUMENT.model_copy(update={"tradable": False})
    form = CreateForm(symbol=SYMBOL, side=OrderSide.BUY, type=OrderType.MARKET, amount=Decimal(1))
    with pytest.raises(InvalidArgument, match="cannot be traded now"):
        order_form.create_intent(form, closed, TAG, Via.WS)


def test_a_market_order_needs_no_price_and_a_reducing_one_no_least_value() -> None:
    assert intent(type=OrderType.MARKET, price=None).price is None
    assert intent(price=Decimal(1000), reduce_only=True).reduce_only


def test_an_illegal_client_oid_gets_the_same_legal_form_each_time() -> None:
    first, second = intent(client_oid="entry_btc_001"), intent(client_oid="entry_btc_001")
    assert first.client_id == second.client_id
    assert first.client_id.isalnum()
    assert first.client_oid == "entry_btc_001"
    assert intent(client_oid="entry001").client_id == "entry001"


def test_decimals_among_venue_parameters_become_their_digits() -> None:
    made = intent(params={"trigger_price": Decimal("1E+3"), "tag": "x"})
    assert made.params == {"trigger_price": "1000", "tag": "x"}


def test_a_modify_changes_something_and_keeps_to_the_grid() -> None:
    oid = ids.new_oid(TAG)
    made = order_form.modify_intent(oid, Decimal("89500.1"), None, INSTRUMENT, Via.WS, True)
    assert (made.price, made.amount) == (Decimal("89500.1"), None)
    with pytest.raises(InvalidArgument, match="a new price or a new amount"):
        order_form.modify_intent(oid, None, None, INSTRUMENT, Via.WS, True)
    with pytest.raises(InvalidArgument, match="tick"):
        order_form.modify_intent(oid, Decimal("0.15"), None, INSTRUMENT, Via.WS, True)


@pytest.mark.parametrize("oid", ["", "abc", None, "G" * 32])
def test_what_is_no_oid_is_told_apart_from_an_oid_not_ours(oid: Any) -> None:
    with pytest.raises(InvalidArgument, match="what create_order_ws returned"):
        order_form.cancel_intent(oid, Via.WS, True)
