"""OKX for the conformance suite, and the instruments that OKX's own tests share."""

import json
from decimal import Decimal
from pathlib import Path

from router.enums import OrderSide, OrderType, RequestKind, TimeInForce
from router.instruments import Instrument
from tests.venues.conformance.sample import Replies, Sample, Signed
from workers.venue import Command, Credentials, Place, Proof, RestReply, RestRequest

HERE = Path(__file__).parent

OPS = {
    RequestKind.CREATE: "order",
    RequestKind.CANCEL: "cancel-order",
    RequestKind.MODIFY: "amend-order",
}

#: Each code that the protocol sheet names: OKX v5 documents, "Error code", read 2026-11.
CODES = {
    Proof.UNKNOWN: "50001 50004 50005 50013 50026 51054 51149 51412 63999 64007 60001",
    Proof.THROTTLED: "50011 50040 50061 51513 60014 60023",
    Proof.LOCKED_OUT: """
        50024 50027 50028 50029 50030 50100 50101 50102 50103 50104 50105 50106 50107 50110 50111
        50112 50113 50119 50120 60004 60005 60006 60007 60008 60009 60011 60024 60031 60032
    """,
    Proof.REJECTED: """
        50014 50015 50036 50037 50071 50072
        51000 51001 51004 51005 51006 51008 51010 51016 51019 51020 51021 51022 51023 51024 51071
        51101 51102 51103 51104 51105 51106 51112 51116 51121 51127 51131 51137 51138 51155 51169
        51170 51174 51201 51202 51205
        51403 51404 51407 51408 51413 51500 51502 51506 51511 51512
        54004 54036 54048 60012 60013 60018 60019 60028 64001 64002 64003
        51004_1000 51008_1000 51502_1001
    """,
    Proof.GONE: "51400 51401 51402 51405 51410 51503 51509 51510 51603",
}

#: OKX v5 documents, "Get order", read 2026-11.
FILLED = (
    '{"accFillSz":"0.00192834","algoClOrdId":"","algoId":"","attachAlgoClOrdId":"",'
    '"attachAlgoOrds":[],"avgPx":"51858","cTime":"1708587373361","cancelSource":"",'
    '"cancelSourceReason":"","category":"normal","ccy":"","clOrdId":"","fee":"-0.00000192834",'
    '"feeCcy":"BTC","fillPx":"51858","fillSz":"0.00192834","fillTime":"1708587373361",'
    '"instId":"BTC-USDT","instType":"SPOT","isTpLimit":"false","lever":"",'
    '"linkedAlgoOrd":{"algoId":""},"ordId":"680800019749904384","ordType":"market","pnl":"0",'
    '"posSide":"net","px":"","rebate":"0","rebateCcy":"USDT","reduceOnly":"false","side":"buy",'
    '"state":"filled","sz":"100","tdMode":"cash","tgtCcy":"quote_ccy","tradeId":"744876980",'
    '"uTime":"1708587373362"}'
)
#: An unfilled order as orders-pending lists it: captured by roq-trading/roq-okx.
PENDING = (
    '{"accFillSz":"0","avgPx":"","clOrdId":"c1","fillPx":"","fillSz":"0","fillTime":"",'
    '"instId":"BTC-USDT-SWAP","ordId":"1","ordType":"limit","px":"40000","side":"buy",'
    '"state":"live","sz":"5","tradeId":"","uTime":"5"}'
)
#: OKX v5 documents, "Get transaction details", read 2025-03.
FILL = (
    '{"side":"buy","fillSz":"3","fillPx":"40000","fee":"0.012","feeCcy":"USDT","ordId":"77",'
    '"instId":"BTC-USDT-SWAP","instType":"SWAP","clOrdId":"a1","billId":"900",'
    '"fillTime":"1708587373361","tradeId":"123","ts":"1708587373362"}'
)
ACCOUNT = '{"uTime":"9","details":[{"ccy":"USDT","availBal":"10.5","frozenBal":"1","uTime":"8"}]}'
POSITION = '{"instId":"BTC-USDT-SWAP","pos":"-3","posSide":"net","avgPx":"40000","uTime":"5"}'
#: "Place order", read 2026-11.
TAKEN = '{"clOrdId":"a1","ordId":"12","tag":"","ts":"1695190491421","sCode":"0","sMsg":""}'

#: Made with openssl: printf %s TEXT | openssl dgst -sha256 -hmac SECRET -binary | base64
KEYS = Credentials("KEY", "22582BD0CFF14C41EDBF1AB98506286D", "PASS")
WHEN_MS = 1607418537715


