"""The run itself: starting, stopping, signals, twins, missing functions, files."""

import logging
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from router import access, functions, ids
from router.contracts import Registration
from router.errors import ConfigError, InvalidArgument, RedisUnavailable
from router.keyspace import AccountKeys, VenueKeys
from router.settings import Settings
from strategy_sdk import Runner, Timing, run, run_file, schedule
from strategy_sdk.loader import make_strategy
from strategy_sdk.schema import Order
from strategy_sdk.scripted_worker import ScriptedWorker
from tests.strategy_sdk.conftest import QUICK, Start
from tests.strategy_sdk.recorder import SYMBOL, Recorder
from tests.strategy_sdk.waiting import DEADLINE_S, wait_for

KEYS = AccountKeys("okx-main")
ACCOUNTS = {"okx": "okx-main"}
ROOT = Path(__file__).parents[2]


def test_a_strategy_stops_itself_and_on_stop_may_still_send(
    settings: Settings, worker: ScriptedWorker, redis_client: Any
) -> None:
    class Once(Recorder):
        def on_start(self) -> None:
            self.buy()
            self.stop()

        def on_stop(self) -> None:
            self.cancel_all_orders(SYMBOL)
            super().on_stop()

    once = Once()
    run(once, "alpha", ACCOUNTS, settings=settings, timing=QUICK)
    assert once.names() == ["stop"]
    assert [one.request for one in worker.intents()] == ["create", "cancel"]


def test_what_was_read_and_not_told_before_a_stop_is_told_to_the_next_run(
    settings: Settings, worker: ScriptedWorker
) -> None:
    class OneAtATime(Recorder):
        def on_start(self) -> None:
            if not worker.intents():
                self.oids = [self.buy() for _ in range(3)]
                self.stop()

        def on_filled_order(self, order: Order) -> None:
            super().on_filled_order(order)
            self.stop()

    strategy = OneAtATime()

    def once() -> None:
        run(strategy, "alpha", ACCOUNTS, settings=settings, timing=QUICK)

    once()
    for oid in strategy.oids:
        worker.fill(oid, Decimal("0.001"), Decimal(89_500))
    for told in range(1, 4):
        once()
        assert [order.oid for order in strategy.of("filled")] == strategy.oids[:told]


def test_stop_is_noticed_though_nothing_comes(alpha: Recorder) -> None:
    alpha.stop()
    alpha.runner.join(DEADLINE_S)
    assert alpha.names() == ["start", "stop"]


def test_what_on_start_raises_ends_the_run_and_leaves_nothing_behind(
    settings: Settings, worker: ScriptedWorker
) -> None:
    class Broken(Recorder):
        broken = True

        def on_start(self) -> None:
            if self.broken:
                raise RuntimeError("mine")
            self.stop()

    strategy = Broken()
    with pytest.raises(RuntimeError, match="mine"):
        run(strategy, "alpha", ACCOUNTS, settings=settings, timing=QUICK)
    with pytest.raises(RuntimeError, match="mine"):
        Runner(strategy, "alpha", ACCOUNTS, settings=settings, timing=QUICK).start()
    strategy.broken = False
    run(strategy, "alpha", ACCOUNTS, settings=settings, timing=QUICK)


def test_what_on_stop_raises_does_not_keep_the_place_from_being_stored(
    start: Start, worker: ScriptedWorker, redis_client: Any
) -> None:
    class Broken(Recorder):
        def on_stop(self) -> None:
            raise RuntimeError("mine")

    alpha = start(Broken())
    worker.status("connected")
    wait_for(lambda: alpha.of("status"))
    alpha.runner.stop()
    alpha.runner.join(DEADLINE_S)
    [(last_id, _)] = redis_client.xrange(KEYS.results("alpha"))
    assert redis_client.hget(KEYS.cursor("alpha"), "main") == last_id


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_inside_a_callback_ends_the_run_cleanly(
    start: Start, worker: ScriptedWorker, interrupt: type[BaseException]
) -> None:
    class Interrupted(Recorder):
        def on_private_ws_status(self, status: dict[str, Any]) -> None:
            super().on_private_ws_status(status)
            if status["event"] == "disconnected":
                raise interrupt

    alpha = start(Interrupted())
    for event in ("connected", "disconnected", "reconnected"):
        worker.status(event)
    with pytest.raises(interrupt):
        alpha.runner.join(DEADLINE_S)
    alpha.runner.error = None  # seen; the fixture joins, too
    assert alpha.names() == ["start", "status", "status", "stop"]
    again = start()
    wait_for(lambda: len(again.of("status")) == 2)
    told = [status["event"] for status in again.of("status")]
    assert told == ["disconnected", "reconnected"], "what was not handled to its end is told again"


