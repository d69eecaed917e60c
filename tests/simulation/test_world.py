"""What the simulated world promises: processes, strands, time, stand-ins."""

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulation.loop import Process, Stuck, VirtualLoop
from simulation.standins import PRODUCT, Event, running
from simulation.store import Store, running_server
from simulation.strands import TIMED_OUT
from tests.test_architecture import files, shown, tree

#: Modules by which code reaches the world; each has a stand-in, by the name of the module.
WORLDLY = frozenset(("time", "random", "secrets", "threading", "requests"))
BEGIN_MS = 4_102_444_800_000


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    one = VirtualLoop("test")
    yield one
    one.close()


async def _count(seen: list[float], loop: VirtualLoop) -> None:
    try:
        while True:
            await asyncio.sleep(1.0)
            seen.append(loop.now_s)
    finally:
        seen.append(-1.0)


def _pass(loop: VirtualLoop, seconds: float) -> None:
    loop.run_until_complete(loop.start(loop.director, asyncio.sleep(seconds)))


def test_a_paused_process_stands_still_and_then_goes_on(loop: VirtualLoop) -> None:
    seen: list[float] = []
    process = loop.process("p")
    loop.start(process, _count(seen, loop))
    _pass(loop, 2.5)
    assert len(seen) == 2
    loop.pause(process, 5.0)
    _pass(loop, 4.9)
    assert len(seen) == 2
    _pass(loop, 2.0)
    assert seen[2] >= 7.5
    assert len(seen) in (4, 5)


def test_a_dead_process_does_nothing_more_that_anybody_sees(loop: VirtualLoop) -> None:
    seen: list[float] = []
    process = loop.process("p")
    loop.start(process, _count(seen, loop))
    _pass(loop, 1.5)
    loop.kill(process)
    assert seen[1:] == [-1.0], "its finally ran, in a world that it cannot reach"
    loop.post(process, seen.append, 0.0)
    _pass(loop, 5.0)
    assert len(seen) == 2


def test_a_blow_falls_after_so_many_callbacks(loop: VirtualLoop) -> None:
    seen: list[float] = []
    process = loop.process("p")
    process.fuse = (4, lambda: loop.pause(process, 100.0))
    loop.start(process, _count(seen, loop))
    _pass(loop, 50.0)
    assert len(seen) < 5


def test_strands_block_in_simulated_time(loop: VirtualLoop) -> None:
    seen: list[object] = []
    event = Event(loop)

    def waits() -> None:
        seen.append(running(loop).wait(2.0) is TIMED_OUT)
        seen.append(event.wait(10.0))
        seen.append(round(loop.now_s))

    def sets() -> None:
        running(loop).wait(5.0)
        event.set()

    for work in (waits, sets):
        loop.start_strand(loop.process("p"), work)
    _pass(loop, 20.0)
    assert seen == [True, True, 5]


def test_a_world_in_which_nothing_can_happen_says_so(loop: VirtualLoop) -> None:
    with pytest.raises(Stuck):
        loop.run_until_complete(loop.create_future())


def test_processes_run_in_another_order_with_another_seed() -> None:
    def order(seed: str) -> list[str]:
        loop, seen = VirtualLoop(seed), list[str]()
        for name in "abcdefgh":
            loop.post(loop.process(name), seen.append, name)
        _pass(loop, 1.0)
        loop.close()
        return seen

    assert order("1") == order("1") != order("2")


@pytest.fixture
def store() -> Iterator[Store]:
    with running_server() as path:
        one = Store(path)
        yield one
        one.close()


FUNCTIONS = """#!lua name=order_router_1
do
redis.register_function('when', function(keys, args)
  local time = redis.call('TIME')
  return {time[1], redis.call('PTTL', keys[1]), #args}
end)
redis.register_function{function_name = 'keep', callback = function(keys, args)
  redis.call('SET', keys[1], args[1], 'PX', args[2])
  redis.call('XADD', keys[2], 'MAXLEN', '~', 10, '*', 'a', '*')
  return redis.pcall('PEXPIRE', keys[1], args[2])
end, flags = {'allow-oom'}}
end"""


def test_functions_live_by_the_simulated_time(store: Store) -> None:
    now_ms, added = BEGIN_MS, list[str]()
    store.now_ms = lambda: now_ms
    store.on_added = added.append
    assert store.ask("FUNCTION", "LOAD", "REPLACE", FUNCTIONS) == "order_router_1"
    assert store.ask("FCALL", "keep", 2, "k", "s", "v", 500) == 1
    assert added == ["s"]
    [(entry_id, fields)] = store.ask("XRANGE", "s", "-", "+")
    assert entry_id == f"{BEGIN_MS}-0"
    assert fields == ["a", "*"]
    now_ms += 200
    assert store.ask("FCALL", "when", 1, "k", "one") == [str(BEGIN_MS // 1000), 300, 1]
    assert store.ask("GET", "k") == "v"
    now_ms += 300
    assert store.ask("GET", "k") is None


def test_plain_commands_live_by_the_simulated_time(store: Store) -> None:
    now_ms = BEGIN_MS
    store.now_ms = lambda: now_ms
    store.ask("SET", "k", "v", "PX", 100)
    store.ask("RPUSH", "l", "v")
    store.ask("PEXPIRE", "l", 100)
    assert store.ask("XADD", "s", "*", "a", "1") == f"{BEGIN_MS}-0"
    now_ms += 99
    assert store.ask("EXISTS", "k", "l") == 2
    now_ms += 1
    assert store.ask("EXISTS", "k", "l") == 0


# --- nothing of the product reaches past the stand-ins -------------------------------------------


def _taken_names(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module in WORLDLY:
            yield str(node.module)


def test_the_product_names_the_world_by_its_modules() -> None:
    # ``from time import monotonic`` would be a name that no stand-in reaches.
    taken = {
        (shown(path), name)
        for package in PRODUCT
        for path in files(package)
        for name in _taken_names(path)
    }
    assert taken == set()


def test_processes_are_shown_by_their_names(loop: VirtualLoop) -> None:
    process = loop.process("worker-a")
    assert isinstance(process, Process)
    assert repr(process) == "Process(worker-a)"
    loop.kill(process)
    assert "dead" in repr(process)
