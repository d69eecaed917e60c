"""Queries described and their replies read; what is no clean answer never looks like one."""

from decimal import Decimal
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest

from router.evidence import (
    ZERO,
    BalanceReport,
    Fill,
    OrderReport,
    PositionReport,
    Source,
    VenueState,
)
from tests.venues.binance.samples import BTC, CONTRACTS, ETH, FUTURES, PAIRS, SPOT, error
from workers.venue import Proof, RestReply, RestRequest, UnexpectedReply, Venue

DAY_MS = 24 * 3600 * 1000
NOW_MS = 1790000000000
HTML = "<html>502</html>"
#: Query of 2019 as the documents have it, adapted to LIMIT in the sheet.
ORDER = (
    '{"avgPrice":"0.00000","clientOrderId":"abc","cumQuote":"0","executedQty":"0",'
    '"orderId":1917641,"origQty":"0.40","origType":"LIMIT","price":"9300","reduceOnly":false,'
    '"side":"BUY","positionSide":"BOTH","status":"NEW","stopPrice":"0","closePosition":false,'
    '"symbol":"BTCUSDT","time":1579276756075,"timeInForce":"GTC","type":"LIMIT",'
    '"updateTime":1579276756076,"workingType":"CONTRACT_PRICE","priceProtect":false,'
    '"priceMatch":"NONE","selfTradePreventionMode":"NONE","goodTillDate":0}'
)
#: SDK fixtures: userTrades, /v3/balance, /v3/positionRisk.
TRADE = (
    '{"buyer":false,"commission":"0.07819010","commissionAsset":"USDT","id":698759,"maker":false,'
    '"orderId":25851813,"price":"7819.01","qty":"0.002","quoteQty":"15.63802","baseQty":"0.002",'
    '"marginAsset":"USDT","realizedPnl":"-0.91539999","side":"SELL","positionSide":"SHORT",'
    '"symbol":"BTCUSDT","pair":"BTCUSDT","time":1569514978020}'
)
BALANCE = (
    '{"accountAlias":"SgsR","asset":"USDT","balance":"122607.35137903","crossWalletBalance":'
    '"23.72469206","crossUnPnl":"0.00000000","availableBalance":"23.72469206",'
    '"maxWithdrawAmount":"23.72469206","marginAvailable":true,"updateTime":1617939110373}'
)
POSITION = (
    '{"symbol":"BTCUSDT","positionSide":"BOTH","positionAmt":"30","entryPrice":"0.385",'
    '"breakEvenPrice":"0.385077","markPrice":"0.41047590","unRealizedProfit":"0.76427700",'
    '"liquidationPrice":"0","isolatedMargin":"0","notional":"12.31427700","marginAsset":"USDT",'
    '"isolatedWallet":"0","updateTime":1720736417660}'
)


def query(request: RestRequest) -> tuple[str, dict[str, str]]:
    at = urlsplit(request.path)
    return at.path, dict(parse_qsl(at.query))


def ok(text: str) -> RestReply:
    return RestReply(200, text)


# --- one order ----------------------------------------------------------------------------------


def test_an_order_is_asked_for_by_the_venues_id_where_it_is_known() -> None:
    assert query(*FUTURES.query_order(BTC, "abc", "")) == (
        "/fapi/v1/order",
        {"symbol": "BTCUSDT", "origClientOrderId": "abc"},
    )
    assert query(*SPOT.query_order(ETH, "abc", "7")) == (
        "/api/v3/order",
        {"symbol": "ETHUSDT", "orderId": "7"},
    )


