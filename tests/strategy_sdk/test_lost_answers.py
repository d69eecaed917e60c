"""A call whose answer was lost may have run, whatever Redis says of its repetition."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

from router.errors import ConfigError, Denied, RedisUnavailable, RouterError
from strategy_sdk import Timing
from strategy_sdk.constants import OrderSide, OrderType
from strategy_sdk.errors import BatchIncomplete
from strategy_sdk.gateway import ADMIT_TOGETHER
from strategy_sdk.schema import BatchOrder
from strategy_sdk.testing import StrategyHarness, linear_perpetual
from tests.strategy_sdk.recorder import SYMBOL, Recorder

TIMING = Timing(wait_for_books=False, alive_every_s=600)
MISSING = ResponseError("Function not found")
FULL = OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
NO_DISK = ResponseError("MISCONF Errors writing to the AOF file: No space left on device")
WRONGPASS = AuthenticationError("WRONGPASS invalid username-password pair or user is disabled.")
DEMOTED = ReadOnlyError("You can't write against a read only replica.")

Answer = Callable[[Any, Any], Any]


class Script:
    """Plays what becomes of a command's attempts, in turn; after the last it is given up."""

    def __init__(self, harness: StrategyHarness, name: str) -> None:
        self.link, self.name = harness.runner.gateway.link, name
        self.real: Answer = self.link.exchange
        self.turns: list[Answer] = []
        self.over = False
        # By no clock, so that a slow machine has as many attempts; mypy takes no plain assignment.
        setattr(self.link, "_is_over", lambda give_up_at: self.over)  # noqa: B010
        setattr(self.link, "exchange", self)  # noqa: B010

    def __call__(self, connection: Any, commands: Any) -> Any:
        if self.name not in commands[0][:2] or not self.turns:
            return self.real(connection, commands)
        turn = self.turns.pop(0)
        self.over = not self.turns
        return turn(connection, commands)

    def lost(self, connection: Any, commands: Any) -> Any:
        """It runs, and its answer does not come."""
        self.real(connection, commands)
        raise ConnectionError("reply lost")

    @staticmethod
    def refused(by: Exception) -> Answer:
        """It does not run."""

        def turn(connection: Any, commands: Any) -> Any:
            if isinstance(by, AuthenticationError):
                raise by
            return [by] * len(commands)

        return turn


@pytest.fixture
def harness() -> Iterator[StrategyHarness]:
    with StrategyHarness(Recorder(), [linear_perpetual()], timing=TIMING) as one:
        yield one


@pytest.fixture
def admits(harness: StrategyHarness) -> Script:
    harness.strategy.market(SYMBOL)
    return Script(harness, "or1_admit")


def buy(harness: StrategyHarness) -> str:
    strategy: Any = harness.strategy
    oid: str = strategy.buy()
    return oid


def one() -> BatchOrder:
    return BatchOrder(SYMBOL, OrderSide.BUY, OrderType.LIMIT, Decimal("0.001"), Decimal(89_000))


def refused_order(harness: StrategyHarness) -> RouterError:
    """Return what a create raised."""
    with pytest.raises(RouterError) as caught:
        buy(harness)
    return caught.value


def is_not_known(error: RouterError, oid: str) -> bool:
    """Whether the error leaves open that this order lives."""
    text = str(error)
    return (
        isinstance(error, RedisUnavailable)
        and error.oid == oid
        and f"order {oid} MAY have been admitted" in text
        and "othing was" not in text
    )


@pytest.mark.parametrize("refusal", [FULL, NO_DISK, DEMOTED, WRONGPASS])
def test_a_refused_repetition_of_a_create_that_ran_leaves_open_whether_it_was_admitted(
    harness: StrategyHarness, admits: Script, refusal: Exception
) -> None:
    admits.turns = [admits.lost, admits.refused(refusal)]
    error = refused_order(harness)
    [admitted] = harness.creates
    assert is_not_known(error, admitted.oid)
    assert str(refusal) in str(error)


@pytest.mark.parametrize(
    ("refusal", "kind", "says"),
    [
        (FULL, Denied, "nothing was admitted"),
        (NO_DISK, ConfigError, "nothing was written"),
        (WRONGPASS, ConfigError, "nothing was sent"),
    ],
)
def test_a_create_refused_at_its_first_attempt_was_not_admitted(
    harness: StrategyHarness, admits: Script, refusal: Exception, kind: Any, says: str
) -> None:
    admits.turns = [admits.refused(refusal)]
    error = refused_order(harness)
    assert isinstance(error, kind)
    assert says in str(error)
    assert harness.creates == []


@pytest.mark.parametrize("refusal", [FULL, WRONGPASS])
def test_a_refused_repetition_is_repeated_until_it_is_answered(
    harness: StrategyHarness, admits: Script, refusal: Exception
) -> None:
    no = admits.refused(refusal)
    admits.turns = [admits.lost, no, no, admits.real]
    oid = buy(harness)
    assert [one.oid for one in harness.creates] == [oid]


