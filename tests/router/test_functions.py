"""The Redis functions against a real server: whole or absent, fenced, idempotent."""

import time
from decimal import Decimal
from typing import Any

import pytest
import redis

from router import functions, ids
from router.contracts import ControlKind, CreateIntent, Registration
from router.enums import OrderSide, OrderType
from router.keyspace import AccountKeys

KEYS = AccountKeys("okx-main")
TAG = ids.strategy_tag("alpha")
CAPS = functions.Caps()


def call(client: "redis.Redis", one: functions.Call) -> Any:
    return client.fcall(*one.fcall())


def intent(**changes: Any) -> dict[str, str]:
    oid = ids.new_oid(TAG)
    values: dict[str, Any] = {
        "oid": oid,
        "client_id": oid,
        "symbol": "BTCUSDT-PERP.OKX",
        "side": OrderSide.BUY,
        "type": OrderType.LIMIT,
        "amount": Decimal("0.001"),
        "price": Decimal("89500"),
    }
    return CreateIntent(**(values | changes)).fields()


def admit(client: "redis.Redis", fields: dict[str, str], **changes: Any) -> Any:
    return admit_all(client, [fields], **changes)


def admit_all(client: "redis.Redis", orders: list[dict[str, str]], **changes: Any) -> Any:
    admissions = [functions.Admission(fields, "alpha", 1000) for fields in orders]
    return call(client, functions.admit(KEYS, "alpha", admissions, **{"caps": CAPS} | changes))


@pytest.fixture
def client(redis_client: "redis.Redis") -> "redis.Redis":
    registration = Registration(tag=TAG).json_text()
    call(redis_client, functions.register(KEYS, "alpha", "main", registration, "h 1", wake=True))
    return redis_client


def test_admit_writes_the_whole_order(client: Any) -> None:
    fields = intent(idem="entry:btc:long")
    assert admit(client, fields) == ["admitted", fields["oid"]]
    assert client.get(KEYS.idem("alpha", "entry:btc:long")) == fields["oid"]
    order = client.hgetall(KEYS.order("alpha", fields["oid"]))
    [(_, queued)] = client.xrange(KEYS.intents("alpha"))
    assert order["state"] == "INITIALIZED"
    assert queued["expires_ms"] == order["expires_ms"]
    assert int(queued["expires_ms"]) - int(queued["created_ms"]) == 1000
    assert client.smembers(KEYS.open("alpha")) == {fields["oid"]}
    assert client.hget(KEYS.clients, fields["oid"]) == f"alpha/{fields['oid']}"


@pytest.mark.parametrize(("late_ms", "left_ms"), [(400, 600), (5_000, -4_000), (-5_000, 1_000)])
def test_an_intent_is_valid_from_when_it_was_asked_for(
    client: Any, late_ms: int, left_ms: int
) -> None:
    """Never longer than from its arrival on, whatever the caller takes for the server's time."""
    seconds, micros = client.time()
    asked_ms = seconds * 1_000 + micros // 1_000 - late_ms
    fields = intent()
    admission = functions.Admission(fields, "alpha", 1_000)
    call(client, functions.admit(KEYS, "alpha", [admission], caps=CAPS, asked_ms=asked_ms))
    wish = cancel_fields(fields["oid"]) | {"request": "modify"}
    call(
        client,
        functions.request(KEYS, "alpha", wish, valid_for_ms=1_000, caps=CAPS, asked_ms=asked_ms),
    )
    for _, queued in client.xrange(KEYS.intents("alpha")):
        lived_ms = int(queued["expires_ms"]) - int(queued["created_ms"])
        assert left_ms - 100 < lived_ms <= left_ms


def test_admit_twice_with_one_oid_gives_one_intent_and_one_answer(client: "redis.Redis") -> None:
    fields = intent(idem="k")
    assert admit(client, fields) == admit(client, fields)
    assert client.xlen(KEYS.intents("alpha")) == 1


