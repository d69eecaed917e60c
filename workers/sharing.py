"""One question to the venue for all who ask it at the same time.

Invariant: an answer is given only to those who asked before its question began. What it does not
list was absent after they asked, as if each had asked alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Question(Generic[T]):
    """What is known of one question while anybody waits for its answer."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    askers: int = 0
    begun: int = 0
    answered: int = 0
    answer: T | None = None
    failure: Exception | None = None


class Shared(Generic[T]):
    """Questions under way, by name."""

    def __init__(self) -> None:
        self._questions: dict[Hashable, _Question[T]] = {}

    def __repr__(self) -> str:
        return f"Shared({len(self._questions)} under way)"

    async def ask(self, name: Hashable, fetch: Callable[[], Awaitable[T]]) -> T:
        """Return what ``fetch`` returns or raises, for all that ask by this name meanwhile.

        Who comes while it is being asked waits for the next question, together with the others.
        """
        question = self._questions.setdefault(name, _Question())
        needed = question.begun + 1
        question.askers += 1
        try:
            async with question.lock:
                if question.answered < needed:
                    await self._answer(question, fetch)
                if question.failure is not None:
                    raise question.failure
                return question.answer  # type: ignore[return-value]
        finally:
            question.askers -= 1
            if not question.askers:
                del self._questions[name]

    @staticmethod
    async def _answer(question: _Question[T], fetch: Callable[[], Awaitable[T]]) -> None:
        await asyncio.sleep(0)  # who asks in the same turn of the loop shares this one
        question.begun += 1
        try:
            question.answer, question.failure = await fetch(), None
        except Exception as error:  # noqa: BLE001  # raised to each of those who asked
            question.failure = error
        question.answered = question.begun