@pytest.mark.parametrize("refusal", [NoPermissionError("no rights"), WRONGPASS])
def test_functions_that_cannot_be_loaded_again_leave_open_what_was_sent_before(
    harness: StrategyHarness, admits: Script, refusal: Exception
) -> None:
    admits.turns = [admits.lost, admits.refused(MISSING)]
    loads = Script(harness, "LOAD")
    loads.turns = [loads.refused(refusal)]
    error = refused_order(harness)
    assert is_not_known(error, harness.creates[0].oid)
    assert str(refusal) in str(error)


def test_functions_whose_loading_is_not_answered_have_admitted_nothing(
    harness: StrategyHarness, admits: Script
) -> None:
    admits.turns = [admits.refused(MISSING)]
    loads = Script(harness, "LOAD")
    loads.turns = [loads.lost]
    error = refused_order(harness)
    assert isinstance(error, RedisUnavailable)
    assert "Nothing was sent" in str(error)
    assert error.oid is None


@pytest.mark.parametrize("refusal", [FULL, MISSING])
def test_once_functions_are_loaded_again_a_refusal_still_leaves_it_open(
    harness: StrategyHarness, admits: Script, refusal: Exception
) -> None:
    admits.turns = [admits.lost, admits.refused(MISSING), admits.refused(refusal)]
    loads = Script(harness, "LOAD")
    loads.turns = [lambda connection, commands: ["order_router_1"]]
    error = refused_order(harness)
    assert is_not_known(error, harness.creates[0].oid)


def test_a_registration_that_fails_leaves_open_what_was_sent_before(
    harness: StrategyHarness, admits: Script
) -> None:
    def unregistered(connection: Any, commands: Any) -> Any:
        return [["unregistered", ""]]

    admits.turns = [admits.lost, unregistered]
    registers = Script(harness, "or1_register")
    registers.turns = [registers.refused(NO_DISK)]
    error = refused_order(harness)
    assert is_not_known(error, harness.creates[0].oid)
    assert "MISCONF" in str(error)


def test_a_batch_whose_answer_was_lost_names_each_order_that_may_live(
    harness: StrategyHarness, admits: Script
) -> None:
    admits.turns = [admits.lost]
    headline = r"^of 2 orders 0 were admitted and live on, 2 MAY have been .*, 0 were refused: "
    with pytest.raises(BatchIncomplete, match=headline) as caught:
        harness.strategy.create_batch_orders([one(), one()])
    told = caught.value
    oids = [create.oid for create in harness.creates]
    assert told.oids == [None, None]
    assert told.maybe == oids
    for error, oid, other in zip(told.errors, oids, reversed(oids), strict=True):
        assert error is not None
        assert is_not_known(error, oid)
        assert other not in str(error)


def test_of_a_large_batch_what_was_answered_is_told_apart_from_what_may_live(
    harness: StrategyHarness, admits: Script
) -> None:

    def second_refused(connection: Any, commands: Any) -> Any:
        answers = admits.real(connection, commands)
        return [answers[0], FULL]

    admits.turns = [admits.lost, second_refused]
    headline = "of 60 orders 50 were admitted and live on, 10 MAY have been .*, 0 were refused"
    with pytest.raises(BatchIncomplete, match=headline) as caught:
        harness.strategy.create_batch_orders([one()] * (ADMIT_TOGETHER + 10))
    told = caught.value
    oids = [create.oid for create in harness.creates]
    assert [a or b for a, b in zip(told.oids, told.maybe, strict=True)] == oids
    assert told.maybe[:ADMIT_TOGETHER] == [None] * ADMIT_TOGETHER


def test_a_batch_refused_in_part_names_none_that_may_live(
    harness: StrategyHarness, admits: Script
) -> None:
    admits.turns = [admits.refused(FULL)]
    with pytest.raises(
        BatchIncomplete, match=r"^0 of 2 orders were admitted .*; refused"
    ) as caught:
        harness.strategy.create_batch_orders([one(), one()])
    assert caught.value.maybe == [None, None]


def test_of_many_cancels_those_that_may_be_queued_are_told_apart(
    harness: StrategyHarness,
) -> None:
    first, second = sorted(buy(harness) for _ in range(2))
    requests = Script(harness, "or1_request")

    def second_refused(connection: Any, commands: Any) -> Any:
        return [requests.real(connection, commands[:1])[0], NO_DISK]

    requests.turns = [requests.lost, second_refused]
    headline = "of 2 orders 1 were asked to cancel, 1 MAY have been .*MAY have been queued"
    with pytest.raises(BatchIncomplete, match=headline) as caught:
        harness.strategy.cancel_all_orders(SYMBOL)
    assert (caught.value.oids, caught.value.maybe) == ([first, None], [None, second])


def test_a_refused_read_is_not_repeated(harness: StrategyHarness) -> None:
    reads = Script(harness, "HGETALL")
    reads.turns = [reads.lost, reads.refused(NoPermissionError("no rights")), reads.real]
    with pytest.raises(ConfigError, match="no rights"):
        harness.runner.gateway.fetch("HGETALL", "some key")


def test_nothing_open_is_nothing_to_cancel_where_replicas_are_asked_too(
    harness: StrategyHarness,
) -> None:
    harness.runner.gateway._replicated = True
    assert harness.strategy.cancel_all_orders(SYMBOL) == []
