"""A line of its own to Redis: answers in order, and nothing stale after what went wrong."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis.exceptions
import uvloop

from router.servers import ServedElsewhere, Servers
from workers import line
from workers.clients import connect
from workers.line import Line, pack


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Line]:
    client = connect(Servers(url), "")
    one = Line(client)
    try:
        yield one
    finally:
        await one.close()
        await client.aclose()


async def test_answers_are_those_of_redis(redis_url: str) -> None:
    async with opened(redis_url) as one:
        assert await one.ask(pack(("SET", "k", "ü" * 100_000))) == "OK"
        assert await one.ask(pack(("GET", "k"))) == "ü" * 100_000
        assert await one.ask(pack(("GET", "none"))) is None
        await one.ask(pack(("XADD", "s", "1-1", "field", "text")))
        read = await one.ask(pack(("XREAD", "STREAMS", "s", "0")))
        assert read in ({"s": [["1-1", ["field", "text"]]]}, [["s", [["1-1", ["field", "text"]]]]])


async def test_a_refusal_is_raised_and_the_line_goes_on(redis_url: str) -> None:
    async with opened(redis_url) as one:
        with pytest.raises(redis.exceptions.ResponseError, match="unknown command"):
            await one.ask(pack(("NONSENSE",)))
        assert await one.ask(pack(("PING",))) == "PONG"


async def test_a_question_given_up_leaves_its_answer_to_nobody(redis_url: str) -> None:
    async with opened(redis_url) as one:
        await one.ask(pack(("PING",)))
        waiting = asyncio.create_task(one.ask(pack(("BLPOP", "list", "30"))))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await one.ask(pack(("RPUSH", "list", "late"))) == 1, "the BLPOP waits no more"


async def test_a_silent_server_is_given_up(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(redis_url) as one:
        await one.ask(pack(("PING",)))
        with monkeypatch.context() as hasty:
            hasty.setattr(line, "ANSWER_WITHIN_S", 0.02)
            with pytest.raises(TimeoutError, match=r"no answer within 0\.02 s"):
                await one.ask(pack(("BLPOP", "list", "30")))
        assert await one.ask(pack(("PING",))) == "PONG"


async def test_a_lost_connection_is_told_to_who_waits_and_to_who_asks_next(
    redis_url: str, redis_client: Any
) -> None:
    async with opened(redis_url) as one:
        for blocked in (True, False):
            name = await one.ask(pack(("CLIENT", "ID")))
            waiting = (
                asyncio.create_task(one.ask(pack(("BLPOP", "list", "30")))) if blocked else None
            )
            await asyncio.sleep(0)
            await asyncio.to_thread(redis_client.client_kill_filter, _id=name)
            with pytest.raises(redis.exceptions.ConnectionError):
                await (waiting or one.ask(pack(("PING",))))
        assert await one.ask(pack(("PING",))) == "PONG"


async def test_a_server_that_has_the_key_no_more_is_a_lost_connection(redis_url: str) -> None:
    async with opened(redis_url) as one:
        for said in ("READONLY of a replica", "MOVED 7 127.0.0.1:1", "NOREPLICAS too few"):
            script = f"return redis.error_reply('{said}')"
            with pytest.raises(ServedElsewhere, match=said.partition(" ")[2]):
                await one.ask(pack(("EVAL", script, "0")))
        assert await one.ask_both(pack(("ECHO", "a")), pack(("ECHO", "b"))) == ("a", "b")


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("told", [False, True], ids=["closing", "closed"])
def test_a_question_on_a_closed_connection_is_told_as_lost(
    redis_url: str, run: Callable[[Any], None], told: bool
) -> None:
    """uvloop refuses a write to a closed transport with a RuntimeError, a defect to any caller."""

    async def ask() -> None:
        async with opened(redis_url) as one:
            await one.ask(pack(("PING",)))
            answers = one._answers
            assert answers is not None
            answers.transport.abort()
            for _ in range(10 * told):
                await asyncio.sleep(0)
            assert told is (answers._lost is not None)
            with pytest.raises(redis.exceptions.ConnectionError):
                await one.ask(pack(("PING",)))
            assert await one.ask(pack(("PING",))) == "PONG"

    run(ask())
