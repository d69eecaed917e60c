"""Binance's two products for the conformance suite."""

import json
from pathlib import Path
from typing import Any

from router.enums import RequestKind
from router.instruments import Instrument
from tests.venues.binance import samples
from tests.venues.binance.samples import ED25519, KEYS
from tests.venues.binance.test_queries import BALANCE, ORDER, POSITION, TRADE
from tests.venues.conformance.sample import Replies, Sample, Signed
from workers.venue import Command, Credentials, Proof, RestReply, RestRequest

HERE = Path(__file__).parent
TRANSCRIPTS = sorted((HERE / "transcripts").glob("*.txt"))

#: Each code that the protocol sheet names, A4; of those said to fail, -1001 and -1016 are asked.
CODES = {
    Proof.UNKNOWN: "-1000 -1001 -1006 -1007 -1016 -4116",
    Proof.THROTTLED: "-1003 -1008 -1015",
    Proof.LOCKED_OUT: "-1022 -2014 -2015",
    Proof.REJECTED: """
        -1021 -1102 -1106 -1111 -1121 -1125 -1130 -2010 -2018 -2019 -2021 -2022 -2025 -2027 -2028
        -4001 -4002 -4003 -4004 -4005 -4013 -4014 -4015 -4016 -4023 -4024 -4061 -4062 -4087 -4088
        -4118 -4120 -4131 -4140 -4141 -4164 -4192 -4400 -4401 -4531 -5021 -5022 -5024 -5025 -5026
        -5027 -5028 -5029 -5040 -5047
    """,
    Proof.GONE: "-2011 -2013",
}
#: The documents' own vector, of orders by REST.
DOCUMENTED = Credentials("K", "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9")
QUERY = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000"
SIGNATURE = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"


def refused(code: str, kind: RequestKind) -> str:
    return json.dumps({"id": "1", "status": 400, "error": {"code": int(code), "msg": "no"}})


def refused_by_rest(code: str, kind: RequestKind) -> RestReply:
    return RestReply(400, samples.error(int(code)))


def futures_push(frame: str, instrument: Instrument) -> str:
    """Return ORDER_TRADE_UPDATE of the new order: its own words, one letter each."""
    sent = json.loads(frame)["params"]
    order = {
        "s": sent["symbol"],
        "c": sent["newClientOrderId"],
        "S": sent["side"],
        "o": sent["type"],
        "f": sent.get("timeInForce", "GTC"),
        "q": sent["quantity"],
        "p": sent.get("price", "0"),
        **{"x": "NEW", "X": "NEW", "i": 9, "l": "0", "z": "0", "ap": "0", "T": 5, "t": 0},
    }
    return json.dumps({"e": "ORDER_TRADE_UPDATE", "T": 5, "E": 5, "o": order})


def spot_push(frame: str, instrument: Instrument) -> str:
    """Return executionReport of the new order."""
    order = json.loads(futures_push(frame, instrument))["o"]
    event = {**order, "e": "executionReport", "E": 5, "C": "", "r": "NONE", "t": -1, "Z": "0"}
    return json.dumps({"subscriptionId": 0, "event": event})


def words(sample: Sample) -> dict[str, Any]:
    def encode(request_id: str, command: Command, now_ms: int) -> list[str]:
        return [sample.venue.encode(request_id, [command], KEYS, now_ms)]

    def encode_logged_on(request_id: str, command: Command, now_ms: int) -> list[str]:
        return [sample.venue.encode(request_id, [command], ED25519, now_ms)]

    return {
        "KEYS": KEYS,
        "ED25519": ED25519,
        "encode": encode,
        "encode_logged_on": encode_logged_on,
        "subscribe": sample.venue.subscribe,
    }


def replies(spot: bool) -> Replies:
    account = '{"updateTime":9,"balances":[{"asset":"ETH","free":"1.5","locked":"0.5"}]}'
    pair = {'"BTCUSDT"': '"ETHUSDT"'} if spot else {}

    def of(text: str) -> str:
        for here, there in pair.items():
            text = text.replace(here, there)
        return text

    order = of(ORDER)
    return Replies(
        order=order,
        absent=RestReply(400, samples.error(-2013, "Order does not exist.")),
        open_orders=f"[{order}]",
        history=f"[{order}]",
        fills=f"[{of(TRADE)}]",
        balances=account if spot else f"[{BALANCE}]",
        positions=f"[{POSITION}]",
        time='{"serverTime":1790770782215}',
        taken=order.replace('"abc"', '"a1"'),
        account_mode='{"canTrade":true,"permissions":["SPOT"],"balances":[]}'
        if spot
        else '{"dualSidePosition":false}',
    )


FUTURES = Sample(
    venue_name="binance",
    product="futures",
    credentials=KEYS,
    listing=(HERE / "listing_futures.json").read_text(encoding="utf-8"),
    names={"BTC": "BTCUSDT"},
    transcripts=[path for path in TRANSCRIPTS if path.stem != "spot"],
    codes=CODES,
    absent_codes=("-2013",),
    refused=refused,
    refused_by_rest=refused_by_rest,
    signed=(
        Signed(
            RestRequest("POST", f"/fapi/v1/order?{QUERY}"),
            DOCUMENTED,
            1591702613943,
            f"/fapi/v1/order?{QUERY}&timestamp=1591702613943&signature={SIGNATURE}",
            {"X-MBX-APIKEY": "K"},
        ),
    ),
    replies=replies(spot=False),
    pushed=futures_push,
    words=words,
)
SPOT = Sample(
    venue_name="binance",
    product="spot",
    options={"product": "spot"},
    credentials=KEYS,
    listing=(HERE / "listing_spot.json").read_text(encoding="utf-8"),
    names={"ETH": "ETHUSDT"},
    transcripts=[path for path in TRANSCRIPTS if path.stem == "spot"],
    codes=CODES,
    absent_codes=("-2013",),
    refused=refused,
    refused_by_rest=refused_by_rest,
    signed=FUTURES.signed,
    replies=replies(spot=True),
    pushed=spot_push,
    words=words,
    modifies=False,
)
SAMPLES = (FUTURES, SPOT)