def test_an_order_is_read() -> None:
    assert FUTURES.read_order(ok(ORDER), CONTRACTS) == OrderReport(
        symbol="BTCUSDT-PERP.BINANCE",
        client_id="abc",
        venue_id="1917641",
        state=VenueState.OPEN,
        filled=ZERO,
        source=Source.QUERY,
        ts_ms=1579276756076,
        amount=Decimal("0.40"),
        price=Decimal(9300),
        side="BUY",
        order_type="LIMIT",
        time_in_force="GTC",
        created_ms=1579276756075,
    )


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("NEW", VenueState.OPEN),
        ("PARTIALLY_FILLED", VenueState.OPEN),
        ("FILLED", VenueState.FILLED),
        ("CANCELED", VenueState.CANCELED),
        ("REJECTED", VenueState.REJECTED),
        ("EXPIRED", VenueState.EXPIRED),
        ("EXPIRED_IN_MATCH", VenueState.EXPIRED),
    ],
)
def test_states(status: str, state: VenueState) -> None:
    found = FUTURES.read_order(ok(ORDER.replace('"NEW"', f'"{status}"')), CONTRACTS)
    assert found is not None
    assert found.state is state


def test_no_such_order_is_not_found_and_no_more() -> None:
    missing = RestReply(400, error(-2013, "Order does not exist."))
    assert FUTURES.read_order(missing, CONTRACTS) is None


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, error(-2011, "Unknown order sent.")),
        (400, error(-2026, "Order was canceled or expired, archived")),
        (400, error(-1021, "outside of the recvWindow")),
        (500, error(-2013, "Order does not exist.")),
        (503, error(-1, "Service Unavailable.")),
        (502, HTML),
        (200, HTML),
        (200, "[]"),
        (200, "{}"),
        (200, ORDER.replace('"NEW"', '"TOMORROW"')),
        (200, ORDER.replace('"0.40"', '"many"')),
        (200, ORDER.replace("1917641", "1e30")),
        (429, error(-1003)),
        (418, error(-1003)),
    ],
)
def test_anything_else_proves_nothing_about_the_order(status: int, text: str) -> None:
    with pytest.raises(UnexpectedReply) as caught:
        FUTURES.read_order(RestReply(status, text), CONTRACTS)
    assert caught.value.verdict.proof is not Proof.ABSENT


# --- lists --------------------------------------------------------------------------------------


def test_open_orders_are_of_all_symbols() -> None:
    [request] = FUTURES.query_open_orders()
    assert query(request) == ("/fapi/v1/openOrders", {})
    page = FUTURES.read_page(request, ok(f"[{ORDER}]"), CONTRACTS)
    assert [one.source for one in page.orders] == [Source.OPEN_ORDERS]
    assert page.next is None
    assert FUTURES.read_page(request, ok("[]"), CONTRACTS).orders == ()


def test_an_order_of_an_unknown_instrument_hides_none_and_an_unreadable_one_says_so() -> None:
    [request] = FUTURES.query_open_orders()
    strange = ORDER.replace("BTCUSDT", "NEWUSDT")
    assert len(FUTURES.read_page(request, ok(f"[{strange},{ORDER}]"), CONTRACTS).orders) == 1
    broken = ORDER.replace('"NEW"', "7")
    for text in (f"[{ORDER},{broken}]", f"[{ORDER},7]", "{}", HTML):
        with pytest.raises(UnexpectedReply):
            FUTURES.read_page(request, ok(text), CONTRACTS)
    with pytest.raises(UnexpectedReply):
        FUTURES.read_page(request, RestReply(503, "[]"), CONTRACTS)


def test_history_goes_on_where_a_full_page_ends() -> None:
    [request] = FUTURES.query_history(BTC, NOW_MS)
    path, asked = query(request)
    assert path == "/fapi/v1/allOrders"
    assert asked == {"symbol": "BTCUSDT", "startTime": str(NOW_MS), "limit": "1000"}
    full = ",".join([ORDER] * 999 + [ORDER.replace("1917641", "1917700")])
    page = FUTURES.read_page(request, ok(f"[{full}]"), CONTRACTS)
    assert len(page.orders) == 1000
    assert page.next is not None
    assert query(page.next) == (
        "/fapi/v1/allOrders",
        {"symbol": "BTCUSDT", "orderId": "1917701", "limit": "1000"},
    )
    assert FUTURES.read_page(page.next, ok("[]"), CONTRACTS).next is None
    # If the last one names no id, what is newer cannot be asked for: better none than half.
    nameless = ",".join([ORDER] * 999 + [ORDER.replace('"orderId":1917641', '"orderId":0')])
    with pytest.raises(UnexpectedReply):
        FUTURES.read_page(request, ok(f"[{nameless}]"), CONTRACTS)


