"""What can go wrong, whose fault it is, and what to do next.

RouterError
    InvalidArgument       the caller's argument is wrong; nothing was admitted      .field
    Denied                our rules refused it; nothing was sent                    .code
    NotYours              the order belongs to no one or to another strategy        .oid
    OutcomeUnknown        it may exist at the venue; query, never resend            .oid
    QueryFailed           the venue could not be asked; this says nothing about the order
    LeaseLost             another worker owns the account; stop                     .epoch
    RedisUnavailable      Redis did not answer; what it says of the request is in the text  .oid
    ConfigError           fix the file or variable and start again                  .where
"""


class RouterError(Exception):
    """Any error that this project raises on purpose."""


class InvalidArgument(RouterError, ValueError):
    """An argument is wrong; nothing was admitted. Correct it and call again."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class Denied(RouterError):
    """Our own rules refused the request; nothing was sent and nothing exists at the venue."""

    def __init__(self, code: str, problem: str) -> None:
        super().__init__(f"{code}: {problem}")
        self.code = code


class NotYours(RouterError, LookupError):
    """No order of this strategy has that oid."""

    def __init__(self, oid: str, strategy: str) -> None:
        super().__init__(
            f"strategy {strategy!r} has no order {oid!r}; nothing was sent. "
            "A strategy reaches its own orders only"
        )
        self.oid = oid


class OutcomeUnknown(RouterError):
    """The order may exist at the venue. Query it (``fetch_order``); never send it again."""

    def __init__(self, oid: str, problem: str) -> None:
        super().__init__(f"order {oid} may exist: {problem}. Query it; do not send it again")
        self.oid = oid


class QueryFailed(RouterError):
    """The venue could not be asked, so nothing new is known about the order. Ask again later."""


class LeaseLost(RouterError):
    """Another worker owns the account now; this one must not send or write any more."""

    def __init__(self, account: str, epoch: int, current: int) -> None:
        super().__init__(f"account {account}: epoch {epoch} was superseded by {current}")
        self.epoch = epoch


class RedisUnavailable(RouterError, ConnectionError):
    """Redis did not answer; the text says whether the order may have been admitted.

    ``oid`` names the order whose request may have been taken; None where nothing was sent, or where
    it speaks of several.
    """

    def __init__(self, problem: str, oid: str | None = None) -> None:
        super().__init__(problem)
        self.oid = oid


class ConfigError(RouterError, ValueError):
    """A setting is wrong or missing; ``where`` names the file, key or variable to fix."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where
