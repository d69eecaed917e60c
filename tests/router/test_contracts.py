"""Intents as flat fields: written short, read back equal, and refused with the field's name."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from router import contracts
from router.contracts import CreateIntent, read_create, read_intent
from router.enums import OrderSide, OrderType, TimeInForce, Via
from router.errors import InvalidArgument

OID = "0123456789abcdef0123456789abcdef"
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
def test_an_intent_comes_back_equal(intent: CreateIntent) -> None:
    assert read_intent(intent.fields()) == intent
    assert read_create(intent.fields()) == intent


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