def test_a_repeat_of_the_key_answers_the_canonical_oid_and_is_counted(client: Any) -> None:
    first, second = intent(idem="k"), intent(idem="k", price=Decimal("1"))
    admit(client, first)
    assert admit(client, second) == ["repeat", first["oid"]]
    assert not client.exists(KEYS.order("alpha", second["oid"]))
    assert client.hget(KEYS.repeats("alpha"), "k") == "1"


@pytest.mark.parametrize(
    ("prepare", "answer"),
    [
        (lambda c: c.set(KEYS.halt, "by hand"), ["halted", "by hand"]),
        (lambda c: c.hdel(KEYS.strategies, "alpha"), ["unregistered", ""]),
    ],
)
def test_refusals_write_nothing(client: Any, prepare: Any, answer: list[str]) -> None:
    prepare(client)
    fields = intent(idem="k")
    assert admit(client, fields) == answer
    assert not client.exists(KEYS.idem("alpha", "k"), KEYS.order("alpha", fields["oid"]))
    assert client.xlen(KEYS.intents("alpha")) == 0


def test_caps_refuse_and_write_nothing(client: Any) -> None:
    admit(client, intent())
    assert admit(client, intent(), caps=functions.Caps(intents=1)) == ["intents_full", "1"]
    assert admit(client, intent(), caps=functions.Caps(open_orders=1)) == ["open_full", "1"]
    assert client.scard(KEYS.open("alpha")) == 1


def test_a_client_id_of_a_live_order_is_refused_and_of_an_ended_one_is_free(client: Any) -> None:
    first = intent(client_id="abc")
    admit(client, first)
    assert admit(client, intent(client_id="abc")) == ["client_oid_live", f"alpha/{first['oid']}"]
    client.hset(KEYS.clients, "abc", f"alpha/{first['oid']}/ended")
    assert admit(client, intent(client_id="abc"))[0] == "admitted"


def test_several_orders_of_one_call_are_judged_one_after_the_other(client: Any) -> None:
    admit(client, known := intent(idem="old"))
    first, again, other = intent(idem="k"), intent(idem="k"), intent()
    taken, full = intent(client_id="c1"), intent(client_id="c1")
    answers = admit_all(client, [intent(idem="old"), first, again, taken, full, other, known])
    assert list(zip(answers[::2], answers[1::2], strict=True)) == [
        ("repeat", known["oid"]),
        ("admitted", first["oid"]),
        ("repeat", first["oid"]),
        ("admitted", taken["oid"]),
        ("client_oid_live", f"alpha/{taken['oid']}"),
        ("admitted", other["oid"]),
        ("admitted", known["oid"]),
    ]
    queued = [fields["oid"] for _, fields in client.xrange(KEYS.intents("alpha"))]
    assert queued == [one["oid"] for one in (known, first, taken, other)]
    assert client.hgetall(KEYS.repeats("alpha")) == {"old": "1", "k": "1"}


def test_caps_hold_within_one_call(client: Any) -> None:
    answers = admit_all(client, [intent() for _ in range(3)], caps=functions.Caps(intents=2))
    assert answers[::2] == ["admitted", "admitted", "intents_full"]
    answers = admit_all(client, [intent(), intent()], caps=functions.Caps(open_orders=3))
    assert answers[::2] == ["admitted", "open_full"]


@pytest.mark.parametrize("wrong", ["idem", "open", "clients"])
def test_a_key_of_a_wrong_type_fails_the_call_with_nothing_written(client: Any, wrong: str) -> None:
    keys = {"idem": KEYS.idem("alpha", "k"), "open": KEYS.open("alpha"), "clients": KEYS.clients}
    client.rpush(keys[wrong], "by hand")
    good, bad = intent(), intent(idem="k")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        admit_all(client, [good, bad])
    assert client.xlen(KEYS.intents("alpha")) == 0
    assert not client.exists(KEYS.order("alpha", good["oid"]), KEYS.order("alpha", bad["oid"]))


def acquire(client: Any, owner: str = "w1", ttl_ms: int = 3000) -> Any:
    return call(
        client, functions.lease(KEYS, "acquire", owner=owner, epoch=0, ttl_ms=ttl_ms, pid=1)
    )


