"""What can be said to each product, and what cannot; ids; steps and limits."""

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import ids
from router.enums import OrderSide, OrderType, TimeInForce
from tests.venues.binance.samples import BTC, CONTRACTS, ETH, FUTURES, KEYS, SPOT, limit
from workers.venue import Cancel, CannotEncode, Command, Modify, Venue

#: "New Order": ^[.A-Z:/a-z0-9_-]{1,36}$
VENUES_OWN = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
PLACE = limit()
SPOT_PLACE = limit(ETH, "1", "2500")


def params(command: Command, venue: Venue = FUTURES) -> dict[str, Any]:
    frame: dict[str, Any] = orjson.loads(venue.encode("1r1", [command], KEYS, 1795385480782))
    return dict(frame["params"])


def kind(**changes: Any) -> tuple[str, str | None, str | None]:
    said = params(replace(PLACE, **changes))
    return said["type"], said.get("timeInForce"), said.get("price")


def test_types_and_times_in_force_of_futures() -> None:
    assert kind() == ("LIMIT", "GTC", "50000.1")
    assert kind(time_in_force=TimeInForce.IOC) == ("LIMIT", "IOC", "50000.1")
    assert kind(time_in_force=TimeInForce.FOK) == ("LIMIT", "FOK", "50000.1")
    assert kind(type=OrderType.POST_ONLY) == ("LIMIT", "GTX", "50000.1")
    assert kind(type=OrderType.MARKET, price=None) == ("MARKET", None, None)
    assert kind(type=OrderType.MARKET, time_in_force=TimeInForce.IOC) == ("MARKET", None, None)


def test_post_only_is_a_type_of_its_own_in_spot() -> None:
    said = params(replace(SPOT_PLACE, type=OrderType.POST_ONLY), SPOT)
    assert said["type"] == "LIMIT_MAKER"
    assert "timeInForce" not in said


def test_spot_asks_for_short_acks_and_futures_need_not() -> None:
    assert params(SPOT_PLACE, SPOT)["newOrderRespType"] == "ACK"
    assert "newOrderRespType" not in params(PLACE)


def test_reduce_only_is_a_word_and_one_way_needs_no_position_side() -> None:
    said = params(replace(PLACE, side=OrderSide.SELL, reduce_only=True))
    assert (said["reduceOnly"], said["side"]) == ("true", "SELL")
    assert "positionSide" not in said
    assert "reduceOnly" not in params(PLACE)


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (replace(PLACE, type=OrderType.STOP_LOSS_MARKET), "type"),
        (replace(PLACE, type=OrderType.TAKE_PROFIT_LIMIT), "type"),
        (replace(PLACE, type=OrderType.POST_ONLY, time_in_force=TimeInForce.IOC), "time_in_force"),
        (replace(PLACE, type=OrderType.MARKET, time_in_force=TimeInForce.FOK), "time_in_force"),
        (replace(PLACE, price=None), "price"),
        (replace(PLACE, price=Decimal(0)), "price"),
        (replace(PLACE, price=Decimal("NaN")), "price"),
        (replace(PLACE, amount=Decimal(-1)), "amount"),
        (replace(PLACE, client_id="a/b"), "client_id"),
        (replace(PLACE, client_id="a:b"), "client_id"),
        (replace(PLACE, client_id="ä"), "client_id"),
        (replace(PLACE, client_id=""), "client_id"),
        (replace(PLACE, client_id="a" * 37), "client_id"),
        (replace(PLACE, params={"priceMatch": "QUEUE"}), "priceMatch"),
        (replace(PLACE, params={"selfTradePreventionMode": 1}), "selfTradePreventionMode"),
        (Cancel(BTC, "a b", ""), "client_id"),
        (Modify(BTC, "a", "", None, None, 5, OrderSide.BUY, Decimal(1), Decimal(1)), "price"),
        (Modify(BTC, "a", "", Decimal(1), None, 5, OrderSide.BUY, Decimal(1), None), "price"),
        (Modify(BTC, "a", "", Decimal(1), Decimal(1), 5), "price"),
        (Modify(BTC, "a", "", None, Decimal(1), 5, OrderSide.BUY, None, Decimal(2)), "price"),
    ],
)
def test_what_futures_cannot_say(command: Command, field: str) -> None:
    for say in (lambda: params(command), lambda: FUTURES.rest_command(command)):
        with pytest.raises(CannotEncode) as caught:
            say()
        assert caught.value.field == field


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (replace(SPOT_PLACE, reduce_only=True), "reduce_only"),
        (
            Modify(ETH, "a", "", Decimal(1), None, 5, OrderSide.BUY, Decimal(1), Decimal(1)),
            "modify",
        ),
    ],
)
def test_what_spot_cannot_say(command: Command, field: str) -> None:
    with pytest.raises(CannotEncode) as caught:
        params(command, SPOT)
    assert caught.value.field == field


