"""What is known at the end of a storm, as data: all that its promises are checked against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from demo.told import Told
from simulator.client import Ledger

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Books:
    """What Redis has of one strategy at one account."""

    account: str
    strategy: str
    open: Mapping[str, Fields]
    """Orders not ended, by oid."""
    ended: Mapping[str, Fields]
    results: Sequence[Fields]
    waiting: int = 0
    """Intents on the stream, delivered or not."""
    resolving: frozenset[str] = frozenset()
    """Unknown orders that have a live resolver."""

    @property
    def orders(self) -> dict[str, Fields]:
        """All orders, by oid."""
        return {**self.open, **self.ended}


@dataclass(frozen=True, slots=True)
class Tenure:
    """One epoch: which host owned an account since when (ms). ``account`` is the venue's name."""

    account: str
    epoch: int
    since_ms: int
    address: str


@dataclass(frozen=True, slots=True)
class Halted:
    """When an account was halted. ``account`` is the venue's name for it, ``books`` ours."""

    account: str
    books: str
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Restarted:
    """What came when all workers and jobs were started anew at the end, with nothing to do."""

    requests: Sequence[str] = ()
    """Requests that change orders, as text."""
    results: Sequence[str] = ()
    """Order events and outcomes, as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the storm's processes were set to."""

    expiry_ms: int
    most_delay_ms: int
    lease_ms: int
    caps: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Everything. ``told`` is each result once; ``heard`` what callbacks got, repeats included."""

    ledger: Ledger
    told: Sequence[Told]
    heard: Sequence[Told]
    books: Sequence[Books]
    rules: Rules
    tenures: Sequence[Tenure] = ()
    halts: Sequence[Halted] = ()
    throttles: int = 0
    """How often the simulator throttled since it was told to."""
    most: Mapping[str, int] = field(default_factory=dict)
    restarted: Restarted = Restarted()
    defects: Sequence[str] = ()
    """Processes that ended by themselves without a good reason."""

    def books_of(self, strategy: str) -> list[Books]:
        """Return a strategy's books at all accounts."""
        return [one for one in self.books if one.strategy == strategy]