def held(client: Any) -> int:
    """Return the epoch of the last acquisition that the server knows."""
    return int(client.get(KEYS.epoch))


def seconds(client: Any) -> int:
    """Return the server's time."""
    return int(client.time()[0])


def second_after(client: Any, epoch: int) -> None:
    """Return once the server's clock has passed the second in which this epoch was given."""
    until_s = time.monotonic() + 60
    while seconds(client) <= epoch:
        assert time.monotonic() < until_s, "the server's clock stands still"


def test_the_lease_has_one_owner_and_a_growing_epoch(client: Any) -> None:
    word, first = acquire(client)[:2]
    assert word == "owner"
    assert acquire(client, "w2")[:2] == ["held", "w1"]
    client.delete(KEYS.lease)  # it expired
    word, second = acquire(client, "w2")[:2]
    assert (word, int(second) > int(first)) == ("owner", True)
    renewed = call(client, functions.lease(KEYS, "renew", owner="w1", epoch=int(first), ttl_ms=1))
    assert renewed[:2] == ["lost", second]


@pytest.mark.parametrize("known", [0, 1])
@pytest.mark.parametrize("found", [None, "1"])
def test_a_new_epoch_is_the_servers_second(client: Any, found: str | None, known: int) -> None:
    if found:
        client.set(KEYS.epoch, found)
    before_s = seconds(client)
    one = functions.lease(KEYS, "acquire", owner="w1", epoch=known, ttl_ms=3000)
    answer = call(client, one)
    assert before_s <= int(answer[1]) <= seconds(client)
    assert answer[1] == client.get(KEYS.epoch) == client.hget(KEYS.lease, "epoch")


@pytest.mark.parametrize(("found_ahead", "known_ahead"), [(60, 0), (0, 60), (60, 60), (90, 60)])
def test_epochs_grow_where_the_servers_clock_stands_back(
    client: Any, found_ahead: int, known_ahead: int
) -> None:
    """One by one then, until the clock has passed them."""
    now_s = seconds(client)
    client.set(KEYS.epoch, now_s + found_ahead)
    known = now_s + known_ahead
    for number in range(1, 4):
        one = functions.lease(KEYS, "acquire", owner=f"w{number}", epoch=known, ttl_ms=3000)
        word, epoch = call(client, one)[:2]
        assert (word, int(epoch)) == ("owner", now_s + max(found_ahead, known_ahead) + number)
        client.delete(KEYS.lease)


def test_a_server_that_lost_its_data_gives_no_epoch_out_twice(client: Any) -> None:
    known = seconds(client) + 7_000  # given by a server whose clock was ahead of this one's

    def ask(**more: Any) -> Any:
        call_ = functions.lease(KEYS, "acquire", owner="w2", epoch=known, ttl_ms=3000, **more)
        return call(client, call_)

    assert ask(patient=True)[0] == "forgotten"
    assert not client.exists(KEYS.lease, KEYS.epoch)
    answer = ask()
    assert (answer[:2], answer[4]) == (["owner", str(known + 1)], "")
    client.delete(KEYS.lease)
    answer = call(client, functions.lease(KEYS, "acquire", owner="w1", epoch=3, ttl_ms=3000))
    assert (answer[:2], answer[4]) == (["owner", str(known + 2)], str(known + 1))


def lose_the_epoch(client: Any, how: str) -> None:
    """Let the server forget who owned the account last, and the functions stay."""
    if how == "emptied":
        client.flushall()
        return
    lost = client.pipeline(transaction=True)
    lost.delete(KEYS.lease, KEYS.applied, KEYS.status)
    if how == "an epoch of before":
        lost.set(KEYS.epoch, 41)
    else:
        lost.decr(KEYS.epoch)  # only the last takeover is lost
    lost.execute()


