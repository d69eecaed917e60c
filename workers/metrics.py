"""What the worker of one account counts: names, labels, buckets, and the cells of the numbers.

The event loop alone writes them; the scrape's thread and ``status`` read. The cells are our own,
since those of prometheus-client cost four times as much (docs/performance.md): it serves them
(exposition.py). Prometheus names begin with ``order_router_``; each carries ``venue`` and
``account`` before the labels named here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from router.enums import RequestKind, WsOrderResultType
from workers.histogram import Histogram

_FIVE_A_DECADE = (1.0, 1.6, 2.5, 4.0, 6.3)
#: 100 µs to 100 s, each bound about 1.6 times the one before.
SECONDS = (*(round(m * 10.0**e, 7) for e in range(-4, 2) for m in _FIVE_A_DECADE), 100.0)
SIZES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0)

#: Stages of an order as the worker sees them; the label ``stage`` of ``stage_seconds``.
STAGES = {
    "age": "from admission to the worker's read, both by the clock of Redis; exact to 1 ms",
    "pacing": "of a request that had to wait: from its turn to its leave",
    "ack": "from the write to the socket to the venue's answer",
    "applied": "from the first outcome of a batch to Redis's word that the batch is written",
    "doubt": "from the doubt to the request's outcome: the ladder",
    "unknown": "of an order whose outcome was lost: from its sending to the truth",
    "resync": "from a socket's return to the account reconciled, failed attempts included",
    "rest": "one REST call, the wait for a free thread included",
}
SIZE_HELP = {
    "apply_operations": "Writes to Redis in one apply.",
    "frame_commands": "Commands in one frame to the venue.",
}
#: Counters: their labels, and what one counts.
COUNTERS: dict[str, tuple[tuple[str, ...], str]] = {
    "requests": (
        ("request", "transport", "outcome", "reason"),
        "Requests that came to their outcome; transport is the last that carried it, or none.",
    ),
    "sends": (("request", "transport"), "Requests written to the venue, copies included."),
    "rest_calls": (("result",), "REST calls by what came back."),
    "throttled": ((), "Answers by which the venue asked for a pause."),
    "dead_letters": ((), "Messages that could not be processed."),
    "refused_writes": ((), "Writes of an apply that Redis refused."),
    "unreplicated": ((), "Applies that no replica had in time (durability = replicated)."),
    "unknown_resolved": (("truth",), "Orders whose lost outcome became known."),
    "resync_failures": ((), "Attempts to reconcile that failed."),
    "socket_connects": (("socket",), "Sessions that became ready, planned replacements included."),
    "socket_losses": (("socket",), "Sessions lost with no other to serve."),
}
GAUGES = {
    "flights": "Requests between their intent and their outcome.",
    "paced": "Requests that wait for the venue's rate limit, or for the lease.",
    "open_orders": "Orders not ended, unknown ones included.",
    "unknown_orders": "Orders whose outcome is not known.",
    "outbox_operations": "Writes to Redis that are not yet confirmed.",
}
#: Outcomes of a request beside those that strategies are told.
ACKED = "ACKED"
NOT_NEEDED = "NOT_NEEDED"
NO_TRANSPORT = "none"
_REASONS = frozenset(("HALTED", "INTENT_EXPIRED", "RATE_LIMITED", "WS_REQUEST_NOT_SENT"))


class Counts:
    """One family of counters, by the values of its labels."""

    __slots__ = ("labels", "numbers")

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = labels
        self.numbers: dict[tuple[str, ...], int] = {} if labels else {(): 0}

    def __repr__(self) -> str:
        return f"Counts({self.numbers})"

    def add(self, *values: str, count: int = 1) -> None:
        """Count one, or more, with these values of the labels."""
        self.numbers[values] = self.numbers.get(values, 0) + count


@dataclass(frozen=True, slots=True)
class Standing:
    """How an owner stands at this moment."""

    epoch: int
    may_send: bool
    flights: int = 0
    paced: int = 0
    open_orders: int = 0
    unknown_orders: int = 0
    outbox_operations: int = 0
    sockets: dict[str, bool] = field(default_factory=dict)


class AccountMetrics:
    """The numbers of one account in this process; they outlive each of its owners."""

    def __init__(self, venue: str = "", account: str = "", since_ms: int = 0) -> None:
        self.venue, self.account, self.since_ms = venue, account, since_ms
        self.age = Histogram(SECONDS)
        self.pacing = Histogram(SECONDS)
        self.ack = Histogram(SECONDS)
        self.applied = Histogram(SECONDS)
        self.doubt = Histogram(SECONDS)
        self.unknown = Histogram(SECONDS)
        self.resync = Histogram(SECONDS)
        self.rest = Histogram(SECONDS)
        self.apply_operations = Histogram(SIZES)
        self.frame_commands = Histogram(SIZES)
        self.counters = {name: Counts(labels) for name, (labels, _) in COUNTERS.items()}
        self.sends = self.counters["sends"]
        self.throttled = self.counters["throttled"]
        self.dead_letters = self.counters["dead_letters"]
        self.refused_writes = self.counters["refused_writes"]
        self.unreplicated = self.counters["unreplicated"]
        self.rest_calls = self.counters["rest_calls"]
        self.unknown_resolved = self.counters["unknown_resolved"]
        self.resync_failures = self.counters["resync_failures"]
        self.socket_connects = self.counters["socket_connects"]
        self.socket_losses = self.counters["socket_losses"]
        self._requests = self.counters["requests"]
        self.standing: Callable[[], Standing | None] = lambda: None
        """Says how the owner stands; None while this process does not own the account."""

    def __repr__(self) -> str:
        return f"AccountMetrics({self.account}, acked={self.ack.count})"

    @property
    def stages(self) -> dict[str, Histogram]:
        """The stages by name, in the order that a request goes through them."""
        return {name: getattr(self, name) for name in STAGES}

    @property
    def sizes(self) -> dict[str, Histogram]:
        """The sizes of what is sent at once, by name."""
        return {name: getattr(self, name) for name in SIZE_HELP}

    def request(
        self, kind: RequestKind, transport: str, result: WsOrderResultType | None, reason: str = ""
    ) -> None:
        """Count a request's outcome; None is a plain success.

        ``transport`` "" means that it was never sent: a success then was not needed any more.
        """
        if result is None:
            outcome, code = ACKED if transport else NOT_NEEDED, ""
        elif result is WsOrderResultType.REQUEST_NOT_SENT:
            outcome, code = str(result), reason_code(reason)
        else:
            outcome, code = str(result), ""
        # str() of a StrEnum costs half of what .value does.
        self._requests.add(str(kind), transport or NO_TRANSPORT, outcome, code)


def reason_code(reason: str) -> str:
    """Return the code that a reason begins with, one of a few: labels must not grow."""
    code = reason.partition(":")[0]
    if code in _REASONS:
        return code
    return "INVALID" if code.startswith("INVALID_") else "OTHER"
