"""Bitget's two products, as one unified account trades them, for the conformance suite."""

import json
from pathlib import Path
from typing import Any

from router.enums import OrderType, RequestKind
from router.instruments import Instrument
from tests.venues.conformance.sample import Replies, Sample, Signed
from workers.venue import Credentials, Place, Proof, RestReply, RestRequest

HERE = Path(__file__).parent
#: Made with openssl: printf %s TEXT | openssl dgst -sha256 -hmac SECRET -binary | base64
KEYS = Credentials("KEY", "22582BD0CFF14C41EDBF1AB98506286D", "PASS")
WHEN_MS = 1756260522296

#: Each code that the protocol sheet names, by what it says that it proves. 25212 and its like: "as
#: already there, query". The others are the documents' and those of captured frames.
CODES = {
    Proof.UNKNOWN: "40725 429 25212 40786 40708 43118 45034 40010 40015 45001",
    Proof.LOCKED_OUT: "30011 30012 30015 40006 40009 40012 40014 40018 40037",
    Proof.REJECTED: """
        43012 40762 43027 25206 40808 41101 22002 25202 25203 40019 40305 40008 40017 45110
    """,
    Proof.GONE: "25204 43001 40109",
}
TOPICS = {
    RequestKind.CREATE: "place-order",
    RequestKind.CANCEL: "cancel-order",
    RequestKind.MODIFY: "modify-order",
}


def envelope(data: object, code: str = "00000") -> str:
    """Return the body of every REST reply."""
    told = {"code": code, "msg": "success" if code == "00000" else "no"}
    return json.dumps({**told, "requestTime": 1795385664000, "data": data})


def listed(*rows: object, cursor: str | None = None) -> str:
    return envelope({"list": list(rows), "cursor": cursor})


def refused(code: str, kind: RequestKind) -> str:
    """Return an error as it was captured in 2025-08: bare, and it does not say what it refuses."""
    return json.dumps({"event": "error", "id": "1", "code": code, "msg": "no"})


def refused_by_rest(code: str, kind: RequestKind) -> RestReply:
    return RestReply(400, envelope(None, code))


def pushed(frame: str, instrument: Instrument) -> str:
    """Return the order's push: "Order Channel", v3; the size is the frame's own."""
    sent = json.loads(frame)["args"][0]
    order = {
        **{"price": "", "timeInForce": "gtc", "reduceOnly": "no", **sent},
        **{"category": instrument.venue_ids["category"].lower(), "orderId": "9"},
        **{"orderStatus": "live", "cumExecQty": "0", "cumExecValue": "0", "avgPrice": "0"},
        **{"cancelReason": "", "feeDetail": [], "createdTime": "4", "updatedTime": "5"},
    }
    arg = {"instType": "UTA", "topic": "order"}
    return json.dumps({"action": "snapshot", "arg": arg, "data": [order], "ts": 6})


def order(**more: Any) -> dict[str, Any]:
    """Return an order as order-info and the lists have it: ccxt 4.5.90, captured 2025-06."""
    return {
        **{"orderId": "1320244799629316096", "clientOid": "a1", "category": "USDT-FUTURES"},
        **{"symbol": "BTCUSDT", "orderType": "limit", "side": "buy", "price": "50000"},
        **{"qty": "0.001", "amount": "0", "cumExecQty": "0", "cumExecValue": "0", "avgPrice": "0"},
        **{"timeInForce": "gtc", "orderStatus": "new", "posSide": "long", "reduceOnly": "NO"},
        **{"holdMode": "one_way_mode", "feeDetail": [{"feeCoin": "", "fee": ""}]},
        **{"createdTime": "1750496809871", "updatedTime": "1750496809886", "cancelReason": ""},
        **{"execType": "normal", "stpMode": "none", "tpTriggerBy": None, **more},
    }


def trade(**more: Any) -> dict[str, Any]:
    """Return a trade as the fills query has it: ccxt 4.5.90, captured 2025-06."""
    return {
        **{"execId": "1322441401010528257", "orderId": "1322441400976261120"},
        **{"category": "USDT-FUTURES", "symbol": "BTCUSDT", "orderType": "market", "side": "sell"},
        **{"execPrice": "107005.4", "execQty": "0.0001", "execValue": "10.7005"},
        **{"tradeScope": "taker", "feeDetail": [{"feeCoin": "USDT", "fee": "0.00642032"}]},
        **{"createdTime": "1751020520451", "updatedTime": "1751020520458", "execPnl": "0.00017"},
        **more,
    }