@pytest.mark.parametrize("how", ["emptied", "an epoch of before", "the epoch before"])
def test_whoever_starts_on_a_server_that_lost_the_epoch_keeps_its_last_owner_out(
    client: Any, how: str
) -> None:
    """The last owner lives and is cut off; who starts knows of no epoch, and asks first."""
    old = int(acquire(client, "last")[1])
    assert apply_result(client, old, 1) == ["applied", "1"]
    lose_the_epoch(client, how)
    second_after(client, old)
    word, new = acquire(client, "fresh")[:2]
    assert (word, int(new) > old) == ("owner", True)

    for number in (1, 2):  # one of them is the number that the new owner's batch has, too
        assert apply_result(client, old, number) == ["fenced", new]
    assert restore(client, intent(idem="k"), epoch=old) == ["fenced", new]
    gap = functions.gap(KEYS, old, ["alpha"], skipped=100, halted="by the last owner")
    assert call(client, gap) == ["fenced", new]
    for action in ("renew", "release"):
        one = functions.lease(KEYS, action, owner="last", epoch=old, ttl_ms=3000)
        assert call(client, one)[:2] == ["lost", new]
    again = functions.lease(KEYS, "acquire", owner="last", epoch=old, ttl_ms=3000)
    assert call(client, again)[:2] == ["held", "fresh"]
    client.delete(KEYS.lease)  # nobody renews it: the epoch alone still keeps the last owner out
    one = functions.lease(KEYS, "renew", owner="last", epoch=old, ttl_ms=3000)
    assert call(client, one)[:2] == ["lost", new]

    untouched = [KEYS.halt, KEYS.idem("alpha", "k"), KEYS.applied, KEYS.handover]
    assert not client.exists(*untouched)
    assert client.get(KEYS.epoch) == new
    assert apply_result(client, int(new), 1) == ["applied", "1"]


@pytest.mark.parametrize("emptied", [False, True])
def test_an_acquisition_whose_reply_was_lost_is_answered_again(client: Any, emptied: bool) -> None:
    def ask(once: str, owner: str = "w1", **more: Any) -> Any:
        one = functions.lease(
            *(KEYS, "acquire"), owner=owner, epoch=known, ttl_ms=3000, once=once, **more
        )
        return call(client, one)

    known = int(acquire(client)[1])
    if emptied:
        client.flushall()
    first = ask("w1/2")
    client.delete(KEYS.lease)  # it expired meanwhile, and nobody took it
    again = ask("w1/2", patient=True)
    assert [again[:2], again[3:]] == [first[:2], first[3:]]
    assert int(first[1]) > known
    assert first[4] == ("" if emptied else str(known))
    assert client.hget(KEYS.lease, "owner") == "w1"
    client.delete(KEYS.lease)
    other = ask("w2/1", "w2")
    assert (int(other[1]) > int(first[1]), other[4]) == (True, first[1])
    client.delete(KEYS.lease)
    last = ask("w1/2")
    assert int(last[1]) > int(other[1]), "somebody owned the account since"
    assert last[4] == other[1]


def test_a_repeated_acquisition_is_never_answered_below_what_its_taker_knows(client: Any) -> None:
    """It met a newer owner between, and this server never heard of that one."""

    def ask(known: int) -> Any:
        one = functions.lease(KEYS, "acquire", owner="w", epoch=known, ttl_ms=3000, once="w/1")
        return call(client, one)

    first = ask(0)[1]
    newer = int(first) + 1_000
    assert ask(0)[1] == first
    assert ask(newer)[1] == str(newer + 1)


def restore(
    client: Any,
    fields: dict[str, str],
    epoch: int | None = None,
    ended_ms: int | None = None,
) -> Any:
    """Write an order back, as the owner unless another epoch is given."""
    oid, key = fields["oid"], ("alpha", fields.get("idem", ""))
    epoch = held(client) if epoch is None else epoch
    ends: dict[str, Any] = {"ended_ms": ended_ms, "keep_ms": 60_000, "now_ms": 100_000}
    one = functions.restore(
        KEYS, epoch, "alpha", oid, fields.get("client_id", oid), fields, key=key, **ends
    )
    return call(client, one)