def test_trades_are_asked_for_by_the_orders_id_and_never_without_it() -> None:
    """A trade names no client id, so without the order's id nothing is found or ruled out."""
    assert FUTURES.query_fills(BTC, "", NOW_MS - DAY_MS, NOW_MS) == []
    assert FUTURES.query_fills(BTC, "", NOW_MS - 30 * DAY_MS, NOW_MS) == []
    assert SPOT.query_fills(ETH, "", 0, NOW_MS) == []
    [request] = FUTURES.query_fills(BTC, "25851813", NOW_MS - DAY_MS, NOW_MS)
    path, asked = query(request)
    assert path == "/fapi/v1/userTrades"
    assert asked == {"symbol": "BTCUSDT", "orderId": "25851813", "limit": "1000"}
    page = FUTURES.read_page(request, ok(f"[{TRADE}]"), CONTRACTS)
    assert page.fills == (
        Fill(
            trade_id="698759",
            amount=Decimal("0.002"),
            price=Decimal("7819.01"),
            ts_ms=1569514978020,
            fee=Decimal("0.07819010"),
            fee_currency="USDT",
            venue_id="25851813",
            symbol="BTCUSDT-PERP.BINANCE",
        ),
    )
    [spot] = SPOT.query_fills(ETH, "7", 0, NOW_MS)
    assert query(spot)[0] == "/api/v3/myTrades"


def test_trades_of_an_order_that_rested_for_long_are_asked_for_week_by_week() -> None:
    since_ms = NOW_MS - 20 * DAY_MS
    spans = [query(one)[1] for one in FUTURES.query_fills(BTC, "7", since_ms, NOW_MS)]
    starts = [int(span["startTime"]) for span in spans]
    ends = [int(span["endTime"]) for span in spans]
    assert (starts[0], ends[-1] >= NOW_MS) == (since_ms, True)
    assert starts[1:] == [end + 1 for end in ends[:-1]], "no gap"
    assert all(end - start < 7 * DAY_MS for start, end in zip(starts, ends, strict=True))
    assert len(FUTURES.query_fills(BTC, "7", 0, NOW_MS)) == 13, "kept for three months"
    [first, *_] = FUTURES.query_fills(BTC, "7", since_ms, NOW_MS)
    full = ",".join([TRADE] * 1000)
    page = FUTURES.read_page(first, ok(f"[{full}]"), CONTRACTS)
    assert page.next is not None
    assert query(page.next)[1] == {"symbol": "BTCUSDT", "fromId": "698760", "limit": "1000"}


# --- account ------------------------------------------------------------------------------------


def test_futures_balances_are_wallets() -> None:
    assert query(FUTURES.query_balances())[0] == "/fapi/v3/balance"
    empty = '{"asset":"BNB","balance":"","crossWalletBalance":"","updateTime":0}'
    assert FUTURES.read_balances(ok(f"[{BALANCE},{empty}]")) == (
        BalanceReport("USDT", Decimal("23.72469206"), Decimal("122583.62668697"), 1617939110373),
    )


def test_spot_balances() -> None:
    account = (
        '{"canTrade":true,"updateTime":123456789,"balances":[{"asset":"BTC","free":"4723846.89",'
        '"locked":"1.00000000"},{"asset":"LTC","free":"0.00000000","locked":"0.00000000"}]}'
    )
    assert SPOT.read_balances(ok(account)) == (
        BalanceReport("BTC", Decimal("4723846.89"), Decimal("1.00000000"), 123456789),
    )
    with pytest.raises(UnexpectedReply):
        SPOT.read_balances(ok('{"canTrade":true}'))
    assert SPOT.query_positions() == []
    assert SPOT.read_positions(ok("[]"), PAIRS) == ()