#: ccxt 4.5.90, captured 2025-06, in one-way mode.
POSITION = {
    **{"category": "USDT-FUTURES", "symbol": "BTCUSDT", "marginCoin": "USDT", "frozen": "0"},
    **{"holdMode": "one_way_mode", "posSide": "short", "marginMode": "crossed", "total": "0.001"},
    **{"available": "0.001", "leverage": "20", "curRealisedPnl": "0", "avgPrice": "107410.3"},
    **{"positionStatus": "normal", "unrealisedPnl": "0.0047", "markPrice": "107415.3"},
    **{"createdTime": "1750495670699", "updatedTime": "1750929883465"},
}
#: ccxt 4.5.90, captured 2025-06.
ASSETS = {
    **{"accountEquity": "11.13919278", "usdtEquity": "11.13921165", "unrealisedPnl": "0"},
    "assets": [
        {
            **{"coin": "USDT", "equity": "6.19300826", "usdValue": "6.19299777", "debt": "0"},
            **{"balance": "6.19300826", "available": "5.19300826", "locked": "1"},
        },
        {"coin": "BGB", "equity": "0", "balance": "0", "available": "0", "locked": "0"},
    ],
}
FILLED = {"orderStatus": "filled", "cumExecQty": "0.001", "avgPrice": "49999.5"}

REPLIES = Replies(
    order=envelope(order()),
    absent=RestReply(400, envelope(None, "25204")),
    open_orders=listed(order(), cursor="1320244799629316096"),
    history=listed(order(**FILLED), cursor="1320244799629316096"),
    fills=listed(trade(), cursor="1322061241878880257"),
    balances=envelope(ASSETS),
    positions=envelope({"list": [POSITION]}),
    time=envelope({"serverTime": "1688008631614"}),
    taken=envelope({"orderId": "121212121212", "clientOid": "a1"}),
    account_mode=envelope({"uid": "1", "accountMode": "unified", "holdMode": "one_way_mode"}),
)


def signed(request: RestRequest, at_ms: int, signature: str) -> Signed:
    headers = {
        "ACCESS-KEY": "KEY",
        "ACCESS-SIGN": signature,
        "ACCESS-TIMESTAMP": str(at_ms),
        "ACCESS-PASSPHRASE": "PASS",
    }
    return Signed(request, KEYS, WHEN_MS, request.path, headers)


BODY = '{"category":"SPOT","symbol":"BTCUSDT","side":"buy","qty":"0.001","clientOid":"a1"}'
SIGNED = (
    signed(
        RestRequest("GET", "/api/v3/trade/order-info?clientOid=a1", headers={"a": "b"}),
        WHEN_MS,
        "FjPXYfxK5blt6VsDr8iPfP7tp8y/ezLbq0nLTTiv3Qk=",
    ),
    signed(
        RestRequest("POST", "/api/v3/trade/place-order", BODY),
        WHEN_MS,
        "xIZl/LBnt50bBDcX2L1UMLTuixtdyLYlb8Ale9Jaxbc=",
    ),
    # Dated so that the 30 s of its signature are over when it must not be acted on any more.
    signed(
        RestRequest("POST", "/api/v3/trade/place-order", BODY, expires_ms=WHEN_MS + 2_000),
        WHEN_MS - 28_000,
        "J5gsHCuAUl9EJjeOAd9yl5UyXgdJdyS3qa+BFSuA8i4=",
    ),
)


def unsaid(place: Place) -> bool:
    """Whether the venue has no words for it: it sizes a spot market buy in quote units."""
    return (place.instrument.kind, place.type, place.side.is_buy) == (
        "spot",
        OrderType.MARKET,
        True,
    )


def listing(name: str) -> str:
    return (HERE / f"listing_{name}.json").read_text(encoding="utf-8")


SAMPLE = Sample(
    venue_name="bitget",
    credentials=KEYS,
    listing=listing("futures"),
    more_listings=(listing("spot"),),
    names={
        "BTC": "BTCUSDT-PERP.BITGET",
        "ETH": "ETHUSDT-PERP.BITGET",
        "PAIR": "BTCUSDT.BITGET",
        "LTC": "LTCUSDC.BITGET",
    },
    transcripts=sorted((HERE / "transcripts").glob("*.txt")),
    codes=CODES,
    absent_codes=("25204", "40109", "43001"),
    refused=refused,
    refused_by_rest=refused_by_rest,
    signed=SIGNED,
    replies=REPLIES,
    pushed=pushed,
    busy_proves=Proof.UNKNOWN,
    unsaid=unsaid,
    found_by_id_alone=True,
    words=lambda sample: {"KEYS": KEYS},
)
SAMPLES = (SAMPLE,)
VENUE, KNOWN = SAMPLE.venue, SAMPLE.instruments
BTC, PAIR = (SAMPLE.named[word] for word in ("BTC", "PAIR"))