def test_restore_writes_an_order_back_and_tells_who_took_its_key(client: Any) -> None:
    current = acquire(client)[1]
    taken, lives, ended = intent(idem="k"), intent(idem="k"), intent(idem="old")
    assert admit(client, taken) == ["admitted", taken["oid"]]

    assert restore(client, lives, epoch=int(current) - 1) == ["fenced", current]
    assert restore(client, lives) == ["restored", taken["oid"]]
    assert restore(client, lives) == ["restored", ""]
    assert client.get(KEYS.idem("alpha", "k")) == lives["oid"]
    assert client.ttl(KEYS.idem("alpha", "k")) == -1
    assert restore(client, ended, ended_ms=99_900) == ["restored", ""]
    assert 0 < client.pttl(KEYS.idem("alpha", "old")) <= 59_900
    assert client.smembers(KEYS.open("alpha")) == {taken["oid"], lives["oid"]}
    assert client.zrange(KEYS.ended("alpha"), 0, -1) == [ended["oid"]]
    assert client.hget(KEYS.clients, ended["oid"]) == f"alpha/{ended['oid']}/ended"


def test_restore_moves_an_order_out_of_the_place_where_an_older_server_has_it(client: Any) -> None:
    acquire(client)
    ends, lives = intent(client_id="e"), intent(client_id="l")
    for fields in (ends, lives):
        admit(client, fields)
    restore(client, lives, ended_ms=99_000)
    for _ in range(2):
        restore(client, ends, ended_ms=99_000)
        restore(client, lives)
        assert client.smembers(KEYS.open("alpha")) == {lives["oid"]}
        assert client.zrange(KEYS.ended("alpha"), 0, -1) == [ends["oid"]]
        assert client.hgetall(KEYS.clients) == {
            "e": f"alpha/{ends['oid']}/ended",
            "l": f"alpha/{lives['oid']}",
        }
    admit(client, later := intent(client_id="e"))
    restore(client, ends, ended_ms=99_000)
    assert client.hget(KEYS.clients, "e") == f"alpha/{later['oid']}", "its id was taken again"


def test_restore_brings_no_key_back_that_has_expired_meanwhile(client: Any) -> None:
    acquire(client)
    expired, admitted = intent(idem="k"), intent(idem="k")
    admit(client, admitted)
    assert restore(client, expired, ended_ms=40_000) == ["restored", ""]
    assert client.get(KEYS.idem("alpha", "k")) == admitted["oid"]


def test_restore_writes_an_order_of_thousands_of_fills(client: Any) -> None:
    acquire(client)
    fields = intent() | {f"fill:{number}": "0.1@89500" for number in range(10_000)}
    assert restore(client, fields) == ["restored", ""]
    assert client.hgetall(KEYS.order("alpha", fields["oid"])) == fields


def test_a_gap_is_left_for_the_strategies_named_and_a_halt_kept_though_memory_is_full(
    client: Any,
) -> None:
    epoch = int(acquire(client)[1])
    apply_result(client, epoch, 1)

    def leave(held: int, halted: str) -> Any:
        names = ["alpha", "beta"]
        return call(client, functions.gap(KEYS, held, names, skipped=100, halted=halted))

    client.config_set("maxmemory", 1)
    try:
        assert leave(epoch - 1, "by hand") == ["fenced", str(epoch)]
        assert not client.exists(KEYS.halt)
        assert leave(epoch, "by hand") == leave(epoch, "") == ["skipped", "2"]
    finally:
        client.config_set("maxmemory", 0)
    assert client.get(KEYS.halt) == "by hand"
    assert client.hgetall(KEYS.seq) == {"alpha": "201", "beta": "200"}


def test_a_halt_is_set_and_removed_and_the_owner_woken_each_time_though_memory_is_full(
    client: Any,
) -> None:
    client.config_set("maxmemory", 1)
    try:
        assert call(client, functions.halt(KEYS, "by hand"))[0] == "halted"
        assert call(client, functions.halt(KEYS, "by hand"))[0] == "halted"
        assert client.get(KEYS.halt) == "by hand"
        word, last_id = call(client, functions.halt(KEYS, ""))
    finally:
        client.config_set("maxmemory", 0)
    assert word == "resumed"
    assert not client.exists(KEYS.halt)
    notes = client.xrange(KEYS.control)
    assert [fields["why"] for _, fields in notes] == ["by hand", "by hand", ""]
    assert {fields["kind"] for _, fields in notes} == {ControlKind.HALT}
    assert notes[-1][0] == last_id


