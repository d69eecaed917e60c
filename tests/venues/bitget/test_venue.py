"""What is peculiar to Bitget: expiry, market buys, what REST says, and how it is asked."""

import json
from decimal import Decimal

import pytest

from router.enums import OrderSide, OrderType
from router.evidence import ZERO
from tests.venues.bitget.sample import (
    BTC,
    KEYS,
    KNOWN,
    PAIR,
    POSITION,
    SAMPLE,
    VENUE,
    envelope,
    listed,
    order,
    trade,
)
from tests.venues.conformance.sample import NOW_MS
from workers.venue import CannotEncode, Proof, RestReply, UnexpectedReply

DAY_MS = 24 * 3600 * 1000


# --- requests -----------------------------------------------------------------------------------


@pytest.mark.parametrize("expires_ms", [NOW_MS + 10, NOW_MS + 2_000, NOW_MS, NOW_MS - 5_000])
def test_window_and_time_end_at_the_expiry(expires_ms: int) -> None:
    frame = json.loads(SAMPLE.frame(SAMPLE.place(expires_ms=expires_ms)))
    window_ms = int(frame["args"][0]["receiveWindow"])
    assert int(frame["requestTime"]) + window_ms == expires_ms
    assert 10 <= window_ms <= 60_000


def test_a_signature_is_over_at_the_expiry_and_never_dated_ahead() -> None:
    for expires_ms in (NOW_MS, NOW_MS + 2_000, NOW_MS + 30_000, NOW_MS + 90_000):
        request = VENUE.rest_command(SAMPLE.place(expires_ms=expires_ms))
        at_ms = int(VENUE.sign(request, KEYS, NOW_MS).headers["ACCESS-TIMESTAMP"])
        assert at_ms == min(NOW_MS, expires_ms - 30_000)
    cancel = VENUE.sign(VENUE.rest_command(SAMPLE.cancel()), KEYS, NOW_MS)
    assert cancel.headers["ACCESS-TIMESTAMP"] == str(NOW_MS)


def test_a_market_buy_of_a_pair_is_refused_with_a_way_out() -> None:
    """It is sized in quote units, so that another amount would be bought than the order says."""
    place = SAMPLE.place(PAIR, type=OrderType.MARKET, price=None)
    with pytest.raises(CannotEncode, match=r"sizes a market buy .* use LIMIT with IOC") as caught:
        SAMPLE.frame(place)
    assert (caught.value.field, caught.value.rest_can) == ("type", False)
    for allowed in (
        SAMPLE.place(PAIR, type=OrderType.MARKET, side=OrderSide.SELL, price=None),
        SAMPLE.place(BTC, type=OrderType.MARKET, price=None),
    ):
        assert "price" not in json.loads(SAMPLE.frame(allowed))["args"][0]


def test_a_pair_has_no_position_to_reduce() -> None:
    with pytest.raises(CannotEncode) as caught:
        SAMPLE.frame(SAMPLE.place(PAIR, reduce_only=True))
    assert caught.value.field == "reduce_only"


@pytest.mark.parametrize("change", [{"price": None, "amount": None}, {"price": Decimal("NaN")}])
def test_a_change_must_change_something(change: dict[str, Decimal | None]) -> None:
    with pytest.raises(CannotEncode) as caught:
        SAMPLE.frame(SAMPLE.modify(**change))
    assert caught.value.field == "price"


def test_categories_are_large_by_rest_and_small_in_frames() -> None:
    place = SAMPLE.place(PAIR)
    assert json.loads(VENUE.rest_command(place).body)["category"] == "SPOT"
    assert json.loads(SAMPLE.frame(place))["category"] == "spot"


# --- queries ------------------------------------------------------------------------------------


def test_how_lists_are_asked_for() -> None:
    assert [one.path for one in VENUE.query_open_orders()] == [
        "/api/v3/trade/unfilled-orders?category=SPOT&limit=100",
        "/api/v3/trade/unfilled-orders?category=USDT-FUTURES&limit=100",
    ]
    [of_one] = VENUE.query_open_orders(PAIR)
    assert "category=SPOT&symbol=BTCUSDT&" in of_one.path
    [history] = VENUE.query_history(BTC, 1_000)
    assert "startTime=1000&endTime=2592000999&" in history.path
    assert "endTime=5000&" in VENUE.query_history(BTC, 1_000, 5_000)[0].path
    [all_of_it] = VENUE.query_history(BTC, 0)
    assert "Time" not in all_of_it.path
    fills = VENUE.query_fills(BTC, "77", NOW_MS - 100 * DAY_MS, NOW_MS)
    assert len(fills) == 3, "90 days are kept, asked for 30 at a time"
    assert all("category=USDT-FUTURES&orderId=77&" in one.path for one in fills)


