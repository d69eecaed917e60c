"""What crosses a process: read back as it was written, and refused with the field's name."""

from decimal import Decimal
from typing import Any

import pytest

from router.contracts import (
    CancelIntent,
    CreateIntent,
    ModifyIntent,
    QueryIntent,
    Registration,
    plain,
    read_intent,
)
from router.enums import OrderSide, OrderType, RequestKind, Via
from router.errors import InvalidArgument

OID = "0123456789" * 3 + "ab"
ID = "0123456789ab" * 2
CREATE = {
    "request": "create",
    "oid": OID,
    "client_id": OID,
    "symbol": "BTCUSDT.OKX",
    "side": "BUY",
    "type": "LIMIT",
    "amount": "0.001",
    "price": "90000",
}


def problem(**changes: str) -> InvalidArgument:
    """Return how a create intent with these fields is refused."""
    with pytest.raises(InvalidArgument) as refused:
        read_intent(CREATE | changes)
    return refused.value


def test_each_intent_is_read_back_as_it_was_written() -> None:
    intents = [
        CreateIntent(
            oid=OID,
            client_id="c1",
            symbol="BTCUSDT.OKX",
            side=OrderSide.SELL,
            type=OrderType.MARKET,
            amount=Decimal("1e-8"),
            via=Via.REST,
            ws_fallback=False,
            params={"tdMode": "cross"},
        ),
        CancelIntent(id=ID, oid=OID),
        ModifyIntent(id=ID, oid=OID, price=Decimal(5)),
        QueryIntent(id=ID, oid=OID),
    ]
    for intent in intents:
        assert read_intent(intent.fields()) == intent


def test_fields_are_text_without_exponents_and_without_empty_ones() -> None:
    intent = read_intent(CREATE | {"amount": "1E-8", "price": ""} | {"type": "MARKET"})
    assert intent.fields() == {
        "v": "1",
        "request": "create",
        "oid": OID,
        "client_id": OID,
        "symbol": "BTCUSDT.OKX",
        "side": "BUY",
        "type": "MARKET",
        "amount": "0.00000001",
        "tif": "GTC",
        "reduce_only": "0",
        "via": "ws",
        "ws_fallback": "1",
    }
    assert plain(Decimal("1E+3")) == "1000"


@pytest.mark.parametrize(
    ("text", "taken"), [("1", True), ("0", False), ("true", True), ("false", False)]
)
def test_flags_are_1_and_0(text: str, taken: bool) -> None:
    intent = read_intent(CREATE | {"reduce_only": text})
    assert isinstance(intent, CreateIntent)
    assert intent.reduce_only is taken


@pytest.mark.parametrize("text", ["0", "-1", "NaN", "Infinity", "1" * 37, "many"])
def test_an_amount_is_a_finite_number_above_0(text: str) -> None:
    assert problem(amount=text).field == "amount"


@pytest.mark.parametrize("text", ["1E+999999999", "1E-19", "1E+19", "0." + "0" * 17 + "1" * 20])
def test_an_amount_that_would_be_a_gigabyte_in_a_frame_is_refused(text: str) -> None:
    refused = problem(amount=text)
    assert refused.field == "amount"
    assert "between 1e-18 and 1e18" in str(refused)


def test_params_are_a_json_object() -> None:
    def params(text: str) -> Any:
        intent = read_intent(CREATE | {"params": text})
        assert isinstance(intent, CreateIntent)
        return intent.params

    assert params('{"ccy": "USDT"}') == {"ccy": "USDT"}
    assert params("") == {}
    assert "is not JSON" in str(problem(params="{"))
    assert problem(params="[1]").field == "params"
    assert CreateIntent.model_validate(CREATE | {"params": None}).params == {}


def test_an_order_type_with_a_price_needs_one() -> None:
    assert "a LIMIT order needs a price" in str(problem(price=""))


def test_a_modify_changes_something() -> None:
    fields = {"request": "modify", "id": ID, "oid": OID}
    with pytest.raises(InvalidArgument, match="must name a price or an amount"):
        read_intent(fields | {"price": "", "amount": ""})
    assert read_intent(fields | {"amount": "2"}).request is RequestKind.MODIFY


def test_a_message_is_refused_by_its_size_before_it_is_read() -> None:
    refused = problem(params="x" * 8_000)
    assert refused.field == "intent"
    assert "more than the 8000 allowed" in str(refused)


def test_a_version_that_we_do_not_know_is_refused() -> None:
    assert problem(v="2").field == "v"


@pytest.mark.parametrize("fields", [{}, {"request": "destroy"}])
def test_what_is_no_request_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        read_intent(fields)
    assert refused.value.field == "intent"


def test_a_complaint_shows_little_of_a_long_input() -> None:
    assert len(str(problem(side="B" * 5_000))) < 300


def test_a_registration_is_read_back_as_it_was_written() -> None:
    one = Registration(tag="0123456789", grace_ms={"okx": 700})
    assert Registration.model_validate_json(one.json_text()) == one
