"""Every Redis key, spelt once, each with its type, lifetime and writer.

The braces put all keys of one account into one hash slot, so that each function that touches
several of them also runs on Redis Cluster.
"""

from dataclasses import dataclass
from functools import lru_cache

DEFAULT_PREFIX = "or"
GROUP = "workers"
"""The one consumer group of every intent stream and of the control stream."""


@lru_cache(maxsize=4096)
def _join(prefix: str, account: str, parts: tuple[str, ...]) -> str:
    """Return a key of an account; the few hundred names in use are spelt once."""
    return ":".join((f"{prefix}:{{{account}}}", *parts))


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """The keys of one account."""

    account: str
    prefix: str = DEFAULT_PREFIX

    def _key(self, *parts: str) -> str:
        return _join(self.prefix, self.account, parts)

    def intents(self, strategy: str) -> str:
        """Stream. The strategy's intents not yet settled. Strategy adds; owner acks and deletes."""
        return self._key("intents", strategy)

    def idem(self, owner: str, key: str) -> str:
        """String. The canonical oid. ``SET NX`` by admit; expires ``idempotency_ttl`` after the
        order's end. ``owner`` is a strategy or ``@account``."""
        return f"{self.prefix}:{{{self.account}}}:idem:{owner}:{key}"

    def repeats(self, strategy: str) -> str:
        """Hash. Idempotency key → how often it was repeated. By admit; expires when unused."""
        return self._key("repeats", strategy)

    def order(self, strategy: str, oid: str) -> str:
        """Hash. One order. By admit, then by the owner's apply; archived after its end."""
        return f"{self.prefix}:{{{self.account}}}:order:{strategy}:{oid}"

    def open(self, strategy: str) -> str:
        """Set. oids not ended, unknown ones included. By admit and apply."""
        return self._key("open", strategy)

    def ended(self, strategy: str) -> str:
        """Sorted set. oid → time of its end, ms. By apply; emptied by the archive job."""
        return self._key("ended", strategy)

    def results(self, strategy: str) -> str:
        """Stream. Outcomes and events for the strategy, ``seq`` gap-free. By apply; by admit and
        request where no worker is alive (NO_WORKER); cut by trim."""
        return self._key("results", strategy)

    def cursor(self, strategy: str) -> str:
        """Hash. Instance → id of the last result it handled. By the strategy, and by trim."""
        return self._key("cursor", strategy)

    def gaps(self, strategy: str) -> str:
        """Hash. Instance → JSON: which results were cut before it read them, and why. By trim;
        removed by the instance that has told it."""
        return self._key("gaps", strategy)

    @property
    def seq(self) -> str:
        """Hash. Strategy → last ``seq`` given out. By whoever adds results."""
        return self._key("seq")

    @property
    def strategies(self) -> str:
        """Hash. Strategy → registration JSON; ``strategy@instance`` → who and last seen."""
        return self._key("strategies")

    @property
    def clients(self) -> str:
        """Hash. Client id at the venue → ``strategy/oid`` while live, ``strategy/oid/ended``."""
        return self._key("clients")

    @property
    def lease(self) -> str:
        """Hash with expiry. The owner: owner, epoch, host, pid. By the lease functions."""
        return self._key("lease")

    @property
    def handover(self) -> str:
        """List. One entry when a lease was given up: wakes a standby. By the lease function;
        expires with what the lease had left at most."""
        return self._key("handover")

    @property
    def epoch(self) -> str:
        """String. The fence: the second in which the owner took the account, or later; grows with
        each new owner, never expires."""
        return self._key("epoch")

    @property
    def applied(self) -> str:
        """Hash. epoch and number of the last batch that apply took."""
        return self._key("applied")

    @property
    def status(self) -> str:
        """Hash. Sockets' states, since when, last resync, epoch. By apply; when the lease ends and
        how it was last acquired, by the lease functions."""
        return self._key("status")

    @property
    def metrics(self) -> str:
        """String with expiry. The owner's metrics summed up, JSON. By the owner, every second."""
        return self._key("metrics")

    @property
    def positions(self) -> str:
        """Hash. Symbol → position JSON. By apply."""
        return self._key("positions")

    @property
    def balances(self) -> str:
        """Hash. Asset → balance JSON. By apply."""
        return self._key("balances")

    @property
    def halt(self) -> str:
        """String. Why trading is halted; absent when it is not. By the halt function; by gap on
        a server that lost it."""
        return self._key("halt")

    @property
    def control(self) -> str:
        """Stream. Wakes the owner: evidence by the jobs, halt by the commands. What it says is
        believed, so no strategy may write here (``router/access.py``)."""
        return self._key("control")

    @property
    def arrivals(self) -> str:
        """Stream. Wakes the owner when a strategy registers. By register; the owner deletes."""
        return self._key("arrivals")

    def reply(self, request_id: str) -> str:
        """List. The answer to one query; expires after a minute."""
        return f"{self.prefix}:{{{self.account}}}:reply:{request_id}"

    def resolving(self, strategy: str, oid: str) -> str:
        """String. How often an unknown order's resolver has asked. By the jobs; expires a minute
        after the next attempt is due, so that the sweep begins a lost chain anew."""
        return f"{self.prefix}:{{{self.account}}}:resolving:{strategy}:{oid}"

    @property
    def dead(self) -> str:
        """Stream, capped. What could not be processed, with the reason."""
        return self._key("dead")


@dataclass(frozen=True, slots=True)
class VenueKeys:
    """The keys of one venue's public data, shared by all its accounts."""

    venue: str
    prefix: str = DEFAULT_PREFIX

    def bookl1(self, symbol: str) -> str:
        """Stream, one entry. The latest best bid and ask. By the worker."""
        return f"{self.prefix}:md:{{{self.venue}}}:bookl1:{symbol}"

    @property
    def wanted(self) -> str:
        """Sorted set. Symbol → last time a strategy wanted its book, ms. By strategies."""
        return f"{self.prefix}:md:{{{self.venue}}}:wanted"

    @property
    def instruments(self) -> str:
        """Hash. Symbol → instrument JSON. By the worker."""
        return f"{self.prefix}:instruments:{{{self.venue}}}"


def index(prefix: str = DEFAULT_PREFIX) -> str:
    """Set. The accounts that a worker ever served, for commands that list them."""
    return f"{prefix}:accounts"
