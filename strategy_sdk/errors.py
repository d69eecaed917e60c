"""What a strategy may have to catch: the router's errors and four of the SDK's own.

RouterError
    InvalidArgument     an argument is wrong; nothing was admitted
    Denied              our rules refused it; nothing was sent
    NotYours            no order of this strategy has that oid
    QueryFailed         the venue could not be asked; nothing new is known
    RedisUnavailable    Redis did not answer; the text says whether the order may exist    .oid
    ConfigError         fix the setting and start again
    NotRunning          the strategy is not attached to a run            (SDK)
    NotReady            no book came in time                             (SDK)
    BatchIncomplete     part of a batch was refused, or may be taken     .oids .maybe .errors (SDK)
    HarnessMissing      fakeredis is not installed                       (SDK, tests only)
"""

from collections.abc import Sequence

from router.errors import (
    ConfigError,
    Denied,
    InvalidArgument,
    NotYours,
    OutcomeUnknown,
    QueryFailed,
    RedisUnavailable,
    RouterError,
)

__all__ = [
    "BatchIncomplete",
    "ConfigError",
    "Denied",
    "HarnessMissing",
    "InvalidArgument",
    "NotReady",
    "NotRunning",
    "NotYours",
    "OutcomeUnknown",
    "QueryFailed",
    "RedisUnavailable",
    "RouterError",
]


class NotRunning(RouterError, RuntimeError):
    """The strategy is not attached to a run, so it has no account, no cache and no orders."""

    def __init__(self, strategy: str, wanted: str) -> None:
        super().__init__(
            f"{strategy}.{wanted} works only while the strategy runs; nothing was sent. Start it "
            "with strategy_sdk.run(...) and use it from on_start on, not in __init__"
        )


class NotReady(RouterError, TimeoutError):
    """No book came within ``ready_timeout``; the subscription stays, books come when they come."""


class BatchIncomplete(RouterError):
    """Part of a batch was refused, or nobody knows. All three lists are in the batch's order.

    ``oids`` has None where ``errors`` has the reason. ``maybe`` has the oids of those that MAY have
    been taken, since Redis did not answer: they are no more refused than done.
    """

    def __init__(
        self,
        oids: Sequence[str | None],
        errors: Sequence[RouterError | None],
        done: str = "were admitted and live on",
    ) -> None:
        self.oids = list(oids)
        self.errors = list(errors)
        self.maybe = [one.oid if isinstance(one, RedisUnavailable) else None for one in errors]
        super().__init__(self._headline(done))

    def _headline(self, done: str) -> str:
        each = [f"order {at}: {error}" for at, error in enumerate(self.errors) if error is not None]
        why = "; ".join(each)
        taken = sum(oid is not None for oid in self.oids)
        maybe = sum(oid is not None for oid in self.maybe)
        if not maybe:
            return f"{taken} of {len(self.oids)} orders {done}; refused: {why}"
        return (
            f"of {len(self.oids)} orders {taken} {done}, {maybe} MAY have been (.maybe names "
            f"them), {len(each) - maybe} were refused: {why}"
        )


class HarnessMissing(RouterError, ImportError):
    """The test harness needs ``fakeredis[lua]``."""
