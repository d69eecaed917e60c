"""Looks at Redis while the storm lasts: who owned which account since when, how full all was."""

import contextlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import redis

from commands.link import text_clients
from router.keyspace import AccountKeys

_EVERY_S = 0.05
_FILLED_EVERY = 10  # looks


class Watch:
    """A thread that asks Redis itself, past all proxies. Use it as a context manager."""

    def __init__(
        self, url: str, accounts: Sequence[AccountKeys], strategies: Sequence[str]
    ) -> None:
        self._client: Any = text_clients(url).of("")
        self._accounts = accounts
        self._strategies = strategies
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self.owners: dict[tuple[str, int], tuple[int, int]] = {}
        """Account and epoch → since when (Redis's time, ms), and the owner's process id."""
        self.most: dict[str, int] = {}
        """The most ever seen of ``intents``, ``open``, ``results``, ``dead`` and ``control``."""

    def __repr__(self) -> str:
        return f"Watch({len(self.owners)} owners seen)"

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()

    def _look(self) -> None:
        looks = 0
        while not self._stop.wait(_EVERY_S):
            looks += 1
            # Redis itself is killed in a storm.
            with contextlib.suppress(redis.RedisError):
                for keys in self._accounts:
                    self._take_owner(keys, self._client.hgetall(keys.lease))
                    if looks % _FILLED_EVERY == 0:
                        self._take_sizes(keys)

    def _take_owner(self, keys: AccountKeys, lease: Mapping[str, str]) -> None:
        if lease:
            at = keys.account, int(lease["epoch"])
            self.owners.setdefault(at, (int(lease["since_ms"]), int(lease["pid"])))

    def _take_sizes(self, keys: AccountKeys) -> None:
        pipeline = self._client.pipeline(transaction=False)
        pipeline.xlen(keys.dead)
        pipeline.xlen(keys.control)
        for name in self._strategies:
            pipeline.xlen(keys.intents(name))
            pipeline.scard(keys.open(name))
            pipeline.xlen(keys.results(name))
        dead, control, *rest = pipeline.execute()
        found = {
            "dead": dead,
            "control": control,
            "intents": max(rest[0::3]),
            "open": max(rest[1::3]),
            "results": max(rest[2::3]),
        }
        for what, size in found.items():
            self.most[what] = max(self.most.get(what, 0), int(size))
