"""E. Redis fails over, by Sentinel and in a Cluster: all come back, nothing is done twice."""

import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from commands.checkup_redis import check_servers
from commands.link import connected
from commands.survey import account_names, account_view
from commands.tail import Streams
from demo.redis_groups import Cluster, Sentinels, ask, running_cluster, running_sentinels, wait_for
from router import settings as settings_module
from router.errors import ConfigError
from router.settings import JobSettings
from simulator.server import RunningSimulator
from tests.scenarios.stack import DEADLINE_S, SYMBOL, Recorder, Stack, running_stack, until
from tests.scenarios.test_e_redis_away import gap_free, insist, running_jobs
from tests.scenarios.venues import OKX, USDM, VenueUnderTest
from tests.workers.killable import lease_of
from workers import jobs

REPLICATED = {"durability": "replicated"}


@pytest.fixture
def sentinels() -> Iterator[Sentinels]:
    with running_sentinels(replicas=2) as found:
        yield found


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running_cluster() as found:
        yield found


def submitting(strategy: Recorder, count: int, oids: list[str]) -> threading.Thread:
    """Return a thread that places orders, each under a key of its own, until Redis took them."""

    def submit() -> None:
        oids.extend(insist(strategy, f"k{number}") for number in range(count))

    thread = threading.Thread(target=submit)
    thread.start()
    return thread


def once_each(strategy: Recorder, oids: list[str]) -> bool:
    return all(strategy.of(oid).count(name) == 1 for oid in oids for name in set(strategy.of(oid)))


def test_sentinel_replaces_a_master_in_mid_stream(
    sentinels: Sentinels, simulator: RunningSimulator
) -> None:
    with running_stack(sentinels.url, simulator, others=REPLICATED) as stack:
        worker, strategy = stack.start_worker(), stack.start_strategy()
        oids: list[str] = []
        thread = submitting(strategy, 60, oids)
        until(lambda: len(stack.ledger().requests) > 15, "orders flow")
        old = sentinels.master
        old.kill()
        wait_for(lambda: sentinels.replaced(old), "a replica is the master")
        thread.join(DEADLINE_S)
        assert len(set(oids)) == 60
        for oid in oids:
            strategy.wait_for(oid, "accepted")
        assert strategy.buy(idempotency_key="k0") == oids[0]
        stack.control.fill_order(oids[0], account=stack.account)
        strategy.wait_for(oids[0], "filled")
        strategy.cancel_order_ws(SYMBOL, oids[1])
        strategy.wait_for(oids[1], "canceled")
        stack.check(strategy)
        assert len(stack.ledger().orders) == 60
        assert once_each(strategy, oids)
        assert gap_free(stack)
        assert worker.serving


@pytest.mark.long
def test_a_replica_that_was_away_becomes_the_master_and_gets_back_what_it_lacks(
    sentinels: Sentinels, simulator: RunningSimulator, tmp_path: Path
) -> None:
    """Without a replica's answer the last orders are lost: their owner writes them back."""
    with (
        running_stack(sentinels.url, simulator) as stack,
        running_jobs(stack, tmp_path),  # it asserts that the process lived through it
    ):
        worker, strategy = stack.start_worker(), stack.start_strategy()
        first = [insist(strategy, f"a{number}") for number in range(10)]
        for oid in first:
            strategy.wait_for(oid, "accepted")
        old, replicas = sentinels.master, sentinels.replicas
        for one in replicas:
            one.kill()  # a stopped one would still be given what its socket had received
        late = [insist(strategy, f"b{number}") for number in range(10)]
        for oid in late:
            strategy.wait_for(oid, "accepted")
        epoch = lease_of(worker, stack).epoch
        old.kill()
        for one in replicas:
            one.start()
        wait_for(lambda: sentinels.replaced(old), "a replica is the master")
        again = [insist(strategy, f"b{number}") for number in range(10)]
        until(lambda: lease_of(worker, stack).may_send(), "the owner has written all back")
        until(lambda: stack.redis.hexists(stack.keys.status, "server"), "and noted it")
        for oid, repeat in zip(late, again, strict=True):
            if repeat != oid:  # admitted before its key was there again
                strategy.wait_for(repeat, "failed")
        assert [insist(strategy, f"b{number}") for number in range(10)] == late
        after = insist(strategy, "c")
        strategy.wait_for(after, "accepted")
        stack.check(strategy)
        assert len(stack.ledger().orders) == 21
        assert int(stack.redis.hget(stack.keys.lease, "epoch")) > epoch
        assert worker.serving


# --- Cluster --------------------------------------------------------------------------------------


#: No name serves twice: tests share a simulator.
_numbers = itertools.count(1)