def test_one_object_runs_once_at_a_time(alpha: Recorder, settings: Settings) -> None:
    with pytest.raises(ConfigError, match="this Recorder runs already"):
        Runner(alpha, "beta", ACCOUNTS, settings=settings).run()
    assert alpha.cache is not None


@pytest.mark.parametrize(
    ("strategy_id", "options", "says"),
    [
        ("Alpha", {}, "strategy_id.*not a legal name"),
        ("alpha", {"instance": "a b"}, "instance.*not a legal name"),
        ("alpha", {"accounts": {}}, "name at least one"),
    ],
)
def test_wrong_names_are_refused_before_anything_is_done(
    settings: Settings, strategy_id: str, options: dict[str, Any], says: str
) -> None:
    accounts = options.pop("accounts", ACCOUNTS)
    with pytest.raises((InvalidArgument, ConfigError), match=says):
        Runner(Recorder(), strategy_id, accounts, settings=settings, **options)
    with pytest.raises(ConfigError, match=r"no instance of strategy_sdk.Strategy"):
        Runner(Recorder, "alpha", ACCOUNTS, settings=settings)  # type: ignore[arg-type]


def test_two_names_with_one_tag_are_refused(settings: Settings, redis_client: Any) -> None:
    registration = Registration(tag=ids.strategy_tag("alpha")).json_text()
    redis_client.hset(KEYS.strategies, "other", registration)
    with pytest.raises(ConfigError, match="choose another name"):
        Runner(Recorder(), "alpha", ACCOUNTS, settings=settings, timing=QUICK).run()


def test_an_unreachable_redis_is_named_at_the_start() -> None:
    timing = Timing(retry_for_s=0.05)
    settings = Settings(redis_url="redis://127.0.0.1:1/0")
    with pytest.raises(RedisUnavailable, match=r"cannot be reached.*Nothing was sent"):
        Runner(Recorder(), "alpha", ACCOUNTS, settings=settings, timing=timing).run()


def test_missing_functions_are_loaded(start: Start, redis_client: Any) -> None:
    redis_client.function_flush()
    alpha = start()
    assert redis_client.function_list(functions.LIBRARY)
    redis_client.function_flush()
    assert alpha.buy()


@pytest.mark.scenario("F5")
def test_a_user_that_may_not_load_functions_is_told_to_start_a_worker(
    settings: Settings, redis_client: Any
) -> None:
    redis_client.acl_setuser(
        "trader",
        enabled=True,
        nopass=True,
        keys=["*"],
        categories=["+@read", "+@write", "+@connection"],
        commands=["+fcall", "+time", "-function"],
    )
    redis_client.function_flush()
    host = settings.redis_url.removeprefix("redis://")
    url = f"redis://trader:any@{host}"
    try:
        with pytest.raises(ConfigError, match="Start a worker first"):
            Runner(Recorder(), "alpha", ACCOUNTS, redis_url=url, settings=settings).run()
        redis_client.acl_setuser("trader", enabled=False)
        with pytest.raises(ConfigError, match=r"refused the user.*nothing was sent"):
            Runner(Recorder(), "alpha", ACCOUNTS, redis_url=url, settings=settings).run()
    finally:
        redis_client.acl_deluser("trader")


@pytest.mark.scenario("F5")
def test_a_user_with_the_least_rights_does_its_own_work_and_no_more(
    start: Start, settings: Settings, redis_client: Any, worker: ScriptedWorker
) -> None:
    rules = access.rules("alpha", [KEYS], [VenueKeys("okx")])
    redis_client.execute_command("ACL", "SETUSER", "alpha", "reset", "on", "nopass", *rules)
    try:
        url = f"redis://alpha:any@{settings.redis_url.removeprefix('redis://')}"
        alpha = start(redis_url=url)
        oid = alpha.buy(idempotency_key="k")
        alpha.subscribe_bookl1(SYMBOL, ready=False)
        worker.book(SYMBOL, "80000", "90000")
        worker.reject(oid, "no")
        redis_client.delete(worker.keys.lease)
        strict = alpha.buy(ws_fallback=False)
        wait_for(lambda: strict in [order.oid for order in alpha.of("failed")])
        wait_for(lambda: alpha.of("failed") and alpha.of("book"))
        assert alpha.release_idempotency_key("k")
        assert alpha.cancel_all_orders(SYMBOL) == []
        other = Runner(Recorder(), "beta", ACCOUNTS, redis_url=url, settings=settings)
        with pytest.raises(ConfigError, match="refused the user"):
            other.run()
        alpha.runner.stop()
        alpha.runner.join(DEADLINE_S)
    finally:
        redis_client.acl_deluser("alpha")


