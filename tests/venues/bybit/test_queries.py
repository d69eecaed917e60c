"""What is asked of Bybit, in how many requests, and what its lists say."""

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest

from router.evidence import BalanceReport, VenueState
from tests.venues.bybit.sample import (
    BTC,
    KEYS,
    KNOWN,
    PAIR,
    envelope,
    listed,
    order,
    position,
    trade,
)
from workers.venue import Proof, RestReply, RestRequest, UnexpectedReply
from workers.venues import load

VENUE = load("bybit", "live")
WEEK_MS = 7 * 24 * 3600 * 1000


def query(request: RestRequest) -> tuple[str, dict[str, str]]:
    path, _, text = request.path.partition("?")
    return path, dict(parse_qsl(text))


def ok(text: str) -> RestReply:
    return RestReply(200, text)


# --- one order ----------------------------------------------------------------------------------


def test_an_order_is_asked_for_among_the_recent_then_in_history() -> None:
    """The recent ones are forgotten when the venue restarts; history lags behind them."""
    scope = {"category": "linear", "symbol": "BTCUSDT"}
    assert [query(one) for one in VENUE.query_order(BTC, "a1", "")] == [
        ("/v5/order/realtime", {**scope, "orderLinkId": "a1"}),
        ("/v5/order/history", {**scope, "orderLinkId": "a1"}),
    ]
    assert [query(one)[1] for one in VENUE.query_order(PAIR, "a1", "77")] == [
        {"category": "spot", "symbol": "BTCUSDT", "orderId": "77"}
    ] * 2


def test_the_category_of_a_reply_says_which_instrument_is_meant() -> None:
    for category, symbol in (("linear", "BTCUSDT-PERP.BYBIT"), ("spot", "BTCUSDT.BYBIT")):
        found = VENUE.read_order(ok(listed(category, order("BTCUSDT"))), KNOWN)
        assert found is not None
        assert found.symbol == symbol
    with pytest.raises(UnexpectedReply, match="unknown instrument"):
        VENUE.read_order(ok(listed("option", order("BTCUSDT"))), KNOWN)


def test_two_orders_where_one_was_asked_for_are_no_answer() -> None:
    with pytest.raises(UnexpectedReply):
        VENUE.read_order(ok(listed("linear", order("BTCUSDT"), order("BTCUSDT"))), KNOWN)


def test_a_list_that_is_missing_is_not_an_empty_one() -> None:
    results: list[object] = [{}, {"list": None}, {"list": {}}, [], None, "list"]
    for result in results:
        with pytest.raises(UnexpectedReply):
            VENUE.read_order(ok(envelope(result)), KNOWN)


@pytest.mark.parametrize(
    ("status", "code", "proof"),
    [
        (200, 10006, Proof.THROTTLED),
        (200, 10016, Proof.UNKNOWN),
        (200, 10004, Proof.LOCKED_OUT),
        (200, 110001, Proof.UNKNOWN),
        (403, 98765, Proof.THROTTLED),
        (403, 10010, Proof.LOCKED_OUT),
        (403, 10000, Proof.THROTTLED),
        (429, 98765, Proof.THROTTLED),
        (403, 0, Proof.UNKNOWN),
    ],
)
def test_a_refused_query_proves_what_its_code_or_its_status_says(
    status: int, code: int, proof: Proof
) -> None:
    with pytest.raises(UnexpectedReply) as caught:
        VENUE.read_order(RestReply(status, envelope({}, code)), KNOWN)
    assert caught.value.verdict.proof is proof


# --- lists --------------------------------------------------------------------------------------


def test_open_orders_are_asked_for_by_settle_coin_and_category() -> None:
    venue = load("bybit", "live", {"categories": ["linear", "inverse", "spot"]})
    asked = [query(one) for one in venue.query_open_orders()]
    more = {"openOnly": "0", "limit": "50"}
    assert {path for path, _ in asked} == {"/v5/order/realtime"}
    assert [terms for _, terms in asked] == [
        {"category": "linear", "settleCoin": "USDT", **more},
        {"category": "linear", "settleCoin": "USDC", **more},
        {"category": "inverse", **more},
        {"category": "spot", **more},
    ]
    [one] = venue.query_open_orders(PAIR)
    assert query(one)[1] == {"category": "spot", "symbol": "BTCUSDT", **more}
    [tether_only] = load(
        "bybit", "live", {"categories": "linear", "settle_coins": "USDT"}
    ).query_open_orders()
    assert query(tether_only)[1]["settleCoin"] == "USDT"