def ok(data: str) -> RestReply:
    return RestReply(200, envelope(data))


def envelope(data: str) -> str:
    return f'{{"code":"0","msg":"","data":[{data}]}}'


def signed(request: RestRequest, signature: str) -> Signed:
    headers = {
        "OK-ACCESS-KEY": "KEY",
        "OK-ACCESS-SIGN": signature,
        "OK-ACCESS-TIMESTAMP": "2020-12-08T09:08:57.715Z",
        "OK-ACCESS-PASSPHRASE": "PASS",
    }
    return Signed(request, KEYS, WHEN_MS, request.path, headers)


def refused(code: str, kind: RequestKind) -> str:
    item = {"clOrdId": "a1", "ordId": "", "sCode": code, "sMsg": "no"}
    return json.dumps({"id": "1", "op": OPS[kind], "code": "1", "msg": "", "data": [item]})


def refused_by_rest(code: str, kind: RequestKind) -> RestReply:
    if kind is RequestKind.QUERY:
        return RestReply(200, json.dumps({"code": code, "msg": "no", "data": []}))
    return RestReply(200, refused(code, kind))


def pushed(frame: str, instrument: Instrument) -> str:
    """Return the order's push: "Order channel", read 2026-11; the size is the frame's own."""
    sent = json.loads(frame)["args"][0]
    said = {key: sent.get(key, "") for key in ("clOrdId", "side", "ordType", "sz", "px", "tgtCcy")}
    order = {
        **said,
        "instId": instrument.venue_symbol,
        "ordId": "9",
        "state": "live",
        "accFillSz": "0",
        "avgPx": "0",
        "fillSz": "0",
        "tradeId": "",
        "uTime": "5",
    }
    return json.dumps({"arg": {"channel": "orders", "instType": "ANY"}, "data": [order]})


SAMPLE = Sample(
    venue_name="okx",
    environments=("live", "demo", "eea", "eea-demo", "us", "us-demo"),
    credentials=KEYS,
    listing=(HERE / "listing.json").read_text(encoding="utf-8"),
    names={
        "SWAP": "BTC-USDT-SWAP",
        "SPOT": "BTC-USDT",
        "INVERSE": "BTC-USD-SWAP",
        "LTC": "LTC-USDC",
        "WITHOUT_CODE": "XRP-USDT-SWAP",
    },
    transcripts=sorted((HERE / "transcripts").glob("*.txt")),
    codes=CODES,
    absent_codes=("51603",),
    refused=refused,
    refused_by_rest=refused_by_rest,
    signed=(
        signed(
            RestRequest("GET", "/api/v5/account/balance?ccy=BTC", headers={"a": "b"}),
            "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY=",
        ),
        signed(
            RestRequest("POST", "/api/v5/trade/order", '{"instId":"BTC-USDT","sz":"1"}'),
            "TGG9gpeGW3L8JW/02jBsydBRt/UEJ3UzQ80H+KAhLEs=",
        ),
    ),
    replies=Replies(
        order=envelope(FILLED),
        absent=RestReply(200, '{"code":"51603","msg":"Order does not exist","data":[]}'),
        open_orders=envelope(PENDING),
        history=envelope(FILLED),
        fills=envelope(FILL),
        balances=envelope(ACCOUNT),
        positions=envelope(POSITION),
        time=envelope('{"ts":"1597026383085"}'),
        taken=envelope(TAKEN),
        account_mode=envelope('{"acctLv":"2","posMode":"net_mode"}'),
    ),
    pushed=pushed,
)
SAMPLES = (SAMPLE,)

VENUE = SAMPLE.venue
INSTRUMENTS = SAMPLE.instruments
LISTING = RestReply(200, SAMPLE.listing)
SPOT, LTC, SWAP, INVERSE, WITHOUT_CODE = (
    SAMPLE.named[word] for word in ("SPOT", "LTC", "SWAP", "INVERSE", "WITHOUT_CODE")
)


def encoded(*commands: Command) -> str:
    [frame] = SAMPLE.encode("1", *commands)
    return frame


def limit(
    of: Instrument = SWAP, amount: str = "0.01", price: str = "40000", client_id: str = "a1"
) -> Place:
    return Place(
        instrument=of,
        client_id=client_id,
        side=OrderSide.BUY,
        type=OrderType.LIMIT,
        amount=Decimal(amount),
        price=Decimal(price),
        time_in_force=TimeInForce.GTC,
        reduce_only=False,
        expires_ms=2000,
    )
