"""How long the SDK waits, retries and caches; all in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The SDK's durations. The defaults suit a local or same-region Redis.

    Raises:
        ValueError: If a blocking read would outlast the socket's timeout.
    """

    retry_for_s: float = 2.0
    """How long a call that got no answer is repeated with the same arguments."""
    socket_timeout_s: float = 1.0
    block_s: float = 0.25
    """The longest blocking read, hence how late ``stop`` is noticed."""
    query_timeout_s: float = 10.0
    alive_every_s: float = 5.0
    instance_gone_after_s: float = 10.0
    cursor_every_s: float = 0.05
    instruments_every_s: float = 60.0
    stale_book_after_s: float = 0.005
    """Books read longer ago than this are read again before a callback sees them."""
    reconnect_first_s: float = 0.05
    reconnect_most_s: float = 2.0
    wait_for_books: bool = True
    """False lets ``subscribe_bookl1`` return without a first book (test harness)."""

    def __post_init__(self) -> None:
        if not 0 < self.block_s < self.socket_timeout_s:
            raise ValueError(
                f"block_s {self.block_s} must lie between 0 and socket_timeout_s "
                f"{self.socket_timeout_s}, else an idle read looks like a lost connection"
            )
