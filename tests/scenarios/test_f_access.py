"""F5. A strategy's Redis user: its own work runs, everything else is refused by the server."""

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
import redis

from commands.acl import rules_of
from router import access, functions
from router.contracts import ResultType
from router.enums import WsOrderResultType as Result
from router.errors import ConfigError
from router.keyspace import AccountKeys, VenueKeys, index
from simulator.server import RunningSimulator
from tests.scenarios.stack import SYMBOL, Recorder, Stack, running_stack, until

PASSWORD = "their-pass"
#: As docs/access.md gives them.
WORKER = [
    "~or:*",
    "~rq:*",
    "&rq:*",
    "+@all",
    "-@admin",
    "-@dangerous",
    "+info",
    "+role",
    "+function",
]


@pytest.fixture
def guarded(redis_url: str, simulator: RunningSimulator) -> Iterator[Stack]:
    """A stack whose strategies alpha and beta each have a user of their own, of their name."""
    with running_stack(redis_url, simulator) as stack:
        for name in ("alpha", "beta"):
            rules = rules_of(name, [stack.account], stack.settings)
            user = (name, "reset", "on", f">{PASSWORD}", *rules)
            stack.redis.execute_command("ACL", "SETUSER", *user)
        user = ("worker", "reset", "on", f">{PASSWORD}", *WORKER)
        stack.redis.execute_command("ACL", "SETUSER", *user)
        stack.settings = stack.settings.model_copy(update={"redis_url": as_user(stack, "worker")})
        try:
            yield stack
        finally:
            # Their connections are closed with them: strategies stop before the next test begins.
            for runner in stack.runners:
                runner.stop()
                runner.join()
            stack.runners.clear()
            for worker in stack.workers:
                worker.stop()
            stack.workers.clear()
            stack.redis.execute_command("ACL", "DELUSER", "alpha", "beta", "worker")


def as_user(stack: Stack, name: str) -> str:
    server = stack.settings.redis_url.rpartition("/")[0].rpartition("@")[2].removeprefix("redis://")
    return f"redis://{name}:{PASSWORD}@{server}/0"


def start(stack: Stack, name: str) -> Recorder:
    """Start a strategy that knows its own user only."""
    everybody = stack.settings
    stack.settings = everybody.model_copy(update={"redis_url": as_user(stack, name)})
    try:
        return stack.start_strategy(name)
    finally:
        stack.settings = everybody


def test_f5_its_own_work_runs(guarded: Stack) -> None:
    stack = guarded
    alone = start(stack, "alpha")  # registers and is refused by functions of its own rights
    stack.start_worker()
    stack.wait_connected()
    beta = start(stack, "beta")
    alone.subscribe_bookl1(SYMBOL)
    oid = alone.buy(idempotency_key="k", client_oid="mine")
    alone.wait_for(oid, "accepted")
    assert alone.buy(idempotency_key="k") == oid
    shared = alone.buy(idempotency_key="s", idempotency_scope="account")
    alone.wait_for(shared, "accepted")
    assert beta.buy(idempotency_key="s", idempotency_scope="account") == shared
    alone.modify_order_ws(SYMBOL, oid, price=Decimal(80_001))
    until(lambda: alone.orders(oid)[-1].price == Decimal(80_001), "it was modified")
    found = alone.fetch_order(SYMBOL, oid, force_refresh=True)
    assert found is not None
    assert found.price == Decimal(80_001)
    stack.control.fill_order(shared, account=stack.account)
    alone.wait_for(shared, "filled")
    alone.cancel_order_ws(SYMBOL, oid)
    alone.wait_for(oid, "canceled")
    stack.all_told()
    assert alone.release_idempotency_key("k")
    until(lambda: alone.cache.get_position(SYMBOL), "the position is told")
    stack.workers[-1].stop()
    hasty = alone.buy(ws_fallback=False)
    alone.wait_result(hasty, Result.REQUEST_NOT_SENT)
    stack.check(alone, beta)
    assert len(stack.ledger().orders) == 2


