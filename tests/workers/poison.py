"""Intents that no worker may act on: what is wrong with them, and the field that is to blame."""

from decimal import Decimal
from typing import Any

from router import ids
from router.contracts import CancelIntent, CreateIntent, ModifyIntent, QueryIntent
from router.enums import OrderSide, OrderType

Fields = dict[Any, Any]
SYMBOL = "BTCUSDT-PERP.OKX"


def create(**changes: Any) -> Fields:
    """Return a good create intent's fields with some changed; None leaves one out."""
    oid = ids.new_oid(ids.strategy_tag("alpha"))
    good = CreateIntent(
        oid=oid,
        client_id=oid,
        symbol=SYMBOL,
        side=OrderSide.BUY,
        type=OrderType.LIMIT,
        amount=Decimal("0.001"),
        price=Decimal("85500"),
    )
    return _changed(good.fields(), changes)


def cancel(oid: str, **changes: Any) -> Fields:
    return _changed(CancelIntent(id=ids.new_request_id(), oid=oid).fields(), changes)


def modify(oid: str, **changes: Any) -> Fields:
    good = ModifyIntent(id=ids.new_request_id(), oid=oid, price=Decimal("85000"))
    return _changed(good.fields(), changes)


def query(oid: str, **changes: Any) -> Fields:
    return _changed(QueryIntent(id=ids.new_request_id(), oid=oid).fields(), changes)


def _changed(fields: dict[str, str], changes: dict[str, Any]) -> Fields:
    return {name: value for name, value in (fields | changes).items() if value is not None}


def poisons(own: str, anothers: str) -> dict[str, tuple[Fields, str]]:
    """Return every kind; ``own`` and ``anothers`` are oids of live orders."""
    return {
        "no request": (create(request=None), "INTENT"),
        "unknown request": (create(request="explode"), "INTENT"),
        "unknown version": (create(v="2"), "V"),
        "no oid": (create(oid=None), "OID"),
        "illegal oid": (create(oid="NOT-AN-OID"), "OID"),
        "no amount": (create(amount=None), "AMOUNT"),
        "amount is a word": (create(amount="lots"), "AMOUNT"),
        "amount is NaN": (create(amount="NaN"), "AMOUNT"),
        "amount is infinite": (create(amount="Infinity"), "AMOUNT"),
        "amount is zero": (create(amount="0"), "AMOUNT"),
        "amount is negative": (create(amount="-0.001"), "AMOUNT"),
        "amount too long": (create(amount="0." + "1" * 40), "AMOUNT"),
        "amount is immense": (create(amount="1E+100000"), "AMOUNT"),
        "amount is minute": (create(amount="1E-100000"), "AMOUNT"),
        "price is immense": (create(price="1E+100000"), "PRICE"),
        "no price": (create(price=None), "INTENT"),
        "unknown side": (create(side="UP"), "SIDE"),
        "unknown type": (create(type="ICEBERG"), "TYPE"),
        "unknown way": (create(via="PIGEON"), "VIA"),
        "flag is a word": (create(ws_fallback="maybe"), "WS_FALLBACK"),
        "time is a word": (create(expires_ms="soon"), "EXPIRES_MS"),
        "parameters no JSON": (create(params="{"), "PARAMS"),
        "parameters no object": (create(params="[1]"), "PARAMS"),
        "client id with a blank": (create(client_id="a b"), "CLIENT_ID"),
        "symbol too long": (create(symbol="X" * 65), "SYMBOL"),
        "oversized": (create(params='{"tag":"' + "x" * 9_000 + '"}'), "INTENT"),
        "many fields": (create() | {f"f{number}": "x" for number in range(2_000)}, "INTENT"),
        "binary junk": ({b"\xff\xfe\x00": b"\x80\x81"}, "INTENT"),
        "binary symbol": (create(symbol=b"\xff" * 30, request=b"cr\xffeate"), "INTENT"),
        "one empty field": ({"": ""}, "INTENT"),
        "its own oid again": (create(oid=own, client_id=own, amount="0.005"), "OID"),
        "another's oid created": (create(oid=anothers), "OID"),
        "another's client id": (create(client_id=anothers), "CLIENT_ID"),
        "another's oid canceled": (cancel(anothers), "OID"),
        "another's oid modified": (modify(anothers), "OID"),
        "nobody's oid canceled": (cancel("f" * 32), "OID"),
        "illegal cancel id": (cancel(own, id="1"), "ID"),
        "cancel without oid": ({**cancel(own), "oid": ""}, "OID"),
        "modify of nothing": (modify(own, price=None), "INTENT"),
        "illegal query id": (query(own, id="x" * 24), "ID"),
    }
