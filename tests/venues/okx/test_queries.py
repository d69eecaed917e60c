"""REST queries: what is asked, how replies and pages are read, and when they answer nothing."""

from decimal import Decimal

import orjson
import pytest

from router.evidence import BalanceReport, Fill, OrderReport, PositionReport, Source, VenueState
from tests.venues.okx.sample import FILLED, INSTRUMENTS, INVERSE, LTC, SPOT, SWAP, VENUE, ok
from workers.venue import Credentials, Page, Proof, RestReply, RestRequest, UnexpectedReply
from workers.venues import load


def order(number: int, name: str = "BTC-USDT-SWAP", state: str = "live") -> dict[str, str]:
    """An unfilled order as orders-pending lists it (captured by roq-trading/roq-okx)."""
    return {
        "accFillSz": "0",
        "avgPx": "",
        "clOrdId": f"c{number}",
        "fillPx": "",
        "fillSz": "0",
        "fillTime": "",
        "instId": name,
        "ordId": str(number),
        "ordType": "limit",
        "px": "40000",
        "side": "buy",
        "state": state,
        "sz": "5",
        "tradeId": "",
        "uTime": "5",
    }


def page(items: list[dict[str, str]]) -> RestReply:
    return RestReply(200, orjson.dumps({"code": "0", "msg": "", "data": items}).decode())


def test_order_query_names_the_venues_id_where_it_is_known() -> None:
    path = "/api/v5/trade/order?instId=BTC-USDT-SWAP"
    assert VENUE.query_order(SWAP, "a1", "")[0].path == f"{path}&clOrdId=a1"
    assert VENUE.query_order(SWAP, "a1", "77")[0].path == f"{path}&ordId=77"
    assert VENUE.query_order(SWAP, "a1", "77")[0].headers == {"x-simulated-trading": "1"}


def test_a_queried_order_has_no_fill_of_its_own() -> None:
    """On REST fillPx, fillSz and tradeId are those of the last fill, not of an event."""
    assert VENUE.read_order(ok(FILLED), INSTRUMENTS) == OrderReport(
        symbol="BTCUSDT.OKX",
        client_id="",
        venue_id="680800019749904384",
        state=VenueState.FILLED,
        filled=Decimal("0.00192834"),
        source=Source.QUERY,
        ts_ms=1708587373362,
        avg_price=Decimal(51858),
        side="BUY",
        order_type="MARKET",
        time_in_force="GTC",
        created_ms=1708587373361,
    )


@pytest.mark.parametrize(
    ("reply", "proof"),
    [
        (RestReply(200, '{"code":"0","msg":"","data":[]}'), Proof.UNKNOWN),
        (RestReply(200, '{"code":"50011","msg":"Too Many Requests","data":[]}'), Proof.THROTTLED),
        (RestReply(429, "<html>"), Proof.THROTTLED),
        (RestReply(401, '{"code":"50113","msg":"Invalid Sign","data":[]}'), Proof.LOCKED_OUT),
        (RestReply(200, '{"code":"51001","msg":"no such instrument","data":[]}'), Proof.REJECTED),
        (RestReply(200, '{"code":"51400","msg":"?","data":[]}'), Proof.UNKNOWN),
        (RestReply(200, '{"code":"59999","msg":"?","data":[]}'), Proof.UNKNOWN),
        (RestReply(200, '{"code":"0","msg":""}'), Proof.UNKNOWN),
        (ok('"x"'), Proof.UNKNOWN),
        (ok('{"ordId":"1","instId":"BTC-USDT","state":"order_failed"}'), Proof.UNKNOWN),
        (ok('{"ordId":"1","instId":"NO-USDT","state":"live"}'), Proof.UNKNOWN),
        (ok('{"ordId":"1","instId":"BTC-USDT","state":"live","sz":1.5}'), Proof.UNKNOWN),
        (ok(f"{FILLED},{FILLED}"), Proof.UNKNOWN),
    ],
)
def test_anything_else_answers_nothing(reply: RestReply, proof: Proof) -> None:
    with pytest.raises(UnexpectedReply) as caught:
        VENUE.read_order(reply, INSTRUMENTS)
    assert caught.value.verdict.proof is proof
    assert caught.value.verdict.reason


def test_open_orders_are_read_page_by_page() -> None:
    [first] = VENUE.query_open_orders()
    assert first.path == "/api/v5/trade/orders-pending?limit=100"
    signed = VENUE.sign(first, Credentials("k", "s", "p"), 0)
    one = VENUE.read_page(signed, page([order(n) for n in range(300, 200, -1)]), INSTRUMENTS)
    assert len(one.orders) == 100
    assert one.orders[0].source is Source.OPEN_ORDERS
    assert one.next is not None
    assert one.next.path == "/api/v5/trade/orders-pending?limit=100&after=201"
    two = VENUE.read_page(one.next, page([order(n) for n in range(200, 100, -1)]), INSTRUMENTS)
    assert two.next is not None
    assert two.next.path == "/api/v5/trade/orders-pending?limit=100&after=101"
    assert VENUE.read_page(two.next, page([order(100)]), INSTRUMENTS).next is None
    assert VENUE.read_page(two.next, page([]), INSTRUMENTS) == Page()


