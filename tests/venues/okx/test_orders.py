"""What can be said to OKX, how, and what cannot."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest

from router.enums import OrderSide, OrderType, TimeInForce
from tests.venues.okx.sample import INVERSE, SAMPLE, SPOT, SWAP, VENUE, WITHOUT_CODE, encoded, limit
from workers.venue import Cancel, CannotEncode, Command, Modify, Place
from workers.venues import load


def args(*commands: Command) -> list[dict[str, Any]]:
    found = orjson.loads(encoded(*commands))["args"]
    assert isinstance(found, list)
    return found


def market(of: Any, side: OrderSide = OrderSide.BUY) -> Place:
    return replace(limit(of), type=OrderType.MARKET, price=None, side=side)


@pytest.mark.parametrize(
    ("type_", "tif", "expected"),
    [
        (OrderType.LIMIT, TimeInForce.GTC, "limit"),
        (OrderType.LIMIT, TimeInForce.IOC, "ioc"),
        (OrderType.LIMIT, TimeInForce.FOK, "fok"),
        (OrderType.POST_ONLY, TimeInForce.GTC, "post_only"),
        (OrderType.MARKET, TimeInForce.GTC, "market"),
        (OrderType.MARKET, TimeInForce.IOC, "market"),
    ],
)
def test_order_types(type_: OrderType, tif: TimeInForce, expected: str) -> None:
    [item] = args(replace(limit(), type=type_, time_in_force=tif))
    assert item["ordType"] == expected
    assert ("px" in item) is (expected != "market")


@pytest.mark.parametrize("type_", [one for one in OrderType if "_" in one and one != "POST_ONLY"])
def test_conditional_orders_cannot_be_said(type_: OrderType) -> None:
    with pytest.raises(CannotEncode, match=f"type: {type_} orders are not supported"):
        args(replace(limit(), type=type_))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": OrderType.MARKET, "time_in_force": TimeInForce.FOK}, "time_in_force"),
        ({"params": {"posSide": "long"}}, "posSide"),
        ({"params": {"zz": 1, "attachAlgoOrds": []}}, "attachAlgoOrds, zz"),
        ({"params": {"tag": 1}}, "tag"),
        ({"params": {"banAmend": "true"}}, "banAmend"),
    ],
)
def test_what_cannot_be_said_names_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(CannotEncode) as caught:
        args(replace(limit(), **change))
    assert caught.value.field == field


def test_trade_modes() -> None:
    assert [item["tdMode"] for item in args(limit(SPOT), limit(SWAP), limit(INVERSE))] == [
        "cash",
        "cross",
        "cross",
    ]
    own = replace(SAMPLE, options={"td_mode": "isolated"})
    assert orjson.loads(own.frame(limit(SWAP)))["args"][0]["tdMode"] == "isolated"


def test_the_trade_mode_is_the_accounts() -> None:
    """By it is known where OKX files an order: one of another mode would be looked for in vain."""
    with pytest.raises(CannotEncode, match="set td_mode in the account's options") as caught:
        args(replace(limit(SWAP), params={"tdMode": "isolated"}))
    assert (caught.value.field, caught.value.rest_can) == ("tdMode", False)


def test_spot_market_amounts_are_base_units() -> None:
    assert args(market(SPOT))[0]["tgtCcy"] == "base_ccy"
    assert "tgtCcy" not in args(market(SWAP))[0]
    on_margin = replace(SAMPLE, options={"td_mode": "cross"})
    assert "tgtCcy" not in on_margin.frame(market(SPOT, OrderSide.SELL))
    with pytest.raises(CannotEncode, match="quote units"):
        on_margin.frame(market(SPOT))


def test_reduce_only() -> None:
    assert args(replace(limit(SWAP), reduce_only=True))[0]["reduceOnly"] is True
    assert "reduceOnly" not in args(limit(SWAP))[0]
    with pytest.raises(CannotEncode) as caught:
        args(replace(limit(SPOT), reduce_only=True))
    assert caught.value.field == "reduce_only"


def test_without_a_code_only_rest_can_say_it() -> None:
    order = limit(WITHOUT_CODE, "100", "0.5")
    for command in (order, Cancel(WITHOUT_CODE, "a1", ""), replace_price(WITHOUT_CODE)):
        with pytest.raises(CannotEncode) as caught:
            encoded(command)
        assert (caught.value.field, caught.value.rest_can) == ("instIdCode", True)
        assert orjson.loads(VENUE.rest_command(command).body)["instId"] == "XRP-USDT-SWAP"


def replace_price(of: Any) -> Modify:
    return Modify(of, "a1", "", Decimal("0.6"), None, 3000)


def test_rest_says_the_same_with_the_expiry_in_a_header() -> None:
    for command, path in (
        (limit(), "/api/v5/trade/order"),
        (replace_price(SWAP), "/api/v5/trade/amend-order"),
        (Cancel(SWAP, "a1", "9"), "/api/v5/trade/cancel-order"),
    ):
        request = VENUE.rest_command(command)
        body = orjson.loads(request.body)
        assert body.pop("instId") == "BTC-USDT-SWAP"
        [item] = args(command)
        assert item.pop("instIdCode") == 10459
        assert body == item
        assert (request.method, request.path) == ("POST", path)
        expiry = None if isinstance(command, Cancel) else str(command.expires_ms)
        assert request.headers.get("expTime") == expiry
        assert request.expires_ms == int(expiry or 0), "nor does it leave us later"
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["x-simulated-trading"] == "1"
    assert "x-simulated-trading" not in load("okx").rest_command(limit()).headers


def test_an_inverse_order_is_sized_by_its_price() -> None:
    assert args(limit(INVERSE, "0.01", "50000"))[0]["sz"] == "5"
    assert args(limit(INVERSE, "0.0119", "50000"))[0]["sz"] == "5"
    priced = replace(market(INVERSE), reference_price=Decimal(50000))
    assert args(priced)[0]["sz"] == "5"
    with pytest.raises(CannotEncode) as caught:
        args(market(INVERSE))
    assert caught.value.field == "price"
    with pytest.raises(CannotEncode, match="less than the smallest size"):
        args(limit(INVERSE, "0.001", "50000"))
    with pytest.raises(CannotEncode):
        args(Modify(INVERSE, "a1", "", None, Decimal("0.01"), 1))


def test_a_linear_amount_must_be_whole_in_contracts() -> None:
    third = SWAP.model_copy(update={"contract_size": Decimal("0.03")})
    with pytest.raises(CannotEncode) as caught:
        args(limit(third, "0.01"))
    assert caught.value.field == "amount"


def test_numbers_have_no_exponent() -> None:
    [item] = args(limit(SPOT, "1E-7", "1E+5"))
    assert (item["sz"], item["px"]) == ("0.0000001", "100000")


def test_a_request_id_that_okx_would_not_take() -> None:
    with pytest.raises(CannotEncode):
        SAMPLE.encode("a-b", limit())