def test_a_second_process_under_one_instance_is_warned_of(
    start: Start, redis_client: Any, worker: ScriptedWorker, caplog: pytest.LogCaptureFixture
) -> None:
    call = functions.register(
        *(KEYS, "alpha", "main", Registration(tag=ids.strategy_tag("alpha")).json_text()),
        "elsewhere 77",
        wake=False,
    )
    redis_client.fcall(*call.fcall())
    start()
    assert "another process (elsewhere 77)" in caplog.text
    assert "--instance" in caplog.text
    caplog.clear()
    start(instance="second")
    assert "another process" not in caplog.text


def await_beat(client: Any, field: str = "alpha@main") -> None:
    """Return after the next sign of life; whatever the one before it did is done, too."""
    before = client.hget(KEYS.strategies, field)
    wait_for(lambda: client.hget(KEYS.strategies, field) != before)


def test_signs_of_life_and_wanted_books_are_kept_fresh(
    alpha: Recorder, worker: ScriptedWorker, redis_client: Any
) -> None:
    wanted = VenueKeys("okx").wanted
    alpha.subscribe_bookl1(SYMBOL, ready=False)
    redis_client.delete(wanted)
    await_beat(redis_client)
    wait_for(lambda: redis_client.exists(wanted))
    assert redis_client.zrange(wanted, 0, -1) == [SYMBOL]
    alpha.unsubscribe_bookl1(SYMBOL)
    await_beat(redis_client)
    redis_client.delete(wanted)
    await_beat(redis_client)
    await_beat(redis_client)
    assert not redis_client.exists(wanted), "nobody wants it any more"


def test_instruments_are_refreshed(start: Start, worker: ScriptedWorker) -> None:
    timing = replace(QUICK, alive_every_s=0.05, instruments_every_s=0.05)
    alpha = start(timing=timing)
    halted = alpha.market(SYMBOL).model_copy(update={"tradable": False})
    worker.publish([halted])
    wait_for(lambda: not alpha.market(SYMBOL).tradable)
    with pytest.raises(InvalidArgument, match="cannot be traded now"):
        alpha.buy()


@pytest.mark.parametrize(
    ("function", "options", "says"),
    [
        (print, {"trigger": "weekly"}, "none of interval, cron, date"),
        (print, {"trigger": "interval", "moons": 3}, "moons"),
        (print, {"trigger": "interval", "seconds": -5}, "not above 0"),
        (print, {"trigger": "interval", "minutes": 1, "seconds": -60}, "not above 0"),
        (print, {"trigger": "cron", "hour": "99"}, "99"),
        ("print", {"trigger": "interval", "seconds": 1}, "no plain function"),
    ],
)
def test_a_wrong_schedule_raises(
    alpha: Recorder, function: Any, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidArgument, match=says):
        alpha.schedule(function, **options)


def test_nothing_scheduled_runs_after_on_stop(start: Start) -> None:
    class Timed(Recorder):
        def on_start(self) -> None:
            self.schedule(self.note, "interval", seconds=0.005, args=("tick",))

    alpha = start(Timed())
    wait_for(lambda: "tick" in alpha.names())
    alpha.runner.stop()
    alpha.runner.join(DEADLINE_S)
    assert alpha.names()[-1] == "stop"


def pool_threads() -> int:
    """Return how many threads have been given scheduled functions."""
    return sum("PoolExecutor" in one.name for one in threading.enumerate())


def await_threads_gone(but: set[threading.Thread]) -> None:
    """Return when all that was scheduled has run or been left out: its threads end after that."""
    wait_for(lambda: set(threading.enumerate()) <= but)


def test_what_waited_when_a_scheduled_function_stopped_the_run_does_not_run(
    settings: Settings, worker: ScriptedWorker
) -> None:
    class Timed(Recorder):
        def on_start(self) -> None:
            for _ in range(3 * schedule.THREADS):
                self.schedule(self.last, "interval", seconds=0.005)
            wait_for(lambda: pool_threads() >= schedule.THREADS)

        def last(self) -> None:
            self.note("last", self.buy())
            self.stop()

    before, timed = set(threading.enumerate()), Timed()
    run(timed, "alpha", ACCOUNTS, settings=settings, timing=QUICK)
    await_threads_gone(before)
    assert timed.names() == ["last", "stop"]
    assert len(worker.intents()) == 1