def test_a_page_that_repeats_itself_is_no_answer() -> None:
    request = RestRequest("GET", "/api/v5/trade/orders-pending?limit=100&after=201")
    with pytest.raises(UnexpectedReply, match="201"):
        VENUE.read_page(request, page([order(n) for n in range(300, 200, -1)]), INSTRUMENTS)


def test_an_unreadable_order_spoils_its_page_and_a_foreign_one_does_not() -> None:
    [request] = VENUE.query_open_orders()
    items = [order(1, "BTC-USD-241227-50000-C"), order(2)]
    assert [one.venue_id for one in VENUE.read_page(request, page(items), INSTRUMENTS).orders] == [
        "2"
    ]
    with pytest.raises(UnexpectedReply, match="sz"):
        VENUE.read_page(request, page([order(1) | {"sz": "many"}, order(2)]), INSTRUMENTS)


def test_a_new_state_among_pending_orders_is_an_open_order() -> None:
    [request] = VENUE.query_open_orders()
    found = VENUE.read_page(request, page([order(1, state="new_state")]), INSTRUMENTS)
    assert [one.state for one in found.orders] == [VenueState.OPEN]


def test_history_asks_seven_days_then_three_months() -> None:
    query = "?instType=SWAP&instId=BTC-USD-SWAP&begin=1500000&limit=100"
    recent, archive = VENUE.query_history(INVERSE, 1_500_000)
    assert recent.path == f"/api/v5/trade/orders-history{query}"
    assert archive.path == f"/api/v5/trade/orders-history-archive{query}"
    assert "begin" not in VENUE.query_history(SPOT, 0)[0].path
    for one in (*VENUE.query_history(SPOT, 5, 9), *VENUE.query_fills(SPOT, "", 5, 99, 9)):
        assert "&begin=5&end=9&" in one.path
    ended = order(1, state="canceled") | {"cancelSource": "20"}
    [found] = VENUE.read_page(archive, page([ended]), INSTRUMENTS).orders
    assert (found.state, found.source) == (VenueState.CANCELED, Source.HISTORY)
    assert found.reason == "20 cancel-all-after"


def test_fills_ask_three_days_then_three_months() -> None:
    day = 24 * 3600 * 1000
    now = 100 * day
    query = f"instId=LTC-USDC&ordId=77&begin={99 * day}&limit=100"
    paths = [one.path for one in VENUE.query_fills(LTC, "77", 99 * day, 200 * day)]
    assert paths == [
        f"/api/v5/trade/fills?{query}",
        f"/api/v5/trade/fills-history?instType=SPOT&{query}",
    ]
    own = load("okx", "live")
    knowing = own.query_fills(LTC, "77", 99 * day, now_ms=now)
    assert len(knowing) == 1
    assert len(own.query_fills(LTC, "", 96 * day, now_ms=now)) == 2
    assert "ordId" not in own.query_fills(LTC, "", 0, now)[0].path


@pytest.mark.parametrize("td_mode", ["cross", "isolated"])
def test_pairs_on_margin_are_looked_for_where_okx_files_them(td_mode: str) -> None:
    """source: OKX v5 documents, "Get order history" and "Get transaction details", read 2026-11."""
    own = load("okx", "live", {"td_mode": td_mode})
    of_pair = [*own.query_history(SPOT, 1), *own.query_fills(SPOT, "7", 1, 99 * 24 * 3600 * 1000)]
    asked = [one.path.removeprefix("/api/v5/trade/").partition("&")[0] for one in of_pair]
    assert asked == [
        "orders-history?instType=SPOT",
        "orders-history?instType=MARGIN",
        "orders-history-archive?instType=SPOT",
        "orders-history-archive?instType=MARGIN",
        "fills?instId=BTC-USDT",
        "fills-history?instType=SPOT",
        "fills-history?instType=MARGIN",
    ]
    assert all("instId=BTC-USDT&" in one.path for one in of_pair)
    of_swap = [*own.query_history(SWAP, 1), *own.query_fills(SWAP, "7", 1, 99 * 24 * 3600 * 1000)]
    assert "MARGIN" not in "".join(one.path for one in of_swap)


def test_what_is_filed_under_margin_is_the_pairs() -> None:
    [request] = VENUE.query_history(SPOT, 0)[:1]
    on_margin = order(7, "BTC-USDT", "canceled") | {"instType": "MARGIN", "tdMode": "cross"}
    [found] = VENUE.read_page(request, page([on_margin]), INSTRUMENTS).orders
    assert (found.symbol, found.venue_id) == (SPOT.symbol, "7")


