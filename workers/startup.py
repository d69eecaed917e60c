"""What an owner reads before it serves: the venue's clock and instruments, strategies, orders."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable

import redis.exceptions

from router import ids
from router.contracts import Registration
from router.errors import ConfigError
from router.keyspace import GROUP, AccountKeys, VenueKeys, index
from workers.clients import Clients
from workers.inbox import Inbox
from workers.intake import Intake
from workers.outbox import persistently
from workers.resync import Resync
from workers.setup import AccountSetup
from workers.venue import Instruments, UnexpectedReply
from workers.wiring import Wiring

log = logging.getLogger(__name__)

_CLOCK_EVERY_S = 30.0
_CLOCK_LEAST_S = 1.0
_CLOCK_TRIES = 3


class Startup:
    """Loads one account; strategies again whenever one registers."""

    def __init__(
        self,
        setup: AccountSetup,
        wiring: Wiring,
        clients: Clients,
        keys: AccountKeys,
        venue_keys: VenueKeys,
        intake: Intake,
        inbox: Inbox,
        resync: Resync,
    ) -> None:
        self._setup = setup
        self._on = wiring
        self._clients = clients
        self._keys = keys
        self._venue_keys = venue_keys
        self._intake = intake
        self._inbox = inbox
        self._resync = resync
        self._clock_doubted = asyncio.Event()
        self.remembered: dict[str, str] = {}
        """Tag → strategy, of those that Redis forgot and that may not have come back yet."""
        self.on_halt: Callable[[str], None] = lambda why: None
        self.on_holdings: Callable[[Iterable[str], Iterable[str]], None] = lambda one, other: None

    def __repr__(self) -> str:
        return f"Startup({self._setup.name})"

    async def prepare(self) -> None:
        """Load instruments, strategies and orders before the first socket opens."""
        await self._sync_venue_time()
        await self._load_instruments()
        await self.load_strategies()
        await self.load_halt()
        await self._load_orders()
        await self._load_holdings()

    async def _sync_venue_time(self) -> None:
        """Learn the venue's time; ask again where it is known worse than to the skew allowed."""
        for _ in range(_CLOCK_TRIES):
            took_ms = await self._ask_venue_time()
            if took_ms is None or took_ms <= 2 * self._on.orders.clock_skew_ms:
                return

    async def _ask_venue_time(self) -> int | None:
        """Return how long the answer took, None if there was none."""
        request, clock = self._setup.venue.query_time(), self._on.clock
        asked_ms = clock.monotonic_ms()
        try:
            reply = await self._on.rest.ask(request, signed=False)
            venue_ms = self._setup.venue.read_time(reply)
        except UnexpectedReply as error:
            log.warning("%s: the venue's time is unknown: %s", self._setup.name, error)
            return None
        took_ms = clock.monotonic_ms() - asked_ms
        clock.learn_venue(venue_ms, took_ms)
        return took_ms

    def doubt_clock(self, reason: str) -> None:
        """Ask for the venue's time at once: it refused a request for ours."""
        log.warning("%s: the venue's clock is asked for again: %s", self._setup.name, reason)
        self._on.clock.doubt_venue()
        self._clock_doubted.set()

    async def keep_venue_time(self) -> None:
        """Ask for the venue's time now and then, and when it is in doubt, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOCK_EVERY_S):
                    await self._clock_doubted.wait()
            self._clock_doubted.clear()
            await self._sync_venue_time()
            await asyncio.sleep(_CLOCK_LEAST_S)

    async def _load_instruments(self) -> None:
        """Read the venue's instruments and publish them; keep trying until it answers."""
        while True:
            try:
                venue = self._setup.venue
                replies = await self._on.rest.ask_all(venue.query_instruments(), signed=False)
                found = [one for reply in replies for one in venue.read_instruments(reply)]
                await self._check_account_mode()
                break
            except UnexpectedReply as error:
                log.error("%s: the venue cannot be read: %s", self._setup.name, error)
                await asyncio.sleep(0.5)
        self._on.instruments = Instruments(found)
        await self.publish_instruments()

    async def publish_instruments(self) -> None:
        """Write the instruments for strategies to read."""
        texts = {one.symbol: one.model_dump_json() for one in self._on.instruments.all()}
        accounts = index(self._setup.settings.prefix)
        try:
            await persistently(
                lambda: self._clients.venue.hset(self._venue_keys.instruments, mapping=texts)  # type: ignore[arg-type]
            )
            await persistently(lambda: self._clients.index.sadd(accounts, self._setup.name))
        except redis.exceptions.OutOfMemoryError as error:
            # Those of the last owner stand; live orders need us more than strategies need news.
            log.error("%s: instruments were not published: %s", self._setup.name, error)

    async def _check_account_mode(self) -> None:
        request = self._setup.venue.query_account_mode()
        if request is None:
            return
        problem = self._setup.venue.check_account_mode(await self._on.rest.ask(request))
        if problem:
            raise ConfigError(f"account {self._setup.name}", problem)

    async def load_strategies(self) -> None:
        """Read who is registered; their intents, results, tags and grace."""
        raw = await persistently(lambda: self._clients.account.hgetall(self._keys.strategies))
        grace_ms = [self._setup.settings.orders.reconcile_grace_ms]
        tags = dict(self.remembered)
        for name, text in raw.items():
            if "@" in name:
                continue
            tags[ids.strategy_tag(name)] = name
            try:
                registration = Registration.model_validate_json(text)
            except ValueError as error:
                log.error("%s: registration of %s: %s", self._setup.name, name, error)
                continue
            if (wish := registration.grace_ms.get(self._setup.venue.exchange)) is not None:
                grace_ms.append(wish)
        wishes = grace_ms[1:]
        self._resync.grace_ms = max(wishes) if wishes else grace_ms[0]
        self._resync.tags = tags
        self._on.teller.strategies = set(tags.values())
        await self._make_groups()
        self._intake.watch(sorted(self._on.teller.strategies))

    async def load_halt(self) -> None:
        """Read whether the account is halted: a halt outlives the owner that was told of it."""
        halted = await persistently(lambda: self._clients.account.get(self._keys.halt))
        self.on_halt(halted or "")

    async def _load_holdings(self) -> None:
        """Read the positions and balances that the last owner published."""
        positions = await persistently(lambda: self._clients.account.hvals(self._keys.positions))
        balances = await persistently(lambda: self._clients.account.hvals(self._keys.balances))
        self.on_holdings(positions, balances)

    async def _make_groups(self) -> None:
        streams = [self._keys.control, self._keys.arrivals]
        streams += [self._keys.intents(name) for name in sorted(self._on.teller.strategies)]
        client = self._clients.account
        for stream in streams:
            with contextlib.suppress(redis.exceptions.ResponseError):  # BUSYGROUP: it is there
                await persistently(
                    lambda at=stream: client.xgroup_create(at, GROUP, "0", mkstream=True)  # type: ignore[misc]
                )

    async def _load_orders(self) -> None:
        for strategy in sorted(self._on.teller.strategies):
            key = self._keys.open(strategy)
            oids = await persistently(lambda at=key: self._clients.account.smembers(at))  # type: ignore[misc]
            await self._inbox.load(strategy, sorted(oids))