def test_a_frame_holds_one_order() -> None:
    for commands in ([], [PLACE, PLACE]):
        with pytest.raises(CannotEncode, match="1 to 1 commands"):
            FUTURES.encode("1r1", commands, KEYS, 5)
    assert FUTURES.limits.batch_size == SPOT.limits.batch_size == 1


def test_a_modify_repeats_what_it_keeps() -> None:
    keep = (OrderSide.SELL, Decimal("50000.1"), Decimal("0.002"))
    price_only = params(Modify(BTC, "a", "7", Decimal(51000), None, 0, *keep))
    amount_only = params(Modify(BTC, "a", "7", None, Decimal("0.003"), 0, *keep))
    assert (price_only["price"], price_only["quantity"]) == ("51000", "0.002")
    assert (amount_only["price"], amount_only["quantity"]) == ("50000.1", "0.003")
    assert price_only["side"] == amount_only["side"] == "SELL"
    assert price_only["orderId"] == 7
    assert "origClientOrderId" not in price_only


@pytest.mark.parametrize("venue", [FUTURES, SPOT], ids=["futures", "spot"])
@pytest.mark.parametrize("what", ["place", "cancel", "cancel by id"])
def test_rest_says_the_same_as_the_socket(venue: Venue, what: str) -> None:
    of = BTC if venue is FUTURES else ETH
    commands: dict[str, Command] = {
        "place": replace(limit(of), client_id="a.b_c-1"),
        "cancel": Cancel(of, "a.b_c-1", ""),
        "cancel by id": Cancel(of, "a.b_c-1", "77"),
    }
    command = commands[what]
    request = venue.rest_command(command)
    said = params(command, venue)
    for name in ("apiKey", "signature", "timestamp", "recvWindow"):
        said.pop(name, None)
    if what == "place" and venue is SPOT:
        said["newOrderRespType"] = "RESULT"  # the socket's pushes may be away
    assert dict(parse_qsl(urlsplit(request.path).query)) == {
        name: str(value) for name, value in said.items()
    }
    assert request.method == ("POST" if what == "place" else "DELETE")
    assert request.path.startswith("/fapi/v1/order?" if venue is FUTURES else "/api/v3/order?")
    assert request.body == ""


# --- ids ----------------------------------------------------------------------------------------


def test_our_ids_are_legal() -> None:
    tag = ids.strategy_tag("alpha")
    oid = ids.new_oid(tag)
    assert params(replace(PLACE, client_id=oid))["newClientOrderId"] == oid
    assert VENUES_OWN.fullmatch(oid)


@given(st.text(min_size=1, max_size=ids.MAX_CLIENT_OID_LENGTH).filter(str.isprintable))
def test_any_client_oid_has_a_legal_form(client_oid: str) -> None:
    tag = ids.strategy_tag("alpha")
    legal = ids.wire_client_id(client_oid, tag, BTC.client_id_pattern)
    assert VENUES_OWN.fullmatch(legal)
    assert params(replace(PLACE, client_id=legal))["newClientOrderId"] == legal


def test_the_guides_own_client_oid_goes_as_it_is() -> None:
    tag = ids.strategy_tag("alpha")
    assert ids.wire_client_id("entry_btc_001", tag, BTC.client_id_pattern) == "entry_btc_001"


@pytest.mark.parametrize("request_id", ["1r1", "ffffr10000", "0r0"])
def test_order_requests_are_never_taken_for_our_other_frames(request_id: str) -> None:
    frame = {"id": request_id, "status": 400, "error": {"code": -2019, "msg": "no"}}
    [event] = FUTURES.decode(orjson.dumps(frame).decode(), CONTRACTS)
    assert getattr(event, "request_id", "") == request_id


@given(st.decimals(min_value=Decimal("1e-12"), max_value=Decimal("1e12"), places=12))
def test_numbers_are_written_without_an_exponent(value: Decimal) -> None:
    said = params(replace(PLACE, amount=value))["quantity"]
    assert Decimal(said) == value
    assert "e" not in said.lower()
