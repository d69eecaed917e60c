"""Bybit's three categories, as one account trades them, for the conformance suite."""

import json
from pathlib import Path
from typing import Any

from router.enums import RequestKind
from router.instruments import Instrument
from tests.venues.conformance.sample import Replies, Sample, Signed
from workers.venue import Credentials, Proof, RestReply, RestRequest

HERE = Path(__file__).parent
KEYS = Credentials("KEY", "SECRET")

#: Each code that the protocol sheet names, by what it says that it proves.
CODES = {
    Proof.UNKNOWN: """
        10000 10016 170007 170001 170032 170234 170146 170147 170310 170035 500000
        20006 110072 170141 10014 170191 170212 40004
    """,
    Proof.THROTTLED: "10006 10018 10429 10403 20003 170005 170222 10019 110079 30035",
    Proof.LOCKED_OUT: "10003 10004 10005 10007 10010 33004 10024 10027 10028",
    Proof.REJECTED: """
        10001 10002 10029 10404 110003 110004 110006 110007 110012 110044 110045 110052 110009
        110020 110017 110021 110022 110023 110090 110030 110032 110063 110066 110074 110095 110096
        110097 110098 110103 110092 110093 110094 110120 110121 110064 30208 30209 30228 170116
        170117 170121 170124 170130 170131 170132 170133 170134 170136 170137 170140 170148 170149
        170151 170192 170193 170194 170210 170217 170218 170371 170372 170381 170382 170810 170312
        170313
    """,
    Proof.GONE: "110001 170213 110008 110010 170139 170142 170143 170190",
}
OPS = {
    RequestKind.CREATE: "order.create",
    RequestKind.CANCEL: "order.cancel",
    RequestKind.MODIFY: "order.amend",
}


def envelope(result: object, code: int = 0) -> str:
    """Return the body of every REST reply."""
    return json.dumps(
        {
            "retCode": code,
            "retMsg": "no" if code else "OK",
            "result": result,
            "retExtInfo": {},
            "time": 1795385664000,
        }
    )


def listed(category: str, *rows: object, cursor: str = "") -> str:
    return envelope({"category": category, "nextPageCursor": cursor, "list": list(rows)})


def refused(code: str, kind: RequestKind) -> str:
    frame = {"reqId": "1", "retCode": int(code), "retMsg": "no", "op": OPS[kind], "data": {}}
    return json.dumps({**frame, "retExtInfo": {}, "connId": "c1"})


def refused_by_rest(code: str, kind: RequestKind) -> RestReply:
    return RestReply(200, envelope({}, int(code)))


def pushed(frame: str, instrument: Instrument) -> str:
    """Return the push of the new order: its own words, and those that the venue adds."""
    sent = json.loads(frame)["args"][0]
    order = {
        **{"price": "0", "marketUnit": "", **sent},
        **{"orderId": "9", "orderStatus": "New", "cancelType": "UNKNOWN", "avgPrice": ""},
        **{"rejectReason": "EC_NoError", "cumExecQty": "0", "leavesQty": sent["qty"]},
        **{"createdTime": "4", "updatedTime": "5"},
    }
    return json.dumps({"topic": "order", "id": "1", "creationTime": 6, "data": [order]})


def order(symbol: str, **more: Any) -> dict[str, Any]:
    """Return an order as realtime and history list it: without its category."""
    return {
        **{"symbol": symbol, "orderId": "77", "orderLinkId": "a1", "side": "Buy", "isLeverage": ""},
        **{"price": "50000", "qty": "10", "orderType": "Limit", "timeInForce": "GTC"},
        **{"orderStatus": "Cancelled", "cancelType": "CancelByUser", "avgPrice": "50000"},
        **{"rejectReason": "EC_PerCancelRequest", "cumExecQty": "5", "cumExecValue": "0.0001"},
        **{"leavesQty": "0", "createdTime": "1684738540559", "updatedTime": "1684738540561"},
        **{"cumExecFee": "0", "reduceOnly": False, "positionIdx": 0, "smpType": "None"},
        **more,
    }