def test_a_cursor_leads_on_as_it_came_until_the_page_or_the_cursor_is_empty() -> None:
    [request] = VENUE.query_open_orders(BTC)
    live = order("BTCUSDT", orderStatus="New", cumExecQty="0", avgPrice="")
    reply = ok(listed("linear", live, cursor="af65%3A1795,0%3A1"))
    page = VENUE.read_page(request, reply, KNOWN)
    assert [one.state for one in page.orders] == [VenueState.OPEN]
    assert page.next is not None
    assert page.next.path == f"{request.path}&cursor=af65%3A1795%2C0%3A1"
    with pytest.raises(UnexpectedReply):
        VENUE.read_page(page.next, reply, KNOWN)  # the same page again: no end is in sight
    third = VENUE.read_page(page.next, ok(listed("linear", live, cursor="later")), KNOWN).next
    assert third is not None
    assert third.path == f"{request.path}&cursor=later"
    assert VENUE.read_page(third, ok(listed("linear", live)), KNOWN).next is None
    assert VENUE.read_page(third, ok(listed("linear", cursor="more")), KNOWN).next is None


def test_instruments_and_positions_come_in_pages() -> None:
    linear, spot = VENUE.query_instruments()
    assert query(linear) == (
        "/v5/market/instruments-info",
        {"category": "linear", "limit": "1000"},
    )
    assert query(spot)[1]["category"] == "spot"
    following = VENUE.next_page(linear, ok(listed("linear", {}, cursor="first%3DETHUSDT")))
    assert following is not None
    assert query(following)[1]["cursor"] == "first=ETHUSDT"
    assert VENUE.next_page(linear, ok(listed("linear", {}))) is None
    asked = [query(one) for one in VENUE.query_positions()]
    assert [terms for _, terms in asked] == [
        {"category": "linear", "settleCoin": coin, "limit": "200"} for coin in ("USDT", "USDC")
    ]
    assert load("bybit", "live", {"categories": "spot"}).query_positions() == []


def test_history_is_asked_for_a_week_at_a_time() -> None:
    [history] = VENUE.query_history(BTC, 1_000)
    path, terms = query(history)
    assert path == "/v5/order/history"
    assert (terms["startTime"], terms["endTime"]) == ("1000", str(1_000 + WEEK_MS - 1))
    [until] = VENUE.query_history(BTC, 1_000, 5_000)
    assert query(until)[1]["endTime"] == "5000"
    weeks = [query(one)[1] for one in VENUE.query_fills(BTC, "77", 0, 2 * WEEK_MS)]
    assert [int(one["startTime"]) for one in weeks] == [0, WEEK_MS - 1, 2 * WEEK_MS - 2]
    for one in weeks:
        assert one["orderId"] == "77"
        assert int(one["endTime"]) - int(one["startTime"]) < WEEK_MS
    [recent] = VENUE.query_fills(BTC, "", 0, 60_000)
    assert "orderId" not in query(recent)[1]


def test_instruments_of_another_category_are_no_answer() -> None:
    with pytest.raises(UnexpectedReply, match="option"):
        VENUE.read_instruments(ok(listed("option", {})))


def test_funding_is_no_trade() -> None:
    [request] = VENUE.query_fills(BTC, "", 0, 1)
    funding: dict[str, Any] = {**trade("BTCUSDT"), "execType": "Funding", "execId": "f"}
    page = VENUE.read_page(request, ok(listed("linear", funding, trade("BTCUSDT"))), KNOWN)
    assert [(one.trade_id, one.symbol) for one in page.fills] == [("e1", BTC.symbol)]


# --- the account --------------------------------------------------------------------------------


def test_a_coin_without_anything_is_left_out() -> None:
    coins = [
        {"coin": "USDT", "walletBalance": "10", "locked": "1", "totalPositionIM": "2"},
        {"coin": "BTC", "walletBalance": "0", "locked": "", "totalOrderIM": ""},
    ]
    text = envelope({"list": [{"accountType": "UNIFIED", "coin": coins}]})
    assert VENUE.read_balances(ok(text)) == (
        BalanceReport("USDT", Decimal(7), Decimal(3), 1795385664000),
    )


def test_an_account_in_hedge_mode_is_refused() -> None:
    request = VENUE.query_account_mode()
    assert request is not None
    assert query(request)[1] == {"category": "linear", "symbol": "BTCUSDT"}
    sides = [{**position("BTCUSDT"), "positionIdx": side} for side in (1, 2)]
    problem = VENUE.check_account_mode(ok(listed("linear", *sides)))
    assert problem is not None
    assert "one-way" in problem
    assert VENUE.check_account_mode(ok(listed("linear"))) is None
    with pytest.raises(UnexpectedReply):
        VENUE.read_positions(ok(listed("linear", *sides)), KNOWN)
    assert load("bybit", "live", {"categories": "spot"}).query_account_mode() is None


def test_queries_are_signed_over_the_query_as_it_is_sent() -> None:
    [request] = VENUE.query_open_orders(BTC)
    signed = VENUE.sign(request, KEYS, 1)
    assert signed.path == request.path
    assert signed.headers["X-BAPI-RECV-WINDOW"] == "5000"
    other = VENUE.sign(VENUE.query_open_orders(PAIR)[0], KEYS, 1)
    assert other.headers["X-BAPI-SIGN"] != signed.headers["X-BAPI-SIGN"]