def name_at(cluster: Cluster, master: int, venue: VenueUnderTest) -> str:
    """Return a name of an account whose slot this master has."""
    names = (f"{venue.name}-c{number}-{os.getpid()}" for number in _numbers)
    return next(name for name in names if cluster.master_of(f"or:{{{name}}}:epoch") == master)


def on_cluster(cluster: Cluster) -> dict[str, object]:
    """Return a stack's names and settings: two accounts at two masters; the queue elsewhere."""
    names = name_at(cluster, 0, OKX), name_at(cluster, 1, USDM)
    jobs = JobSettings(redis_url="redis://127.0.0.1:1/0")
    return {"names": names, "others": {"jobs": jobs}}


def seen_by_commands(stack: Stack) -> None:
    """Look at the Cluster as status, tail and doctor do."""
    with connected(stack.settings.redis_url) as clients:
        assert account_names(clients, stack.settings) == sorted(stack.accounts)
        for account in stack.accounts:
            keys = stack.keys_of(account)
            view = account_view(clients.of(keys.epoch), keys)
            assert [one.open for one in view.strategies] == [1]
        streams = Streams(clients, stack.settings, None, "alpha")
        found = {name for name, entries in (*streams.begin(5), *streams.more()) if entries}
        assert found == {f"{account}/alpha" for account in stack.accounts}
        checks = [one.check for one in check_servers(clients.servers, stack.settings)]
        assert sum(check.startswith("functions at ") for check in checks) == 3
    with pytest.raises(ConfigError, match="rq keeps its queue in many slots"):
        jobs.connect(stack.settings.model_copy(update={"jobs": JobSettings()}))


def sweep_at(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many unknown orders the jobs find, looking at every account."""
    monkeypatch.setattr(settings_module, "load", lambda: stack.settings)
    assert jobs.tidy() == {"archived": 0, "trimmed": 0}
    return jobs.sweep()


def test_a_cluster_serves_accounts_in_several_slots_and_replaces_a_master(
    cluster: Cluster, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        ExitStack() as running,
        running_stack(cluster.url, simulator, beside=(USDM,), **on_cluster(cluster)) as stack,  # type: ignore[arg-type]
    ):
        here, there = stack.accounts
        worker = stack.start_worker()
        stack.wait_connected()
        strategy = stack.start_strategy()
        strategy.subscribe_bookl1([one.symbol for one in stack.accounts.values()])

        def buy(account: str) -> str:
            symbol = stack.accounts[account].symbol
            return strategy.buy(symbol=symbol, account_type=account, idempotency_key=None)

        first = {account: buy(account) for account in stack.accounts}
        for oid in first.values():
            strategy.wait_for(oid, "accepted")
        seen_by_commands(stack)
        assert sweep_at(stack, monkeypatch) == 0
        replica = cluster.add_replica(0, running)
        cluster.masters[0].kill()
        while_away = buy(there)  # the other server's account notices nothing
        strategy.wait_for(while_away, "accepted")
        oids: list[str] = []
        thread = submitting(strategy, 3, oids)
        thread.join(DEADLINE_S)
        for oid in oids:
            strategy.wait_for(oid, "accepted")
        stack.control.fill_order(first[here], account=here, amount=Decimal("0.0004"))
        strategy.wait_for(first[here], "partially_filled")
        stack.check(strategy)
        assert len(stack.ledger(here).orders) == 4
        assert len(stack.ledger(there).orders) == 2
        assert once_each(strategy, [*oids, while_away])
        assert worker.serving
        assert replica.process is not None


@pytest.mark.long
def test_an_account_stands_still_while_its_slot_moves_and_goes_on(
    cluster: Cluster, simulator: RunningSimulator
) -> None:
    options: Any = on_cluster(cluster)
    with running_stack(cluster.url, simulator, beside=(USDM,), **options) as stack:
        worker, strategy = stack.start_worker(), stack.start_strategy()
        account = stack.account
        symbol = stack.accounts[account].symbol
        oids = [strategy.buy(symbol=symbol, account_type=account) for _ in range(5)]
        for oid in oids:
            strategy.wait_for(oid, "accepted")
        epoch = lease_of(worker, stack).epoch
        ask(cluster.masters[2], "FUNCTION", "FLUSH")  # as a server that joined later
        submitted: list[str] = []
        thread = submitting(strategy, 20, submitted)
        cluster.move_slot_of(stack.keys.epoch, to=2)
        thread.join(DEADLINE_S)
        assert len(set(submitted)) == 20
        for oid in submitted:
            strategy.wait_for(oid, "accepted")
        strategy.cancel_order_ws(symbol, oids[0], account)
        strategy.wait_for(oids[0], "canceled")
        stack.check(strategy)
        assert len(stack.ledger(account).orders) == 25
        assert once_each(strategy, submitted)
        assert stack.redis.hget(stack.keys.lease, "epoch") == str(epoch), (
            "the owner stayed the owner"
        )
        assert worker.serving
