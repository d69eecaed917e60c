"""NO_WORKER: what admit and request write with no lease alive, held against router/results.py."""

from decimal import Decimal
from typing import Any

import pytest

from router import functions, ids, results
from router.contracts import ModifyIntent, read_intent
from router.enums import Exists, OrderStatus, OrderType, RequestKind, WsOrderResultType
from router.orders import OrderRecord, Told, failed
from router.results import order_result, request_result
from router.state import Event
from tests.router.test_functions import CAPS, KEYS, acquire, admit, call, client, intent

__all__ = ["client"]
LIFE_MS = 60_000


def strict(**changes: Any) -> dict[str, str]:
    return intent(ws_fallback=False, **changes)


def told(client: Any) -> list[dict[str, str]]:
    return [fields for _, fields in client.xrange(KEYS.results("alpha"))]


def cancel(fields: dict[str, str], request: str = "cancel", **more: str) -> functions.Call:
    wish = {
        "v": "1",
        "request": request,
        "id": ids.new_request_id(),
        "oid": fields["oid"],
        "ws_fallback": "0",
    }
    return functions.request(KEYS, "alpha", wish | more, valid_for_ms=1000, caps=CAPS)


def as_the_owner_tells(fields: dict[str, str], ts_ms: int, reason: str) -> list[dict[str, str]]:
    create = read_intent(fields)
    assert create.request is RequestKind.CREATE
    record = OrderRecord.from_intent("alpha", create)
    [event] = failed(record, Event.NOT_SENT, reason, ts_ms)
    result = request_result(
        record.oid,
        record.symbol,
        RequestKind.CREATE,
        WsOrderResultType.REQUEST_NOT_SENT,
        reason,
        exists=Exists.FALSE,
        exchange="okx",
        now_ms=ts_ms,
    )
    return [{"seq": "1", **order_result(record, event, ts_ms)}, {"seq": "2", **result}]


@pytest.mark.parametrize(
    "terms", [{"idem": "k", "client_oid": "mine", "client_id": "mine"}, {"type": OrderType.MARKET}]
)
def test_a_create_ends_as_the_owner_would_end_it_and_is_never_queued(
    client: Any, terms: dict[str, Any]
) -> None:
    if "type" in terms:
        terms = terms | {"price": None}
    fields = strict(**terms)
    assert admit(client, fields, keep_ms=LIFE_MS) == ["admitted", fields["oid"]]
    entries = told(client)
    reason = entries[0]["reason"]
    assert reason.startswith("NO_WORKER: ")
    assert entries == as_the_owner_tells(fields, int(entries[0]["ts_ms"]), reason)
    assert client.hget(KEYS.seq, "alpha") == "2"
    order = client.hgetall(KEYS.order("alpha", fields["oid"]))
    record = OrderRecord.from_hash("alpha", order)
    assert (record.status, record.exists, record.reason, record.ended) == (
        OrderStatus.FAILED,
        Exists.FALSE,
        reason,
        True,
    )
    assert client.xlen(KEYS.intents("alpha")) == client.scard(KEYS.open("alpha")) == 0
    assert client.zscore(KEYS.ended("alpha"), fields["oid"]) == record.ended_ms > 0
    assert client.hget(KEYS.clients, record.client_id) == f"alpha/{fields['oid']}/ended"


def test_its_key_is_taken_once_for_a_time_and_can_be_released(client: Any) -> None:
    first = strict(idem="k")
    key = KEYS.idem("alpha", "k")
    assert admit(client, first, keep_ms=LIFE_MS) == admit(client, first, keep_ms=LIFE_MS)
    assert len(told(client)) == 2, "a repetition of the call tells nothing again"
    assert 0 < client.pttl(key) <= LIFE_MS
    assert admit(client, strict(idem="k")) == ["repeat", first["oid"]]
    release = functions.release(KEYS, "alpha", "alpha", "k", first["oid"])
    assert call(client, release) == "released"
    acquire(client)
    assert admit(client, strict(idem="k"))[0] == "admitted"
    assert client.xlen(KEYS.intents("alpha")) == 1