def test_positions_are_of_one_way_mode() -> None:
    [request] = FUTURES.query_positions()
    assert query(request)[0] == "/fapi/v3/positionRisk"
    short = POSITION.replace('"30"', '"-30"')
    expected = PositionReport(
        "BTCUSDT-PERP.BINANCE",
        Decimal(30),
        Decimal("0.385"),
        Decimal("0.76427700"),
        ZERO,
        1720736417660,
    )
    assert FUTURES.read_positions(ok(f"[{POSITION}]"), CONTRACTS) == (expected,)
    [found] = FUTURES.read_positions(ok(f"[{short}]"), CONTRACTS)
    assert found.signed_amount == -30
    idle = POSITION.replace('"BOTH"', '"LONG"').replace('"30"', '"0"')
    assert FUTURES.read_positions(ok(f"[{idle}]"), CONTRACTS) == ()
    hedged = POSITION.replace('"BOTH"', '"LONG"')
    with pytest.raises(UnexpectedReply, match="one-way is required"):
        FUTURES.read_positions(ok(f"[{hedged}]"), CONTRACTS)


def test_hedge_mode_stands_in_the_way() -> None:
    request = FUTURES.query_account_mode()
    assert request is not None
    assert query(request)[0] == "/fapi/v1/positionSide/dual"
    assert FUTURES.check_account_mode(ok('{"dualSidePosition":false}')) is None
    problem = FUTURES.check_account_mode(ok('{"dualSidePosition":true}'))
    assert problem is not None
    assert "one-way mode is required" in problem
    for text in ("{}", HTML, error(-1000)):
        with pytest.raises(UnexpectedReply):
            FUTURES.check_account_mode(ok(text))


def test_a_spot_account_must_be_allowed_to_trade() -> None:
    assert SPOT.check_account_mode(ok('{"canTrade":true}')) is None
    assert "canTrade" in (SPOT.check_account_mode(ok('{"canTrade":false}')) or "")


def test_the_venues_clock() -> None:
    assert query(FUTURES.query_time())[0] == "/fapi/v1/time"
    assert FUTURES.read_time(ok('{"serverTime":1790770782215}')) == 1790770782215
    for text in ("{}", "[]", '{"serverTime":"soon"}', HTML):
        with pytest.raises(UnexpectedReply):
            FUTURES.read_time(ok(text))


def test_the_listen_key_stands_in_the_private_url() -> None:
    plan = FUTURES.private_socket()
    assert plan is not None
    assert plan.ticket is not None
    key = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"
    assert plan.ticket.read(ok(orjson.dumps({"listenKey": key}).decode())) == key
    bad = [RestReply(400, error(-1125)), ok("{}"), ok('{"listenKey":"a/b?c"}'), ok(HTML)]
    for reply in bad:
        with pytest.raises(UnexpectedReply):
            plan.ticket.read(reply)


@pytest.mark.parametrize("venue", [FUTURES, SPOT], ids=["futures", "spot"])
def test_every_query_is_a_get_without_a_body(venue: Venue) -> None:
    of = BTC if venue is FUTURES else ETH
    requests = [
        *venue.query_order(of, "a", ""),
        *venue.query_open_orders(),
        *venue.query_history(of, 0),
        *venue.query_fills(of, "7", 0, 1),
        venue.query_balances(),
        *venue.query_positions(),
        *venue.query_instruments(),
        venue.query_time(),
        venue.query_account_mode(),
    ]
    for request in requests:
        if request is not None:
            assert (request.method, request.body, request.expires_ms) == ("GET", "", 0)