def trade(symbol: str) -> dict[str, Any]:
    return {
        **{"symbol": symbol, "orderId": "77", "orderLinkId": "a1", "side": "Buy", "execId": "e1"},
        **{"orderPrice": "50000", "orderQty": "10", "leavesQty": "5", "execType": "Trade"},
        **{"execFee": "0.000001", "execPrice": "50000", "execQty": "5", "feeCurrency": "BTC"},
        **{"execTime": "1684738540560", "isMaker": True, "feeRate": "0.0001", "seq": 4},
    }


def position(symbol: str) -> dict[str, Any]:
    return {
        **{"positionIdx": 0, "symbol": symbol, "side": "Sell", "size": "5", "avgPrice": "50000"},
        **{"markPrice": "50010", "unrealisedPnl": "-0.1", "curRealisedPnl": "1.5", "seq": 8},
        **{"positionStatus": "Normal", "createdTime": "1", "updatedTime": "1684742400015"},
    }


COIN = {"coin": "USDT", "walletBalance": "1000", "locked": "10", "totalOrderIM": "5"}


def replies(category: str, symbol: str) -> Replies:
    live = order(symbol, orderStatus="PartiallyFilled", cancelType="UNKNOWN", rejectReason="")
    account = {"accountType": "UNIFIED", "totalEquity": "1000", "coin": [COIN]}
    return Replies(
        order=listed(category, order(symbol)),
        # Captured 2025-12, roq-trading/roq-bybit tests: "no such order" is a list without one.
        absent=RestReply(200, listed(category)),
        open_orders=listed(category, live),
        history=listed(category, order(symbol)),
        fills=listed(category, trade(symbol)),
        balances=envelope({"list": [account]}),
        positions=listed(category, position(symbol)),
        time=envelope({"timeSecond": "1795385664", "timeNano": "1795385664000000000"}),
        taken=envelope({"orderId": "77", "orderLinkId": "a1"}),
        account_mode=listed("linear", position("BTCUSDT")),
    )


def signed(request: RestRequest, now_ms: int, signature: str) -> Signed:
    headers = {
        "X-BAPI-API-KEY": "KEY",
        "X-BAPI-TIMESTAMP": str(now_ms),
        "X-BAPI-RECV-WINDOW": "5000",
        "X-BAPI-SIGN": signature,
    }
    return Signed(request, KEYS, now_ms, request.path, headers)


#: What pybit 5.17.0 sent to a stub with these keys, 2026-11.
BODY = (
    '{"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", '
    '"qty": "0.001", "price": "50000", "orderLinkId": "cl-9"}'
)
SIGNED = (
    signed(
        RestRequest("POST", "/v5/order/create", BODY),
        1795385778025,
        "3f3ca111c31142d4389bb4d9ca237ad77c6c15c1e4489abbd2912678d132c3f2",
    ),
    signed(
        RestRequest("POST", "/v5/order/create", BODY, expires_ms=1795385783025),
        1795385778025,
        "3f3ca111c31142d4389bb4d9ca237ad77c6c15c1e4489abbd2912678d132c3f2",
    ),
    signed(
        RestRequest("GET", "/v5/order/realtime?category=linear&orderLinkId=cl-9&symbol=BTCUSDT"),
        1795385778030,
        "8d89412fc783e5e6d1951a7bfc8c222f013ff77513bd16688e706c44c3e1f9af",
    ),
)


def listing(category: str) -> str:
    return (HERE / f"listing_{category}.json").read_text(encoding="utf-8")


SAMPLE = Sample(
    venue_name="bybit",
    options={"categories": ["linear", "inverse", "spot"]},
    environments=("live", "demo", "testnet"),
    credentials=KEYS,
    listing=listing("linear"),
    more_listings=(listing("inverse"), listing("spot")),
    names={
        "BTC": "BTCUSDT-PERP.BYBIT",
        "USDC": "BTCPERP",
        "INVERSE": "BTCUSD",
        "PAIR": "BTCUSDT.BYBIT",
    },
    transcripts=sorted((HERE / "transcripts").glob("*.txt")),
    codes=CODES,
    absent_codes=(),
    refused=refused,
    refused_by_rest=refused_by_rest,
    signed=SIGNED,
    replies=replies("linear", "BTCUSDT"),
    pushed=pushed,
    words=lambda sample: {"KEYS": KEYS},
)
SAMPLES = (SAMPLE,)
KNOWN = SAMPLE.instruments
BTC, INVERSE, PAIR = (SAMPLE.named[word] for word in ("BTC", "INVERSE", "PAIR"))