def test_fills_are_read_and_paged_by_bill() -> None:
    """source: OKX v5 documents, "Get transaction details", read 2025-03."""
    item = {
        "side": "buy",
        "fillSz": "3",
        "fillPx": "40000",
        "fee": "0.012",
        "feeCcy": "USDT",
        "ordId": "77",
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "clOrdId": "a1",
        "billId": "900",
        "fillTime": "1708587373361",
        "tradeId": "123",
        "ts": "1708587373362",
    }
    request = VENUE.query_fills(SWAP, "77", 0, 1)[0]
    found = VENUE.read_page(request, page([item] * 99 + [item | {"billId": "801"}]), INSTRUMENTS)
    assert found.next is not None
    assert found.next.path == request.path + "&after=801"
    assert found.fills[0] == Fill(
        "123",
        Decimal("0.03"),
        Decimal(40000),
        1708587373361,
        Decimal("-0.012"),
        "USDT",
        "a1",
        "77",
        "BTCUSDT-PERP.OKX",
    )
    for broken in ({"tradeId": ""}, {"fillSz": "0"}, {"fillPx": ""}):
        with pytest.raises(UnexpectedReply):
            VENUE.read_page(request, page([item | broken]), INSTRUMENTS)


def test_balances_and_positions() -> None:
    account = (
        '{"uTime":"9","details":[{"ccy":"USDT","availBal":"10.5","frozenBal":"1","uTime":"8"}]}'
    )
    assert VENUE.query_balances().path == "/api/v5/account/balance"
    assert VENUE.read_balances(ok(account)) == (
        BalanceReport("USDT", Decimal("10.5"), Decimal(1), 8),
    )
    long = '{"instId":"BTC-USDT-SWAP","pos":"-3","posSide":"net","avgPx":"40000","uTime":"5"}'
    margin = '{"instId":"BTC-USDT","instType":"MARGIN","pos":"3","posSide":"net","avgPx":"4"}'
    option = '{"instId":"BTC-USD-241227-50000-C","pos":"3","posSide":"net"}'
    [positions] = VENUE.query_positions()
    assert positions is not None
    assert positions.path == "/api/v5/account/positions"
    assert VENUE.read_positions(ok(f"{long},{margin},{option}"), INSTRUMENTS) == (
        PositionReport(
            "BTCUSDT-PERP.OKX", Decimal("-0.03"), Decimal(40000), Decimal(0), Decimal(0), 5
        ),
    )
    assert VENUE.read_positions(ok(""), INSTRUMENTS) == ()
    with pytest.raises(UnexpectedReply):
        VENUE.read_balances(ok('{"uTime":"9"}'))
    with pytest.raises(UnexpectedReply):
        VENUE.read_positions(RestReply(503, "<html>"), INSTRUMENTS)


def leg(pos: str, price: str, **more: str) -> dict[str, str]:
    return {"instId": "BTC-USDT-SWAP", "pos": pos, "posSide": "net", "avgPx": price} | more


@pytest.mark.parametrize(
    ("legs", "size", "price"),
    [
        ([leg("1", "40000"), leg("3", "44000")], "0.04", 43000),
        ([leg("-1", "40000"), leg("-3", "44000")], "-0.04", 43000),
        ([leg("1", "40000"), leg("-3", "44000")], "-0.02", 44000),
        ([leg("3", "40000"), leg("-3", "44000")], "0", 0),
        ([leg("0", ""), leg("-3", "44000")], "-0.03", 44000),
    ],
)
def test_cross_and_isolated_legs_of_a_contract_are_one_position(
    legs: list[dict[str, str]], size: str, price: int
) -> None:
    """The second is made by hand: our orders are all of the account's one td_mode."""
    told = {"upl": "1.5", "realizedPnl": "-0.25"}
    cross, isolated = (one | told | {"uTime": str(n)} for n, one in enumerate(legs, 7))
    cross["mgnMode"], isolated["mgnMode"] = "cross", "isolated"
    [found] = VENUE.read_positions(page([cross, isolated]), INSTRUMENTS)
    assert found == PositionReport(
        SWAP.symbol, Decimal(size), Decimal(price), Decimal(3), Decimal("-0.5"), 8
    )


def test_time() -> None:
    assert VENUE.query_time().path == "/api/v5/public/time"
    assert VENUE.read_time(ok('{"ts":"1597026383085"}')) == 1597026383085
    for data in ("", "{}", '{"ts":"soon"}', '{"ts":1.5}'):
        with pytest.raises(UnexpectedReply):
            VENUE.read_time(ok(data))


def test_account_mode() -> None:
    request = VENUE.query_account_mode()
    assert request is not None
    assert request.path == "/api/v5/account/config"
    assert VENUE.check_account_mode(ok('{"acctLv":"2","posMode":"net_mode"}')) is None
    problem = VENUE.check_account_mode(ok('{"acctLv":"2","posMode":"long_short_mode"}'))
    assert problem is not None
    assert "net_mode" in problem
    spot_mode = ok('{"acctLv":"1","posMode":"net_mode"}')
    assert VENUE.check_account_mode(spot_mode) is None
    swaps = load("okx", "live", {"inst_types": ["SPOT", "SWAP"]})
    assert "acctLv is 1" in (swaps.check_account_mode(spot_mode) or "")
    with pytest.raises(UnexpectedReply):
        VENUE.check_account_mode(ok(""))