@pytest.mark.parametrize(("keys", "args"), [((), ("x",)), ((KEYS.halt, KEYS.control), ())])
def test_a_halt_by_hand_that_lacks_something_changes_nothing(
    client: Any, keys: tuple[str, ...], args: tuple[str, ...]
) -> None:
    client.set(KEYS.halt, "before")
    with pytest.raises(redis.exceptions.ResponseError, match="INVALID halt"):
        call(client, functions.Call("or1_halt", keys, args))
    assert client.get(KEYS.halt) == "before"
    assert not client.exists(KEYS.control)


def apply_result(client: Any, epoch: int, number: int) -> Any:
    batch = functions.Batch()
    batch.result(KEYS, "alpha", {"type": "order", "oid": "x"})
    return call(client, batch.call(KEYS, epoch, number))


def test_apply_refuses_an_older_epoch_and_drops_a_repeated_batch(client: Any) -> None:
    epoch = int(acquire(client)[1])
    assert apply_result(client, epoch, 1) == ["applied", "1"]
    assert apply_result(client, epoch, 1) == ["repeat", "1"]
    assert apply_result(client, epoch - 1, 9) == ["fenced", str(epoch)]
    assert [fields["seq"] for _, fields in client.xrange(KEYS.results("alpha"))] == ["1"]


def test_apply_takes_no_batch_whose_predecessor_the_server_lost(client: Any) -> None:
    epoch = int(acquire(client)[1])
    assert apply_result(client, epoch, 2) == ["behind", "0"]
    assert apply_result(client, epoch, 1) == ["applied", "1"]
    assert apply_result(client, epoch, 3) == ["behind", "1"]
    assert client.xlen(KEYS.results("alpha")) == 1


def test_the_lease_tells_which_server_it_is(client: Any) -> None:
    told = client.info("server")["run_id"] + client.info("replication")["master_replid"]
    answer = acquire(client)
    assert answer[5:] == [told, ""]
    renew = functions.lease(KEYS, "renew", owner="w1", epoch=int(answer[1]), ttl_ms=3000)
    assert call(client, renew)[3] == told
    client.hset(KEYS.status, "server", "another")
    assert acquire(client)[5:] == [told, "another"]


def test_apply_writes_order_result_and_settlement_together(client: Any) -> None:
    acquire(client)
    fields = intent(idem="k")
    admit(client, fields)
    oid = fields["oid"]
    [(_, entries)] = client.xreadgroup("workers", "e1", {KEYS.intents("alpha"): ">"})
    batch = functions.Batch()
    batch.order(KEYS, "alpha", oid, {"state": "FILLED"})
    batch.place(KEYS, "alpha", oid, "ended", end_ms=5)
    batch.result(KEYS, "alpha", {"type": "order", "oid": oid})
    batch.settle(KEYS.intents("alpha"), entries[0][0])
    batch.client(KEYS, oid, f"alpha/{oid}/ended")
    batch.idem(KEYS.idem("alpha", "k"), oid, 60_000)
    batch.hash(KEYS.status, {"private": "connected"})
    batch.reply(KEYS.reply("q"), "{}")
    assert call(client, batch.call(KEYS, held(client), 1)) == ["applied", "8"]
    assert client.scard(KEYS.open("alpha")) == 0
    assert client.zscore(KEYS.ended("alpha"), oid) == 5
    assert client.xlen(KEYS.intents("alpha")) == 0
    assert client.xpending(KEYS.intents("alpha"), "workers")["pending"] == 0
    assert 0 < client.pttl(KEYS.idem("alpha", "k")) <= 60_000


