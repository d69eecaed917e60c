"""One question for all who ask it, and never an answer that is older than its question."""

import asyncio

import pytest

from workers.sharing import Shared


class Venue:
    """Answers with the number of the question, when it is let."""

    def __init__(self) -> None:
        self.begun = 0
        self.let = asyncio.Event()

    async def answer(self) -> int:
        self.begun += 1
        number = self.begun
        await self.let.wait()
        return number


@pytest.fixture
def venue() -> Venue:
    return Venue()


async def asking(shared: Shared[int], venue: Venue, count: int) -> "list[asyncio.Task[int]]":
    """Return so many who have just asked."""
    tasks = [asyncio.create_task(shared.ask("open", venue.answer)) for _ in range(count)]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_who_comes_too_late_for_one_question_shares_the_next(venue: Venue) -> None:
    shared: Shared[int] = Shared()
    first = await asking(shared, venue, 1)
    late = await asking(shared, venue, 50)
    assert venue.begun == 1
    venue.let.set()
    assert await asyncio.gather(*first) == [1]
    assert await asyncio.gather(*late) == [2] * 50, "the first had begun before they asked"
    assert "(0 under way)" in repr(shared), "nothing is kept for later"
    assert await shared.ask("open", venue.answer) == 3


async def test_other_questions_do_not_wait(venue: Venue) -> None:
    shared: Shared[int] = Shared()
    slow = await asking(shared, venue, 1)
    ready = Venue()
    ready.let.set()
    assert await shared.ask("history", ready.answer) == 1
    venue.let.set()
    await asyncio.gather(*slow)


async def test_a_failure_is_told_to_all_who_shared_it_and_to_nobody_after(venue: Venue) -> None:
    shared: Shared[int] = Shared()
    blocked = await asking(shared, venue, 1)

    async def fail() -> int:
        venue.begun += 1
        raise LookupError("no answer")

    failing = [asyncio.create_task(shared.ask("open", fail)) for _ in range(5)]
    await asyncio.sleep(0)
    venue.let.set()
    assert await asyncio.gather(*blocked) == [1]
    told = await asyncio.gather(*failing, return_exceptions=True)
    assert [str(one) for one in told] == ["no answer"] * 5
    assert venue.begun == 2, "asked once for the five"
    assert await shared.ask("open", venue.answer) == 3


async def test_when_the_one_who_asks_is_canceled_the_others_ask(venue: Venue) -> None:
    shared: Shared[int] = Shared()
    [asker] = await asking(shared, venue, 1)
    others = await asking(shared, venue, 2)
    asker.cancel()
    await asyncio.wait({asker})
    venue.let.set()
    assert await asyncio.gather(*others) == [2, 2]
