"""A. Idempotency: however often and wherever a signal fires, it is one order."""

import contextlib
import os
import re
import signal
import socket
import threading
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from router import functions, ids
from router.contracts import Registration
from router.enums import OrderStatus
from router.enums import WsOrderResultType as Result
from router.errors import Denied, InvalidArgument
from simulator.server import RunningSimulator
from tests.scenarios.stack import (
    DEADLINE_S,
    FAR_PRICE,
    IN_VAIN,
    SYMBOL,
    Recorder,
    Stack,
    rules,
    running_stack,
    until,
)
from tests.scenarios.submitters import (
    PROCESSES,
    SUBMITTER,
    admission,
    fire,
    keep_submitting,
    make_ids,
)
from tests.scenarios.venues import every_venue


def client_ids(stack: Stack) -> list[str]:
    return [row["client_id"] for row in stack.ledger().orders]


@every_venue
def test_a1_a_thousand_signals_before_the_first_ack_are_one_order(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with stack.control.fault("delay_ack", match=stack.here, delay_ms=700):
        oids = {strategy.buy(idempotency_key="entry:btc:long") for _ in range(1_000)}
        assert len(oids) == 1
    [oid] = oids
    strategy.wait_for(oid, "accepted")
    assert client_ids(stack) == [oid]
    stack.check(strategy)


def test_a2_the_same_key_from_eight_processes_is_one_order_a_round(stack: Stack) -> None:
    rounds, processes = 100, 8
    strategy = stack.start_strategy()
    barrier, answers = PROCESSES.Barrier(processes), PROCESSES.Queue()
    args = (stack.account, stack.settings.redis_url, rounds, barrier, answers)
    fleet = [PROCESSES.Process(target=fire, args=args) for _ in range(processes)]
    for process in fleet:
        process.start()
    told = [answers.get(timeout=DEADLINE_S) for _ in range(rounds * processes)]
    for process in fleet:
        process.join(DEADLINE_S)
    by_round: dict[int, set[str]] = {}
    for number, oid in told:
        by_round.setdefault(number, set()).add(oid)
    assert [len(oids) for oids in by_round.values()] == [1] * rounds
    canonical = {oid for oids in by_round.values() for oid in oids}
    for oid in canonical:
        strategy.wait_for(oid, "accepted")
    assert Counter(client_ids(stack)) == Counter(canonical)
    stack.check(strategy)


class ReplyEater:
    """A TCP proxy before Redis that passes requests on and loses one reply when told to."""

    def __init__(self, url: str) -> None:
        found = re.fullmatch(r"redis://([\d.]+):(\d+)/(\d+)", url)
        assert found
        self._to = (found[1], int(found[2]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}/{found[3]}"
        self.eat_reply_to = b""
        self.eaten = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        far = socket.create_connection(self._to)
        eat = threading.Event()
        back = threading.Thread(target=self._pump_back, args=(near, far, eat), daemon=True)
        back.start()
        with contextlib.suppress(OSError):
            while data := near.recv(65_536):
                if self.eat_reply_to and self.eat_reply_to in data:
                    self.eat_reply_to = b""
                    eat.set()
                far.sendall(data)
        far.close()

    def _pump_back(self, near: socket.socket, far: socket.socket, eat: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := far.recv(65_536):
                if eat.is_set():  # the server has answered, so the call has run
                    self.eaten += 1
                    break
                near.sendall(data)
        with contextlib.suppress(OSError):
            near.shutdown(socket.SHUT_RDWR)  # close alone waits for the thread that reads it
        near.close()

    def close(self) -> None:
        self._listener.close()


def test_a3_a_lost_reply_after_admit_ran_is_one_intent_and_one_order(stack: Stack) -> None:
    eater = ReplyEater(stack.settings.redis_url)
    through = stack.settings.model_copy(update={"redis_url": eater.url})
    direct, stack.settings = stack.settings, through
    strategy = stack.start_strategy()
    stack.settings = direct
    eater.eat_reply_to = b"or1_admit"
    oid = strategy.buy(idempotency_key="k")
    assert eater.eaten == 1
    strategy.wait_for(oid, "accepted")
    assert client_ids(stack) == [oid]
    until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "it was settled")
    stack.check(strategy)
    eater.close()


def submitters(client: Any) -> list[str]:
    """Return the connections of processes that run ``keep_submitting``."""
    return [one["id"] for one in client.client_list() if one["name"] == SUBMITTER]


@pytest.mark.parametrize("admitted", [1, 7, 20])
def test_a4_a_process_killed_inside_submission_leaves_whole_intents_only(
    redis_url: str, simulator: RunningSimulator, admitted: int
) -> None:
    with running_stack(redis_url, simulator, pacing=False) as stack:
        client, keys = stack.redis, stack.keys
        registration = Registration(tag=ids.strategy_tag("alpha")).json_text()
        client.fcall(
            *functions.register(keys, "alpha", "main", registration, "", wake=True).fcall()
        )
        process = PROCESSES.Process(target=keep_submitting, args=(stack.account, redis_url))
        process.start()
        until(lambda: client.xlen(keys.intents("alpha")) >= admitted, "so many were admitted")
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        until(lambda: not submitters(client), "Redis has done what it had said last")
        intents = [fields["oid"] for _, fields in client.xrange(keys.intents("alpha"))]
        orders = {key.rsplit(":", 1)[1] for key in client.keys(keys.order("alpha", "*"))}
        taken = {client.get(key) for key in client.keys(keys.idem("alpha", "*"))}
        assert set(intents) == orders == taken == client.smembers(keys.open("alpha"))
        assert len(intents) == len(orders)
        last = ids.new_oid(ids.strategy_tag("alpha"))
        for oid in intents[-1:]:  # the same call later
            call = admission(keys, last, f"k:{oid}")
            assert client.fcall(*call.fcall()) == ["repeat", oid]
        stack.start_worker()
        until(lambda: client.xlen(keys.intents("alpha")) == 0, "every intent has an outcome")
        assert Counter(client_ids(stack)) == Counter(intents)


@every_venue
def test_a5_a_restarted_strategy_fires_again_and_gets_the_same_order(stack: Stack) -> None:
    first = stack.start_strategy()
    oid = first.buy(idempotency_key="entry")
    first.wait_for(oid, "accepted")
    stack.runners[0].stop()
    stack.runners[0].join()
    second = stack.start_strategy()
    assert second.buy(idempotency_key="entry") == oid
    assert client_ids(stack) == [oid]


def test_a6_an_unknown_outcome_keeps_the_key_taken(
    redis_url: str, simulator: RunningSimulator
) -> None:
    with running_stack(redis_url, simulator, orders=rules(**IN_VAIN)) as stack:
        stack.start_worker()
        strategy = stack.start_strategy()
        rest = stack.here | {"transport": "rest"}
        with (
            stack.control.fault("lose_ack", count=1, match=stack.here | {"op": "place"}),
            stack.control.fault("lose_push", match=stack.here),
            stack.control.fault("rest_5xx", match=rest, status=503, processed=False),
        ):
            oid = strategy.buy(idempotency_key="entry")
            assert strategy.wait_result(oid, Result.ACK_TIMEOUT)["exists"] == "unknown"
            assert strategy.buy(idempotency_key="entry") == oid
            with pytest.raises(Denied, match="KEY_HELD"):
                strategy.release_idempotency_key("entry")
            assert stack.redis.pttl(stack.keys.idem("alpha", "entry")) == -1, "it must not expire"
        # Neither a new worker nor another process of the strategy may take it for free.
        stack.workers[0].stop()
        assert stack.start_strategy(instance="second").buy(idempotency_key="entry") == oid
        stack.start_worker()
        strategy.wait_for(oid, "accepted")
        assert strategy.buy(idempotency_key="entry") == oid
        assert len(stack.ledger().requests_of(oid)) == 1
        assert client_ids(stack) == [oid]
        stack.check(strategy)


def test_a7_a_rejected_key_stays_taken_until_it_is_released(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with stack.control.fault(
        "reject",
        count=1,
        match={**stack.here, "op": "place"},
        code="51008",
        msg="Insufficient balance",
    ):
        refused = strategy.buy(idempotency_key="entry")
        strategy.wait_for(refused, "failed")
    assert strategy.buy(idempotency_key="entry") == refused
    assert stack.ledger().orders == []
    assert strategy.release_idempotency_key("entry")
    traded = strategy.buy(idempotency_key="entry")
    assert traded != refused
    strategy.wait_for(traded, "accepted")
    with pytest.raises(Denied):
        strategy.release_idempotency_key("entry")
    assert client_ids(stack) == [traded]
    stack.check(strategy)


def test_a8_the_same_key_with_another_price_is_the_first_order_and_counted(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = strategy.buy(idempotency_key="entry")
    assert strategy.buy(idempotency_key="entry", price=Decimal("85000")) == oid
    strategy.wait_for(oid, "accepted")
    assert stack.redis.hget(stack.keys.repeats("alpha"), "entry") == "1"
    [row] = stack.ledger().orders
    assert (row["client_id"], Decimal(row["price"] or 0)) == (oid, FAR_PRICE)


def test_a9_client_oid_is_what_the_venue_sees_in_a_legal_form(stack: Stack) -> None:
    strategy = stack.start_strategy()
    legal = strategy.buy(client_oid="entrybtc001")
    illegal = strategy.buy(client_oid="entry_btc_001", idempotency_key="k")
    for oid in (legal, illegal):
        strategy.wait_for(oid, "accepted")
    sent = ids.wire_client_id("entry_btc_001", ids.strategy_tag("alpha"))
    assert sorted(client_ids(stack)) == sorted(["entrybtc001", sent])
    assert strategy.orders(illegal)[-1].client_oid == "entry_btc_001"
    with pytest.raises(InvalidArgument, match="client_oid"):
        strategy.buy(client_oid="entrybtc001")
    assert len(client_ids(stack)) == 2
    strategy.cancel_order_ws(SYMBOL, legal)
    strategy.wait_for(legal, "canceled")
    again = strategy.buy(client_oid="entrybtc001")
    strategy.wait_for(again, "accepted")
    stack.check(strategy)


def test_a11_ids_of_ten_processes_never_collide_and_name_their_strategy(
    redis_url: str, simulator: RunningSimulator
) -> None:
    answers = PROCESSES.Queue()
    names = [f"strategy-{number}" for number in range(10)]
    fleet = [PROCESSES.Process(target=make_ids, args=(10_000, name, answers)) for name in names]
    for process in fleet:
        process.start()
    made = [oid for _ in fleet for oid in answers.get(timeout=DEADLINE_S)]
    for process in fleet:
        process.join(DEADLINE_S)
    assert len(set(made)) == 100_000
    assert all(re.fullmatch(ids.PLAIN_CLIENT_ID, oid) for oid in made)
    owners = {ids.strategy_tag(name): name for name in names}
    assert Counter(owners[ids.tag_of(oid) or ""] for oid in made) == dict.fromkeys(names, 10_000)
    # The venue takes such an id and gives it back unchanged.
    with running_stack(redis_url, simulator) as stack:
        stack.start_worker()
        strategy: Recorder = stack.start_strategy("strategy-0")
        oid = strategy.buy()
        assert strategy.wait_for(oid, "accepted").status is OrderStatus.ACCEPTED
        assert client_ids(stack) == [oid]
