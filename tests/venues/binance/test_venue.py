"""Sockets, environments and options; the order of events as it was captured; fuzzed frames."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.enums import ExchangeType, OrderSide, OrderStatus, OrderType, RequestKind
from router.errors import ConfigError
from router.orders import OrderRecord, fold
from router.state import State
from tests.venues.binance.samples import BTC, CONTRACTS, ETH, FUTURES, KEYS, PAIRS, SPOT
from tests.venues.conformance.sample import sockets_of
from workers.venue import OrderPushed, SessionOver, Venue
from workers.venues import load

LINES = [
    line[2:]
    for path in sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
    for line in path.read_text().splitlines()
    if line.startswith("<")
]


# --- environments and sockets -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "product", "account_type", "rest", "trade", "public"),
    [
        (
            "live",
            "usd_m_future",
            "usd_m_future",
            "https://fapi.binance.com",
            "wss://ws-fapi.binance.com/ws-fapi/v1?returnRateLimits=false",
            "wss://fstream.binance.com/public/stream",
        ),
        (
            "demo",
            "usd_m_future",
            "usd_m_future_testnet",
            "https://demo-fapi.binance.com",
            "wss://testnet.binancefuture.com/ws-fapi/v1?returnRateLimits=false",
            "wss://demo-fstream.binance.com/public/stream",
        ),
        (
            "live",
            "spot",
            "spot",
            "https://api.binance.com",
            "wss://ws-api.binance.com:443/ws-api/v3?returnRateLimits=false",
            "wss://stream.binance.com:9443/stream",
        ),
        (
            "demo",
            "spot",
            "spot_testnet",
            "https://demo-api.binance.com",
            "wss://demo-ws-api.binance.com/ws-api/v3?returnRateLimits=false",
            "wss://demo-stream.binance.com/stream",
        ),
    ],
)
def test_environments(
    environment: str, product: str, account_type: str, rest: str, trade: str, public: str
) -> None:
    venue = load("binance", environment, {"product": product})
    assert venue.exchange is ExchangeType.BINANCE
    assert venue.account_type == account_type
    assert venue.rest_url() == rest
    assert sockets_of(venue)["trade"].url == trade
    assert venue.public_sockets()["public"].url == public


def test_futures_push_on_the_routed_private_host() -> None:
    """Since 2026-03-06; another path is accepted, and silent."""
    plan = load("binance").private_socket()
    assert plan is not None
    assert plan.url == "wss://fstream.binance.com/private/ws/{ticket}"
    assert (plan.login, plan.channels) == (False, ())
    assert plan.ticket is not None
    assert plan.ticket.renew_every_s == 1200, "a third of the key's life"
    assert sockets_of(FUTURES)["trade"].channels == ()


def test_spot_pushes_on_the_trading_socket() -> None:
    assert SPOT.private_socket() is None
    plan = sockets_of(SPOT)["trade"]
    assert plan.channels == ("user-data",)
    assert plan.login
    assert SPOT.login(KEYS, 5) is None


@pytest.mark.parametrize("venue", [FUTURES, SPOT], ids=["futures", "spot"])
def test_sockets_beat_by_ping_frames_and_are_replaced_before_24_hours(venue: Venue) -> None:
    for plan in sockets_of(venue).values():
        assert plan.ping is None
        assert (plan.ping_after_s, plan.dead_after_s) == (5.0, 10.0)
        assert plan.rotate_after_s == 23 * 3600


@pytest.mark.parametrize(
    ("venue", "prefix"),
    [(FUTURES, "ws://127.0.0.1:2/ws-fapi/v1"), (SPOT, "ws://127.0.0.1:2/ws-api/v3")],
    ids=["futures", "spot"],
)
def test_at_a_simulator(venue: Venue, prefix: str) -> None:
    assert venue.rest_url() == "http://127.0.0.1:1"
    assert sockets_of(venue)["trade"].url.startswith(prefix)
    assert venue.public_sockets()["public"].url.startswith("ws://127.0.0.1:2/")
    assert "127.0.0.1:1" in repr(venue)


@pytest.mark.parametrize(
    "options",
    [
        {"zz": 1},
        {"product": "options"},
        {"product": 7},
        {"ping_after_s": 12},
        {"dead_after_s": 61},
        {"dead_after_s": True},
        {"renew_listen_key_s": 0},
        {"visibility_lag_ms": "5"},
    ],
)
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        load("binance", "live", options)


def test_an_unknown_environment_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="known: live, demo"):
        load("binance", "eea")


def test_limits_are_the_published_ones() -> None:
    assert [(one.count, one.period_s) for one in FUTURES.limits.account] == [(300, 10), (1200, 60)]
    assert [(one.count, one.period_s) for one in SPOT.limits.account] == [
        (100, 10),
        (200_000, 86_400),
    ]
    cancels = FUTURES.limits.requests[RequestKind.CANCEL]
    assert (cancels.count, cancels.per_symbol) == (1200, False), "half of the IP's weight"
    assert FUTURES.visibility_lag_ms == 2000


def test_books_of_many_symbols_fit_their_frames() -> None:
    frames = [orjson.loads(one) for one in FUTURES.subscribe_books([BTC] * 450)]
    assert [len(one["params"]) for one in frames] == [200, 200, 50]
    assert len({one["id"] for one in frames}) == 3
    assert SPOT.subscribe_books([]) == []
    assert orjson.loads(SPOT.subscribe_books([ETH])[0])["params"] == ["ethusdt@bookTicker"]


# --- the order of events ------------------------------------------------------------------------


def event(**order: Any) -> str:
    item = {
        "s": "BTCUSDT",
        "c": "cid-1",
        "S": "BUY",
        "o": "MARKET",
        "f": "GTC",
        "q": "0.002",
        "p": "0",
        "ap": "0",
        "i": 77,
        "l": "0",
        "z": "0",
        "L": "0",
        "n": "0",
        "N": "USDT",
        "T": 1000,
        "t": 0,
        "R": False,
        "ps": "BOTH",
        "er": "0",
    }
    frame = {"e": "ORDER_TRADE_UPDATE", "T": 1000, "E": 1001, "o": item | order}
    return orjson.dumps(frame).decode()


LITE = (
    '{"e":"TRADE_LITE","E":1001,"T":1000,"s":"BTCUSDT","q":"0.002","p":"0.00","m":false,'
    '"c":"cid-1","S":"BUY","L":"50000.00","l":"0.001","t":5,"i":77}'
)
NEW = event(x="NEW", X="NEW")
FIRST = event(x="TRADE", X="PARTIALLY_FILLED", l="0.001", z="0.001", L="50000", t=5, n="0.02")
LAST = event(x="TRADE", X="FILLED", l="0.001", z="0.002", L="50001", t=6, n="0.02")


def record() -> OrderRecord:
    return OrderRecord(
        strategy="alpha",
        oid="o1",
        client_id="cid-1",
        symbol=BTC.symbol,
        side=OrderSide.BUY,
        type=OrderType.MARKET,
        amount=Decimal("0.002"),
        state=State.PENDING,
    )


def told(*frames: str) -> tuple[list[OrderStatus], OrderRecord]:
    """Return what the strategy is told of the frames in this order, and the order."""
    mine, heard = record(), []
    for frame in frames:
        for said in FUTURES.decode(frame, CONTRACTS):
            assert isinstance(said, OrderPushed)
            heard += [one.status for one in fold(mine, said.report)]
    return heard, mine


S = OrderStatus


def test_an_immediate_taker_is_told_each_trade_once_with_its_fee() -> None:
    """TRADE_LITE comes before NEW (live logs of 2024 and 2026): it has no fee, so it waits."""
    heard, mine = told(LITE, NEW, FIRST, LITE.replace('"t":5', '"t":6'), LAST)
    assert heard == [S.PENDING, S.ACCEPTED, S.PARTIALLY_FILLED, S.FILLED]
    assert (mine.filled, mine.fee, mine.fee_currency) == (
        Decimal("0.002"),
        Decimal("0.04"),
        "USDT",
    )


def test_repeated_and_reordered_events_end_in_the_same_order() -> None:
    _, straight = told(NEW, FIRST, LAST)
    for frames in ((LAST, FIRST, NEW), (FIRST, FIRST, NEW, LAST, LAST), (FIRST, LAST)):
        heard, mine = told(*frames)
        assert heard[-1] is S.FILLED
        assert heard.count(S.FILLED) == 1
        assert (mine.filled, mine.cost, mine.fee, mine.state) == (
            straight.filled,
            straight.cost,
            straight.fee,
            straight.state,
        )


def test_an_ack_that_comes_after_the_fills_changes_nothing() -> None:
    ack = {
        "id": "1r1",
        "status": 200,
        "result": {
            "orderId": 77,
            "symbol": "BTCUSDT",
            "status": "NEW",
            "clientOrderId": "cid-1",
            "origQty": "0.002",
            "executedQty": "0.000",
            "type": "MARKET",
            "timeInForce": "GTC",
            "side": "BUY",
            "updateTime": 1000,
        },
    }
    _, mine = told(NEW, FIRST, LAST)
    [answer] = FUTURES.decode(orjson.dumps(ack).decode(), CONTRACTS)
    report = getattr(answer, "report", None)
    assert report is not None
    assert fold(mine, report) == []
    assert (mine.state, mine.filled) == (State.FILLED, Decimal("0.002"))


def test_a_fill_after_the_cancels_reply_counts() -> None:
    cancel = {
        "id": "1r1",
        "status": 200,
        "result": {
            "orderId": 77,
            "symbol": "BTCUSDT",
            "status": "CANCELED",
            "clientOrderId": "cid-1",
            "origQty": "0.002",
            "executedQty": "0.001",
            "updateTime": 1002,
        },
    }
    _, mine = told(NEW)
    [answer] = FUTURES.decode(orjson.dumps(cancel).decode(), CONTRACTS)
    report = getattr(answer, "report", None)
    assert report is not None
    assert fold(mine, report) == [], "the end waits for the fill that it counts"
    [first] = FUTURES.decode(FIRST, CONTRACTS)
    assert isinstance(first, OrderPushed)
    assert [one.status for one in fold(mine, first.report)] == [S.PARTIALLY_FILLED, S.CANCELED]
    assert mine.filled == Decimal("0.001")


def test_d12_an_expired_listen_key_ends_the_session() -> None:
    [over] = FUTURES.decode('{"e":"listenKeyExpired","E":"1","listenKey":"k"}', CONTRACTS)
    assert isinstance(over, SessionOver)


# --- fuzz ---------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.text())
def test_any_text_decodes(text: str) -> None:
    FUTURES.decode(text, CONTRACTS)
    SPOT.decode(text, PAIRS)


@given(st.sampled_from(LINES), st.data())
def test_real_frames_with_anything_in_any_place_decode(line: str, data: st.DataObject) -> None:
    frame = orjson.loads(line)
    place = frame
    for _ in range(data.draw(st.integers(1, 4))):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if isinstance(inner, dict | list) and data.draw(st.booleans()):
            place = inner
            continue
        place[key] = data.draw(JSON)
        break
    text = json.dumps(frame)
    for venue, instruments in ((FUTURES, CONTRACTS), (SPOT, PAIRS)):
        for said in venue.decode(text, instruments):
            if isinstance(said, OrderPushed):
                assert isinstance(said.report.filled, Decimal)


@given(st.sampled_from(LINES), st.integers(0, 400), st.text(max_size=3))
def test_real_frames_cut_anywhere_decode(line: str, at: int, more: str) -> None:
    for venue, instruments in ((FUTURES, CONTRACTS), (SPOT, PAIRS)):
        venue.decode(line[:at] + more, instruments)
        venue.decode(line[:at] + more + line[at:], instruments)
