"""OKX's words and codes as tables: OKX v5 documents, read 2026-11."""

from router.enums import OrderType, RequestKind, TimeInForce
from router.evidence import VenueState
from workers.venue import Proof
from workers.venues.codes import Codes

#: Each op with its batch form: "Place order (WS)" and its neighbours. REST's paths end the same.
OPS: dict[RequestKind, tuple[str, str]] = {
    RequestKind.CREATE: ("order", "batch-orders"),
    RequestKind.CANCEL: ("cancel-order", "batch-cancel-orders"),
    RequestKind.MODIFY: ("amend-order", "batch-amend-orders"),
}
KIND_OF_OP = {op: kind for kind, ops in OPS.items() for op in ops}

ORDER_TYPES: dict[tuple[OrderType, TimeInForce], str] = {
    (OrderType.LIMIT, TimeInForce.GTC): "limit",
    (OrderType.LIMIT, TimeInForce.IOC): "ioc",
    (OrderType.LIMIT, TimeInForce.FOK): "fok",
    (OrderType.POST_ONLY, TimeInForce.GTC): "post_only",
    (OrderType.MARKET, TimeInForce.IOC): "market",
    (OrderType.MARKET, TimeInForce.GTC): "market",
}
#: The way back; types that we never send have no row and keep both words empty.
READ_TYPES: dict[str, tuple[str, str]] = {
    **{word: (of.value, tif.value) for (of, tif), word in ORDER_TYPES.items()},
    "optimal_limit_ioc": ("MARKET", "IOC"),
}
SIDES = {"buy": "BUY", "sell": "SELL"}
TD_MODES = {"spot": "cash", "linear": "cross", "inverse": "cross"}
#: Those that file a pair's order under MARGIN, where queries of SPOT do not show it.
MARGIN_MODES = ("cross", "isolated")

#: What a caller may add to an order, with its JSON type: "Place order". Not here: tdMode (queries
#: go by the account's), tgtCcy (would change what the amount means), posSide (net mode is
#: required), pxUsd, pxVol and attachAlgoOrds (they would place more, or at another price).
PARAMS: dict[str, type] = {
    **dict.fromkeys(("ccy", "tag", "stpMode", "pxAmendType", "tradeQuoteCcy", "slippagePct"), str),
    **dict.fromkeys(("banAmend", "isElpTakerAccess"), bool),
}

STATES = {
    "live": VenueState.OPEN,
    "partially_filled": VenueState.OPEN,
    "filled": VenueState.FILLED,
    "canceled": VenueState.CANCELED,
    "mmp_canceled": VenueState.CANCELED,
}
#: Every end that is not a fill is a cancel at OKX, remainders of IOC and FOK too; so nothing here
#: is EXPIRED. "Order channel", cancelSource.
CANCEL_SOURCES = {
    "0": "system",
    "1": "user",
    **dict.fromkeys(("2", "3", "4", "6", "7", "9", "10"), "liquidation or delivery"),
    "13": "FOK could not fill whole",
    "14": "IOC remainder",
    "15": "price limit",
    "20": "cancel-all-after",
    "31": "post-only would take",
    "32": "self-trade prevention",
    "33": "too many matches",
    **dict.fromkeys(("38", "39"), "market maker protection"),
}

#: "Error code". The texts of 50004 and 51149 say that the outcome is open; the other unknowns
#: promise nothing either way, and 51412 timed out inside the venue. 51513: more than 3 amends of
#: one order in flight. 50024 to 50030 stand for restrictions and missing permission, but 50026.
#: 51016 and 50071 (duplicate client id) say that *this* request made no order. 51400 is one code
#: for an order that has ended, is ending or is unknown.
CODES = Codes(
    {
        Proof.UNKNOWN: "50001 50004 50005 50013 50026 51054 51149 51412 60001 63999 64007",
        Proof.THROTTLED: "50011 50040 50061 51513 60014 60023",
        Proof.LOCKED_OUT: """
            50024 50027 50028 50029 50030 50100 60004 60005 60006 60007 60008 60009 60011 60024
            60031 60032
        """,
        Proof.REJECTED: """
            50014 50015 50036 50037 50071 50072 51000 51001 51004 51005 51006 51008 51010 51016
            51019 51020 51021 51022 51023 51024 51071 51101 51102 51103 51104 51105 51106 51112
            51116 51121 51127 51131 51137 51138 51155 51169 51170 51174 51201 51202 51205 51403
            51404 51407 51408 51413 51500 51502 51506 51511 51512 60012 60013 60018 60019 60028
            64001 64002 64003
        """,
        Proof.GONE: "51400 51401 51402 51405 51410 51503 51509 51510 51603",
    },
    absent=("51603",),
    families={"501": Proof.LOCKED_OUT, "54": Proof.REJECTED},  # credentials; refusals
    length=5,
)
#: Login refusals that other keys would not cure: clock, pace, order of frames, venue's own error.
LOGIN_RETRY = frozenset({"50102", "60004", "60006", "60011", "60023", "60031", "63999"})
SUBSCRIPTION = frozenset({"60018", "60028", "64001", "64002", "64003"})