def forbidden(mine: AccountKeys, other: str, oid: str) -> Iterator[tuple[Any, ...]]:
    """Yield what a strategy may not do, command by command."""
    theirs = [
        *(mine.intents(other), mine.order(other, oid), mine.open(other), mine.ended(other)),
        *(mine.results(other), mine.cursor(other), mine.gaps(other), mine.repeats(other)),
        mine.idem(other, "k"),
    ]
    control = [
        *(mine.lease, mine.epoch, mine.applied, mine.status, mine.halt, mine.control, mine.dead),
        *(mine.handover, mine.positions, mine.balances, mine.metrics),
    ]
    writes = ("SET", "HSET", "XADD", "DEL", "RPUSH", "SADD", "ZADD", "EXPIRE", "XGROUP")
    for key in (*theirs, *control, index(), VenueKeys("okx").instruments):
        rest: dict[str, tuple[Any, ...]] = {
            "SET": ("x",),
            "HSET": ("a", "b"),
            "XADD": ("*", "a", "b"),
            "RPUSH": ("x",),
        }
        rest |= {"SADD": ("x",), "ZADD": (1, "x"), "EXPIRE": (1,)}
        for command in writes:
            if command == "XGROUP":
                yield (command, "CREATE", key, "g", "0")
            else:
                yield (command, key, *rest.get(command, ()))
    for key in theirs:
        yield from (("GET", key), ("HGETALL", key), ("SMEMBERS", key), ("XRANGE", key, "-", "+"))
        yield ("XREAD", "STREAMS", mine.results("alpha"), key, "0", "0")
    yield from (("HGETALL", mine.clients), ("HDEL", mine.clients, oid), ("DEL", mine.strategies))
    yield ("XREADGROUP", "GROUP", "workers", "me", "STREAMS", mine.intents("alpha"), ">")
    yield from (("EVAL", "return 1", 0), ("CONFIG", "GET", "*"), ("KEYS", "*"), ("SCAN", 0))
    yield from (("FUNCTION", "FLUSH"), ("FLUSHALL",), ("ACL", "LIST"), ("SUBSCRIBE", "x"))
    yield from (("CLIENT", "LIST"), ("MONITOR",), ("SHUTDOWN",))
    yield from (("INFO",), ("SCRIPT", "FLUSH"), ("REPLICAOF", "NO", "ONE"), ("MULTI",))
    # The functions of others, and its own ones with another's keys.
    owner = functions.lease(mine, "acquire", owner="me", epoch=9, ttl_ms=1)
    yield ("FCALL", *owner.fcall())
    admission = functions.Admission({"oid": oid, "client_id": oid}, other, 1_000)
    for call in (
        functions.admit(mine, other, [admission], caps=functions.Caps()),
        functions.request(
            mine,
            other,
            {"oid": oid, "id": "1", "request": "cancel"},
            valid_for_ms=1_000,
            caps=functions.Caps(),
        ),
        functions.release(mine, other, other, "k", oid),
        functions.register(mine, other, "main", '{"tag":"x"}', "me", wake=True),
    ):
        yield ("FCALL", *call.fcall())


def test_f5_everything_else_is_refused(guarded: Stack) -> None:
    stack = guarded
    stack.start_worker()
    alpha, beta = start(stack, "alpha"), start(stack, "beta")
    theirs = beta.buy(idempotency_key="k")
    beta.wait_for(theirs, "accepted")
    before = stack.redis.hgetall(stack.keys.order("beta", theirs))
    passed = []
    user: Any = redis.Redis.from_url(as_user(stack, "alpha"), retry=None, protocol=2)
    with closing(user):
        for command in forbidden(stack.keys, "beta", theirs):
            try:
                user.execute_command(*command)
            except redis.exceptions.NoPermissionError:
                continue
            except redis.exceptions.ResponseError as error:
                if "ACL failure" in str(error):
                    continue
                passed.append((command, str(error)))
            else:
                passed.append((command, "done"))
    assert passed == []
    assert stack.redis.hgetall(stack.keys.order("beta", theirs)) == before
    mine = alpha.buy()
    alpha.wait_for(mine, "accepted")
    stack.check(alpha, beta)
    rows = [row for _, row in stack.redis.xrange(stack.keys.results("beta"))]
    assert {row["oid"] for row in rows if row["type"] == ResultType.ORDER} == {theirs}


def test_a_wrong_password_is_told(guarded: Stack) -> None:
    guarded.start_worker()
    guarded.settings = guarded.settings.model_copy(
        update={"redis_url": as_user(guarded, "alpha").replace(PASSWORD, "wrong")}
    )
    with pytest.raises(ConfigError, match="Check user, password and ACL"):
        guarded.start_strategy("alpha")
    guarded.runners.clear()


def test_the_functions_given_are_those_of_the_sdk() -> None:
    assert {name.removeprefix("or1_") for name in access.FUNCTIONS} < set(functions.FILES)
