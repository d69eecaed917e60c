"""What other processes do in the A tests; it imports little, since each process imports it."""

import multiprocessing
from decimal import Decimal
from typing import Any

import redis

from router import functions, ids
from router.contracts import CreateIntent
from router.enums import OrderSide, OrderType
from router.keyspace import AccountKeys

SYMBOL = "BTCUSDT-PERP.OKX"
FAR_PRICE = Decimal("85500")
SUBMITTER = "submitter"

#: Processes are forked from one that has imported this module, so that eight begin like one.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


def admission(keys: AccountKeys, oid: str, key: str) -> functions.Call:
    """Return the call that admits a resting order of the strategy "alpha" under ``key``."""
    intent = CreateIntent(
        oid=oid,
        client_id=oid,
        idem=key,
        symbol=SYMBOL,
        side=OrderSide.BUY,
        type=OrderType.LIMIT,
        amount=Decimal("0.001"),
        price=FAR_PRICE,
    )
    return functions.admit(
        keys,
        "alpha",
        [functions.Admission(intent.fields(), "alpha", 600_000)],
        caps=functions.Caps(),
    )


def fire(account: str, url: str, rounds: int, barrier: Any, answers: Any) -> None:
    """Fire the same key in each round, in step with the other processes."""
    keys, tag = AccountKeys(account), ids.strategy_tag("alpha")
    client = redis.Redis.from_url(url, decode_responses=True, retry=None)
    for number in range(rounds):
        barrier.wait()
        call = admission(keys, ids.new_oid(tag), f"round:{number}")
        answers.put((number, client.fcall(*call.fcall())[1]))


def keep_submitting(account: str, url: str) -> None:
    """Admit one order after the other until killed."""
    keys, tag = AccountKeys(account), ids.strategy_tag("alpha")
    client = redis.Redis.from_url(url, retry=None, client_name=SUBMITTER)
    while True:
        oid = ids.new_oid(tag)
        client.fcall(*admission(keys, oid, f"k:{oid}").fcall())


def make_ids(count: int, name: str, answers: Any) -> None:
    """Answer ``count`` fresh oids of a strategy."""
    tag = ids.strategy_tag(name)
    answers.put([ids.new_oid(tag) for _ in range(count)])