def test_with_a_lease_or_with_fallback_the_intent_waits(client: Any) -> None:
    admit(client, intent())
    assert client.xlen(KEYS.intents("alpha")) == 1
    acquire(client)
    admit(client, strict())
    assert client.xlen(KEYS.intents("alpha")) == 2
    assert told(client) == []


def test_other_refusals_come_first(client: Any) -> None:
    client.set(KEYS.halt, "by hand")
    assert admit(client, strict()) == ["halted", "by hand"]
    client.delete(KEYS.halt)
    other = intent(client_id="abc")
    admit(client, other)
    assert admit(client, strict(client_id="abc"))[0] == "client_oid_live"
    assert told(client) == []


def lively(client: Any) -> dict[str, str]:
    """Return the fields of an order that the venue has partly filled."""
    fields = intent(client_oid="mine")
    admit(client, fields)
    batch = functions.Batch()
    changed = {
        "state": "ACCEPTED",
        "status": "PARTIALLY_FILLED",
        "exists": "true",
        "eid": "77",
        "filled": "0.0004",
        "avg_price": "89500",
        "fee": "0.01",
        "fee_currency": "USDT",
        "reason": "",
        "venue_filled": "0.0004",
    }
    epoch = int(acquire(client)[1])
    batch.order(KEYS, "alpha", fields["oid"], changed)
    assert call(client, batch.call(KEYS, epoch, 1)) == ["applied", "1"]
    client.delete(KEYS.lease)
    return fields


@pytest.mark.parametrize("filled", [True, False])
def test_a_cancel_is_told_as_the_owner_would_tell_it(client: Any, filled: bool) -> None:
    fields = lively(client) if filled else intent()
    if not filled:
        admit(client, fields)
    key = KEYS.order("alpha", fields["oid"])
    before = client.hgetall(key)
    one = cancel(fields)
    assert call(client, one) == call(client, one) == ["no_worker", before["status"]]
    order, result = told(client)
    ts_ms, reason = int(order["ts_ms"]), order["reason"]
    assert reason.startswith("NO_WORKER: ")
    record = OrderRecord.from_hash("alpha", before)
    event = Told(OrderStatus.CANCEL_FAILED, reason=reason)
    expected = {"seq": "1", **order_result(record, event, ts_ms)}
    if filled:
        remaining = expected.pop("remaining")  # Lua has no exact decimals: the SDK subtracts
        assert Decimal(remaining) == Decimal(order["amount"]) - Decimal(order["filled"])
    assert order == expected
    assert result == {
        "seq": "2",
        **results.request_result(
            record.oid,
            record.symbol,
            RequestKind.CANCEL,
            WsOrderResultType.REQUEST_NOT_SENT,
            reason,
            exists=record.exists,
            exchange="okx",
            now_ms=ts_ms,
        ),
    }
    after = client.hgetall(key)
    assert after.pop("last_request").endswith(one.args[0])
    assert after == before, "the order is the owner's"
    acquire(client)
    assert call(client, cancel(fields))[0] == "queued"


def test_a_modify_is_told_by_its_result_alone(client: Any) -> None:
    fields = lively(client)
    answer = call(client, cancel(fields, "modify", price="89000"))
    assert answer == ["no_worker", "PARTIALLY_FILLED"]
    [result] = told(client)
    assert (result["request"], result["result_type"], result["exists"]) == (
        "modify",
        "REQUEST_NOT_SENT",
        "true",
    )
    assert client.xlen(KEYS.intents("alpha")) == 1


def test_only_a_request_that_must_not_wait_names_the_keys_for_it() -> None:
    patient, hasty = intent(), strict()
    keys = [
        len(functions.admit(KEYS, "alpha", [functions.Admission(one, "alpha", 1)], caps=CAPS).keys)
        for one in (patient, hasty)
    ]
    assert keys == [10, 13]
    wish = ModifyIntent(id="0" * 24, oid=patient["oid"], price=Decimal(1)).fields()
    call = functions.request(KEYS, "alpha", wish, valid_for_ms=1, caps=CAPS)
    assert len(call.keys) == 3