def test_a_full_page_leads_on_and_the_last_does_not() -> None:
    [request] = VENUE.query_open_orders(BTC)
    full = RestReply(200, listed(*[order()] * 100, cursor="900"))
    first = VENUE.read_page(request, full, KNOWN)
    assert first.next is not None
    assert first.next.path == f"{request.path}&cursor=900"
    with pytest.raises(UnexpectedReply, match="900"):  # it would never end
        VENUE.read_page(first.next, full, KNOWN)
    short = RestReply(200, listed(*[order()] * 99, cursor="900"))
    assert VENUE.read_page(first.next, short, KNOWN).next is None


def test_an_empty_list_may_be_null_but_not_missing() -> None:
    assert VENUE.read_positions(RestReply(200, envelope({"list": None})), KNOWN) == ()
    with pytest.raises(UnexpectedReply):
        VENUE.read_positions(RestReply(200, envelope({})), KNOWN)


def test_a_short_position_is_negative() -> None:
    [found] = VENUE.read_positions(RestReply(200, envelope({"list": [POSITION]})), KNOWN)
    assert (found.symbol, found.signed_amount) == (BTC.symbol, Decimal("-0.001"))


@pytest.mark.parametrize(
    ("scope", "fee", "paid"),
    [
        ("taker", "0.5", "0.5"),
        ("taker", "-0.5", "0.5"),
        ("maker", "-0.5", "0.5"),
        ("maker", "0.5", "-0.5"),
    ],
)
def test_what_was_paid_is_positive(scope: str, fee: str, paid: str) -> None:
    [request] = VENUE.query_fills(BTC, "77", NOW_MS - 1, NOW_MS)
    item = trade(tradeScope=scope, feeDetail=[{"feeCoin": "USDT", "fee": fee}])
    [fill] = VENUE.read_page(request, RestReply(200, listed(item)), KNOWN).fills
    assert (fill.fee, fill.fee_currency) == (Decimal(paid), "USDT")


def test_a_trade_without_fees_says_none() -> None:
    [request] = VENUE.query_fills(BTC, "77", NOW_MS - 1, NOW_MS)
    [fill] = VENUE.read_page(request, RestReply(200, listed(trade(feeDetail=""))), KNOWN).fills
    assert (fill.fee, fill.fee_currency) == (ZERO, "")


def test_orders_of_other_products_spoil_no_list() -> None:
    [request] = VENUE.query_open_orders(BTC)
    reply = RestReply(200, listed(order(category="COIN-FUTURES"), order()))
    assert len(VENUE.read_page(request, reply, KNOWN).orders) == 1


def test_hedge_mode_stands_in_the_way() -> None:
    reply = RestReply(200, envelope({"holdMode": "hedge_mode"}))
    assert "one-way mode is required" in (VENUE.check_account_mode(reply) or "")
    with pytest.raises(UnexpectedReply):
        VENUE.check_account_mode(RestReply(200, envelope({})))


def test_a_query_that_was_one_too_many_is_throttled_though_its_code_proves_nothing() -> None:
    """Of a command the code may be said that was acted on; a query may just be asked later."""
    for code in ("429", "40725"):
        with pytest.raises(UnexpectedReply) as caught:
            VENUE.read_order(RestReply(429, envelope(None, code)), KNOWN)
        assert caught.value.verdict.proof is Proof.THROTTLED
    with pytest.raises(UnexpectedReply) as caught:
        VENUE.read_order(RestReply(400, envelope(None, "40725")), KNOWN)
    assert caught.value.verdict.proof is Proof.UNKNOWN


def test_a_refusal_by_rest_of_an_unknown_code_proves_what_its_status_says() -> None:
    for status, proof in ((400, Proof.UNKNOWN), (403, Proof.LOCKED_OUT)):
        reply = RestReply(status, envelope(None, "99999"))
        assert VENUE.read_command(reply, SAMPLE.place()).verdict.proof is proof


@pytest.mark.parametrize(
    "text", ["", "<html>", "{}", *(envelope(None, code) for code in ("429", "99999", "40808"))]
)
def test_a_create_answered_429_may_have_been_made(text: str) -> None:
    """Sent again without a proof of absence it would be made twice."""
    found = VENUE.read_command(RestReply(429, text), SAMPLE.place()).verdict
    assert found.proof is Proof.UNKNOWN
    assert found.reason
