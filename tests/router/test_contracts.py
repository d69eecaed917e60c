"""Intents as flat fields: written short, read back equal, and refused with the field's name."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from router import contracts
from router.contracts import (
    CancelIntent,
    CreateIntent,
    ModifyIntent,
    QueryIntent,
    Registration,
    plain,
    read_create,
    read_intent,
)
from router.enums import OrderSide, OrderType, RequestKind, TimeInForce, Via
from router.errors import InvalidArgument

OID = "0123456789abcdef0123456789abcdef"
ID = "0123456789ab" * 2
PLAIN = CreateIntent(
    oid=OID,
    client_id=OID,
    symbol="BTCUSDT-PERP.OKX",
    side=OrderSide.BUY,
    type=OrderType.LIMIT,
    amount=Decimal("0.001"),
    price=Decimal("89500"),
)
FULL = replace(
    PLAIN,
    client_id="mine-1",
    client_oid="mine-1",
    idem="entry:btc",
    scope="account",
    tif=TimeInForce.IOC,
    reduce_only=True,
    via=Via.REST,
    ws_fallback=False,
    params={"td_mode": "cross"},
    created_ms=1_790_000_000_000,
    expires_ms=1_790_000_010_000,
)


@pytest.mark.parametrize("intent", [PLAIN, FULL, replace(PLAIN, type=OrderType.MARKET, price=None)])
def test_a_create_comes_back_equal(intent: CreateIntent) -> None:
    assert read_intent(intent.fields()) == intent
    assert read_create(intent.fields()) == intent


@pytest.mark.parametrize(
    "intent",
    [
        CancelIntent(id=ID, oid=OID, via=Via.REST, ws_fallback=False),
        ModifyIntent(id=ID, oid=OID, price=Decimal(5)),
        QueryIntent(id=ID, oid=OID),
    ],
)
def test_an_intent_about_an_order_comes_back_equal(
    intent: CancelIntent | ModifyIntent | QueryIntent,
) -> None:
    assert read_intent(intent.fields()) == intent


def test_defaults_are_left_out() -> None:
    assert PLAIN.fields() == {
        "v": "1",
        "request": "create",
        "oid": OID,
        "symbol": "BTCUSDT-PERP.OKX",
        "side": "BUY",
        "type": "LIMIT",
        "amount": "0.001",
        "price": "89500",
    }


NUMBERS = st.one_of(
    st.decimals(allow_nan=True).map(str),
    st.sampled_from(["", "0", "0.0", "-1", "1e5", "1E+999", " 1", "1_0", "٣", "0.001", "9" * 40]),
)
TEXTS = st.one_of(st.text(max_size=12), st.sampled_from(["", OID, "x" * 200, "account", "ws"]))
ODD_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "v": st.sampled_from(["1", "2", ""]),
        "oid": TEXTS,
        "client_id": TEXTS,
        "client_oid": TEXTS,
        "idem": TEXTS,
        "scope": TEXTS,
        "symbol": TEXTS,
        "side": st.sampled_from(["BUY", "SELL", "buy", ""]),
        "type": st.sampled_from([*OrderType, "limit", ""]),
        "amount": NUMBERS,
        "price": NUMBERS,
        "tif": st.sampled_from([*TimeInForce, "gtc", ""]),
        "reduce_only": st.sampled_from(["0", "1", "true", ""]),
        "ws_fallback": st.sampled_from(["0", "1", "no", ""]),
        "via": TEXTS,
        "params": st.sampled_from(["", "{}", "[", '{"a":1}', "7"]),
        "created_ms": st.sampled_from(["", "0", "17", "-1", "x", "1" * 30]),
        "surplus": TEXTS,
    },
)


@given(ODD_FIELDS)
def test_the_quick_reading_takes_only_what_the_model_takes_and_reads_it_equally(
    odd: dict[str, str],
) -> None:
    fields = PLAIN.fields() | {name: str(value) for name, value in odd.items()}
    quick = contracts._plain_create(fields)
    if quick is None:
        return
    try:
        judged = contracts._CreateMessage.model_validate(fields).intent()
    except ValidationError as error:
        raise AssertionError(f"taken, but the model says: {error}") from error
    assert quick == judged


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"oid": "short"}, "oid"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"price": ""}, "intent"),
        ({"side": "HOLD"}, "side"),
        ({"v": "2"}, "v"),
        ({"params": "["}, "params"),
        ({"request": "dance"}, "intent"),
        ({"symbol": "x" * 9_000}, "intent"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, str], named: str) -> None:
    fields: dict[str, Any] = PLAIN.fields() | change
    with pytest.raises(InvalidArgument) as caught:
        read_intent(fields)
    assert caught.value.field == named


def create(**changes: str) -> CreateIntent:
    """Return the create intent that these fields hold."""
    intent = read_intent(PLAIN.fields() | changes)
    assert isinstance(intent, CreateIntent)
    return intent


def problem(**changes: str) -> InvalidArgument:
    """Return how a create intent with these fields is refused."""
    with pytest.raises(InvalidArgument) as refused:
        read_intent(PLAIN.fields() | changes)
    return refused.value


def test_numbers_are_written_without_exponents() -> None:
    assert create(amount="1E-8").fields()["amount"] == "0.00000001"
    assert plain(Decimal("1E+3")) == "1000"


@pytest.mark.parametrize(
    ("text", "taken"), [("1", True), ("0", False), ("true", True), ("false", False)]
)
def test_flags_are_1_and_0(text: str, taken: bool) -> None:
    assert create(reduce_only=text).reduce_only is taken


@pytest.mark.parametrize("text", ["0", "-1", "NaN", "Infinity", "1" * 37, "many"])
def test_an_amount_is_a_finite_number_above_0(text: str) -> None:
    assert problem(amount=text).field == "amount"


@pytest.mark.parametrize("text", ["1E+999999999", "1E-19", "1E+19", "0." + "0" * 17 + "1" * 20])
def test_an_amount_that_would_be_a_gigabyte_in_a_frame_is_refused(text: str) -> None:
    refused = problem(amount=text)
    assert refused.field == "amount"
    assert "between 1e-18 and 1e18" in str(refused)


def test_params_are_a_json_object() -> None:
    assert create(params='{"ccy": "USDT"}').params == {"ccy": "USDT"}
    assert create(params="").params == create(params="", reduce_only="true").params == {}
    assert "is not JSON" in str(problem(params="{"))
    assert problem(params="[1]").field == "params"


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


@pytest.mark.parametrize("fields", [{}, {"request": "destroy"}])
def test_what_is_no_request_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        read_intent(fields)
    assert refused.value.field == "intent"


def test_an_order_that_is_none_is_refused_by_the_field() -> None:
    with pytest.raises(InvalidArgument) as refused:
        read_create(PLAIN.fields() | {"amount": "none"})
    assert refused.value.field == "amount"
    assert read_create(FULL.fields() | {"request": ""}) == FULL, "an order's hash names none"


def test_a_complaint_shows_little_of_a_long_input() -> None:
    assert len(str(problem(side="B" * 5_000))) < 300


def test_a_registration_is_read_back_as_it_was_written() -> None:
    one = Registration(tag="0123456789", grace_ms={"okx": 700})
    assert Registration.model_validate_json(one.json_text()) == one
