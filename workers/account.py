"""One account's worker: stands by, then owns and serves until it must stop."""

import asyncio
from collections.abc import Awaitable, Callable

from router.keyspace import AccountKeys
from workers.clients import Clients
from workers.clock import Clock
from workers.connects import Connects
from workers.lease import Lease
from workers.metrics import AccountMetrics
from workers.owner import Owner
from workers.rest import RestClient
from workers.setup import AccountSetup


class AccountWorker:
    """Serves one account as its owner, or stands by."""

    def __init__(
        self,
        setup: AccountSetup,
        clients: Clients,
        connects: Connects,
        *,
        enqueue_unknown: Callable[[str, str, str], None],
        load_functions: Callable[[], Awaitable[None]],
        known_epoch: int = 0,
        metrics: AccountMetrics | None = None,
    ) -> None:
        self._setup = setup
        self._connects = connects
        self._clients = clients
        self._enqueue_unknown = enqueue_unknown
        self._metrics = metrics or AccountMetrics(setup.venue.exchange, setup.name)
        self._keys = AccountKeys(setup.name, setup.settings.prefix)
        self.clock = Clock()
        self._load_functions = load_functions
        self.lease = Lease(
            clients.account,
            self._keys,
            self.clock,
            ttl_ms=setup.settings.worker.lease_ttl_ms,
            known=known_epoch,
        )
        self.serving = asyncio.Event()
        self._owner: Owner | None = None

    @property
    def strategies(self) -> set[str]:
        """The strategies whose intents are read now."""
        return self._owner.strategies if self._owner is not None else set()

    def __repr__(self) -> str:
        return f"AccountWorker({self._setup.name}, serving={self.serving.is_set()})"

    async def run(self) -> None:
        """Stand by, own, serve; until cancelled or the lease is lost.

        Raises:
            LeaseLost: If another worker took the account.
        """
        await self.lease.acquire()
        rest = RestClient(
            self._setup.venue,
            self._setup.credentials,
            self.clock,
            threads=self._setup.settings.worker.rest_threads,
            connect_timeout_s=self._setup.settings.worker.rest_connect_timeout_s,
            read_timeout_s=self._setup.settings.worker.rest_read_timeout_s,
            metrics=self._metrics,
        )
        owner = Owner(
            self._setup,
            self._clients,
            self._keys,
            self.lease,
            rest,
            self.clock,
            self._connects,
            self._metrics,
        )
        owner.on_unknown = self._enqueue_unknown
        owner.load_functions = self._load_functions
        self._owner = owner
        try:
            await owner.serve(self.serving)
        finally:
            self.serving.clear()
            self._metrics.standing = lambda: None
            await self.lease.release()
            # It waits for calls under way, while this loop renews the leases of other accounts.
            await asyncio.to_thread(rest.close)