def test_nothing_gets_in_between_on_stop_and_the_end(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    alpha = start()
    callbacks, end = alpha.runner.callbacks, alpha.runner.callbacks.end
    waiting: list[Future[None]] = []

    def late_end() -> None:
        waiting.append(threads.submit(callbacks.run, alpha.note, "late"))
        wait(waiting, timeout=0.05)  # without the lock it runs at once
        end()

    monkeypatch.setattr(callbacks, "end", late_end)
    with ThreadPoolExecutor() as threads:
        alpha.runner.stop()
        alpha.runner.join(DEADLINE_S)
    assert alpha.names() == ["start", "stop"]


def test_an_interrupt_in_on_stop_lets_nothing_run_after_it(start: Start) -> None:
    class Interrupted(Recorder):
        def on_stop(self) -> None:
            raise KeyboardInterrupt

    alpha = start(Interrupted())
    alpha.runner.stop()
    with pytest.raises(KeyboardInterrupt):
        alpha.runner.join(DEADLINE_S)
    alpha.runner.error = None  # seen; the fixture joins, too
    alpha.runner.callbacks.run(alpha.note, "late")
    assert alpha.names() == ["start"]


def test_nothing_scheduled_runs_after_a_failed_on_start(
    settings: Settings, worker: ScriptedWorker
) -> None:
    class Broken(Recorder):
        def on_start(self) -> None:
            self.schedule(self.tick, "interval", seconds=0.005)
            wait_for(pool_threads)
            raise RuntimeError("mine")

        def tick(self) -> None:
            self.note("tick")
            self.buy()

    before, broken = set(threading.enumerate()), Broken()
    with pytest.raises(RuntimeError, match="mine"):
        run(broken, "alpha", ACCOUNTS, settings=settings, timing=QUICK)
    await_threads_gone(before)
    assert broken.names() == []
    assert worker.intents() == []


SCRIPT = """
import logging
from strategy_sdk import Strategy, run
class Signaled(Strategy):
    def on_start(self): print("started", flush=True)
    def on_stop(self): print("stopped", flush=True)
if __name__ == "__main__":
    run(Signaled(), "alpha", {"okx": "okx-main"})
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_cleanly(redis_url: str, tmp_path: Path, number: int) -> None:
    file = tmp_path / "signaled.py"
    file.write_text(SCRIPT)
    environment = os.environ | {"REDIS_URL": redis_url, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, str(file)],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(number)
        out, errors = process.communicate(timeout=DEADLINE_S)
    assert (out, process.returncode) == ("stopped\n", 0), errors


@pytest.mark.parametrize(
    ("text", "target", "says"),
    [
        ("", "{file}", "is not of the form"),
        ("", "{file}:", "is not of the form"),
        ("", "{folder}/missing.py:Entry", "there is no file"),
        ("import nothing_like_this", "{file}:Entry", "cannot be imported.*nothing_like_this"),
        ("def broken(:", "{file}:Entry", "cannot be imported"),
        (
            "from strategy_sdk import Strategy\nclass Exit(Strategy): pass",
            "{file}:Entry",
            "no class Entry; its strategies: Exit",
        ),
        ("class Entry: pass", "{file}:Entry", "no strategy_sdk.Strategy"),
        ("Entry = 3", "{file}:Entry", "no strategy_sdk.Strategy"),
        (
            "from strategy_sdk import Strategy\n"
            "class Entry(Strategy):\n  def __init__(self, size): pass",
            "{file}:Entry",
            "cannot be made without arguments.*size",
        ),
    ],
)
def test_a_wrong_target_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, target: str, says: str
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = tmp_path / "entry_under_test.py"
    file.write_text(text)
    try:
        with pytest.raises(ConfigError, match=says):
            run_file(target.format(file=file, folder=tmp_path), "alpha", ACCOUNTS)
    finally:
        sys.modules.pop("entry_under_test", None)


def test_a_target_may_import_its_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "neighbour_under_test.py").write_text("NAME = 'n'")
    file = tmp_path / "entry_with_neighbour.py"
    file.write_text(
        "from neighbour_under_test import NAME\nfrom strategy_sdk import Strategy\n"
        "class Entry(Strategy): name = NAME"
    )
    try:
        made: Any = make_strategy(f"{file}:Entry")
    finally:
        for name in ("entry_with_neighbour", "neighbour_under_test"):
            sys.modules.pop(name, None)
    assert made.name == "n"


def test_slow_callbacks_are_named(
    start: Start, worker: ScriptedWorker, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    monkeypatch.setattr("strategy_sdk.callbacks.SLOW_S", 0.0)
    alpha = start()
    with caplog.at_level(logging.WARNING):
        worker.status("connected")
        wait_for(lambda: "on_private_ws_status took" in caplog.text)
    [said] = [one.message for one in caplog.records if "on_private_ws_status" in one.message]
    assert re.fullmatch(
        r"Recorder.on_private_ws_status took \d+\.\d s; this strategy's later callbacks waited",
        said,
    )
    assert alpha.of("status")[0]["event"] == "connected"


def test_an_account_without_an_owner_is_warned_of_once(
    start: Start, worker: ScriptedWorker, caplog: pytest.LogCaptureFixture
) -> None:
    alpha = start(accounts={"okx": ["okx-main", "okx-mian"]})
    warned = [one.getMessage() for one in caplog.records if "no worker owns" in one.getMessage()]
    assert len(warned) == 1
    assert "the account okx-mian now" in warned[0]
    alpha.runner._alive.beat()
    assert caplog.text.count("no worker owns") == 1
