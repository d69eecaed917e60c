"""Bybit's words and codes as tables: Bybit v5 documents, read 2026-07, and captured frames."""

from router.enums import OrderType, RequestKind, TimeInForce
from router.evidence import VenueState
from workers.venue import Proof
from workers.venues.codes import Codes

#: The op by WebSocket; REST's path ends with its second word.
OPS = {
    RequestKind.CREATE: "order.create",
    RequestKind.CANCEL: "order.cancel",
    RequestKind.MODIFY: "order.amend",
}
KIND_OF_OP = {op: kind for kind, op in OPS.items()}

#: orderType and timeInForce. A market order's is ignored and shown as IOC.
ORDER_TYPES: dict[tuple[OrderType, TimeInForce], str] = {
    (OrderType.LIMIT, TimeInForce.GTC): "Limit GTC",
    (OrderType.LIMIT, TimeInForce.IOC): "Limit IOC",
    (OrderType.LIMIT, TimeInForce.FOK): "Limit FOK",
    (OrderType.POST_ONLY, TimeInForce.GTC): "Limit PostOnly",
    (OrderType.MARKET, TimeInForce.IOC): "Market IOC",
    (OrderType.MARKET, TimeInForce.GTC): "Market IOC",
}
#: The way back; types that we never send have no row and keep both words empty.
READ_TYPES: dict[str, tuple[str, str]] = {
    **{word: (of.value, tif.value) for (of, tif), word in ORDER_TYPES.items()},
    "Market IOC": ("MARKET", "IOC"),
}
SIDES = {"Buy": "BUY", "Sell": "SELL"}

#: What a caller may add to an order, with its JSON type: "Place Order". Not here: positionIdx
#: (one-way mode is required), marketUnit (would change what the amount means), trigger and
#: take-profit fields (they would place more, or later, than the order says).
PARAMS: dict[str, type] = {
    "isLeverage": int,
    **dict.fromkeys(("smpType", "slippageToleranceType", "slippageTolerance"), str),
}

#: "Enums Definitions", orderStatus. Triggered lasts a moment, then the order is New.
STATES = {
    **dict.fromkeys(("New", "PartiallyFilled", "Untriggered", "Triggered"), VenueState.OPEN),
    "Filled": VenueState.FILLED,
    **dict.fromkeys(("Cancelled", "PartiallyFilledCanceled", "Deactivated"), VenueState.CANCELED),
    "Rejected": VenueState.REJECTED,
}
NO_REASON = frozenset({"", "EC_NoError", "UNKNOWN"})

#: "Error Codes" and "WebSocket Trade". 110072, 170141 and 10014 say that an order with the id is
#: there: it may be an earlier copy of this one. 20006: an earlier frame with the reqId may be live.
#: Throttled requests were refused before the engine; should one have passed after all, its second
#: copy is answered by 110072, and no second order is made. 10019: the service restarts, and takes
#: new requests on a new connection. 110079: another request for the order is being worked on.
#: 110001 and its like stand for filled, canceled, not visible yet and never existed.
CODES = Codes(
    {
        Proof.UNKNOWN: """
            10000 10014 10016 20006 40004 110072 170001 170007 170032 170035 170141 170146 170147
            170191 170212 170234 170310 500000
        """,
        Proof.THROTTLED: "10006 10018 10019 10403 10429 20003 30035 110079 170005 170222",
        Proof.LOCKED_OUT: "10003 10004 10005 10007 10010 10024 10027 10028 33004",
        Proof.REJECTED: """
            10001 10002 10029 10404 30208 30209 30228 110003 110004 110006 110007 110009 110012
            110017 110020 110021 110022 110023 110030 110032 110044 110045 110052 110063 110064
            110066 110074 110090 110092 110093 110094 110095 110096 110097 110098 110103 110120
            110121 170116 170117 170121 170124 170130 170131 170132 170133 170134 170136 170137
            170140 170148 170149 170151 170192 170193 170194 170210 170217 170218 170312 170313
            170371 170372 170381 170382 170810
        """,
        Proof.GONE: "110001 110008 110010 170139 170142 170143 170190 170213",
    },
    absent=(),  # "no such order" is an empty list
)
CLOCK_CODE = "10002"
RESTARTING = "10019"
LOGGED_IN = frozenset({"0", "20001"})  # 20001: it was already