def test_one_key_of_a_wrong_type_does_not_take_the_others_with_it(client: Any) -> None:
    acquire(client)
    client.set(KEYS.order("alpha", "bad"), "not a hash")
    batch = functions.Batch()
    batch.order(KEYS, "alpha", "bad", {"state": "FILLED"})
    batch.result(KEYS, "alpha", {"type": "order", "oid": "good"})
    answer = call(client, batch.call(KEYS, held(client), 1))
    assert answer[:2] == ["applied", "2"]
    assert "WRONGTYPE" in answer[2]
    assert client.xlen(KEYS.results("alpha")) == 1


def test_release_frees_only_what_has_ended(client: Any) -> None:
    fields = intent(idem="k")
    oid = fields["oid"]
    admit(client, fields)
    release = functions.release(KEYS, "alpha", "alpha", "k", oid)
    assert call(client, release) == "live"
    client.hset(KEYS.order("alpha", oid), "state", "UNKNOWN")
    assert call(client, release) == "unknown"
    client.hset(KEYS.order("alpha", oid), "state", "FAILED")
    assert call(client, release) == "released"
    assert call(client, release) == "free"


def cancel_fields(oid: str) -> dict[str, str]:
    return {"v": "1", "request": "cancel", "id": ids.new_request_id(), "oid": oid}


def test_request_takes_own_live_orders_once(client: Any) -> None:
    fields = intent()
    admit(client, fields)
    one = functions.request(
        KEYS, "alpha", cancel_fields(fields["oid"]), valid_for_ms=1000, caps=CAPS
    )
    assert call(client, one) == call(client, one) == ["queued", "INITIALIZED"]
    assert client.xlen(KEYS.intents("alpha")) == 2
    other = functions.request(KEYS, "beta", cancel_fields(fields["oid"]), valid_for_ms=1, caps=CAPS)
    assert call(client, other) == ["not_yours", ""]


def test_a_request_repeated_behind_newer_ones_is_not_queued_again(client: Any) -> None:
    admit(client, fields := intent())
    requests = [
        functions.request(KEYS, "alpha", one, valid_for_ms=1000, caps=CAPS)
        for one in (cancel_fields(fields["oid"]) for _ in range(9))
    ]
    for one in requests[:8]:
        call(client, one)
    for one in requests[:8]:
        assert call(client, one) == ["queued", "INITIALIZED"]
    assert client.xlen(KEYS.intents("alpha")) == 9
    call(client, requests[8])
    kept = client.hget(KEYS.order("alpha", fields["oid"]), "last_request").split(",")
    assert kept == [one.args[0] for one in reversed(requests[1:])]


def test_a_new_instance_starts_at_the_end_and_a_known_one_at_its_cursor(client: Any) -> None:
    apply_result(client, int(acquire(client)[1]), 1)
    registration = Registration(tag=TAG).json_text()

    def register(instance: str) -> Any:
        one = functions.register(KEYS, "alpha", instance, registration, "h 2", wake=False)
        return call(client, one)[1]

    assert register("main") == "0-0"
    assert register("second") == client.xinfo_stream(KEYS.results("alpha"))["last-generated-id"]


def test_a_tag_belongs_to_one_strategy(client: Any) -> None:
    one = functions.register(KEYS, "beta", "main", Registration(tag=TAG).json_text(), "", wake=True)
    assert call(client, one) == ["tag_taken", "alpha"]


@pytest.mark.parametrize(
    "operations",
    ["", "7", "[7]", '[["order",4]]', '[["unknown",4,"a"]]', '[["settle",9,"1-0"]]', "{"],
)
def test_malformed_calls_are_refused_whole(client: Any, operations: str) -> None:
    acquire(client)
    keys = (KEYS.epoch, KEYS.applied, KEYS.seq, KEYS.results("alpha"))
    good = '["result",4,"alpha","type","order"]'
    text = operations.replace("[[", f"[{good},[") if operations.startswith("[[") else operations
    with pytest.raises(redis.ResponseError, match="INVALID apply"):
        call(client, functions.Call("or1_apply", keys, (held(client), 1, text)))
    assert client.xlen(KEYS.results("alpha")) == 0
