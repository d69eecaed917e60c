"""The account's owner of one epoch: wires the parts, starts them in order, hands events on."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import cache, partial

from router.evidence import Fill, OrderReport
from router.keyspace import AccountKeys, VenueKeys
from router.orders import OrderRecord
from router.settings import Durability
from workers.checks import Checks
from workers.clients import Clients
from workers.clock import Clock
from workers.connection import NO_SOCKET, Connection
from workers.connects import Connects
from workers.desk import Desk
from workers.doubt import Doubts
from workers.holdings import Holdings
from workers.inbox import Inbox
from workers.inquiry import Inquiry
from workers.intake import Intake
from workers.lease import Lease
from workers.market_data import MarketData
from workers.metrics import AccountMetrics, Standing
from workers.notes import Notes
from workers.outbox import Outbox, persistently
from workers.pacing import Pacer
from workers.presence import Presence
from workers.publisher import Publisher
from workers.recovery import Recovery
from workers.registry import Registry
from workers.rest import RestClient
from workers.resync import Resync
from workers.setup import AccountSetup
from workers.spool import Spool
from workers.startup import Startup
from workers.statements import Statements
from workers.teller import Teller
from workers.venue import (
    Answer,
    BalancesPushed,
    BookPushed,
    ClockOff,
    FillPushed,
    Instruments,
    OrderPushed,
    PositionsPushed,
    SocketPlan,
    VenueEvent,
)
from workers.wiring import Wiring, end_tasks

log = logging.getLogger(__name__)

EXPIRED_SOCKET_WAIT_S = 3.0
#: Hosts' clocks may differ by this much; orders made about our start are looked up in Redis.
_CLOCKS_DIFFER_MS = 2_000


class Owner:
    """The account's owner of one epoch."""

    def __init__(
        self,
        setup: AccountSetup,
        clients: Clients,
        keys: AccountKeys,
        lease: Lease,
        rest: RestClient,
        clock: Clock,
        connects: Connects,
        metrics: AccountMetrics,
    ) -> None:
        settings, venue = setup.settings, setup.venue
        self._setup = setup
        self._clients = clients
        self._client = clients.account
        self._keys = keys
        self._venue_keys = VenueKeys(venue.exchange, settings.prefix)
        self._lease = lease
        self._clock = clock
        self._rest = rest
        self._connects = connects
        self.on_unknown: Callable[[str, str, str], None] = lambda account, strategy, oid: None
        self.load_functions: Callable[[], Awaitable[None]] = no_functions
        self._outbox = Outbox(
            *(clients.account, keys, lease.epoch, metrics),
            replicated=settings.durability is Durability.REPLICATED,
            spool=(spool := Spool(settings.worker.spool_dir, setup.name)),
        )
        self._spool = spool
        self._teller = Teller(
            keys=keys,
            outbox=self._outbox,
            registry=(registry := Registry(clock.redis_ms() + _CLOCKS_DIFFER_MS)),
            exchange=venue.exchange,
            account_type=venue.account_type,
            epoch=lease.epoch,
            idempotency_ttl_ms=settings.orders.idempotency_ttl_ms,
            now_ms=clock.redis_ms,
            metrics=metrics,
        )
        inquiry = Inquiry(venue, rest, clock, lambda: self._on.instruments, registry.of_venue_id)
        self._on = Wiring(
            account=setup.name,
            venue=venue,
            orders=settings.orders,
            clock=clock,
            registry=registry,
            teller=self._teller,
            inquiry=inquiry,
            rest=rest,
            metrics=metrics,
        )
        self._build()
        metrics.standing = self._standing

    def _build(self) -> None:
        books = self._build_sockets()
        self._build_orders(books)
        self._build_recovery()
        self._build_intake()
        self._build_standing()
        self._wire()
        self._private_was_lost = False
        self._tell_resynced = False
        self._sockets_ready = asyncio.Event()
        self._resyncing: asyncio.Task[None] | None = None

    def _build_sockets(self) -> dict[str, Connection]:
        """Return the public sockets by name; all are in ``_sockets``."""
        venue = self._setup.venue
        trade, private = venue.trade_socket(), venue.private_socket()
        self._trade = self._connection("trade", trade or NO_SOCKET)
        self._private = self._connection("private", private) if private else self._trade
        books = {name: self._of_books(name, plan) for name, plan in venue.public_sockets().items()}
        held = (*([self._trade] if trade else []), self._private, *books.values())
        self._sockets = {one.name: one for one in held}
        return books

    def _build_orders(self, books: dict[str, Connection]) -> None:
        on, venue = self._on, self._setup.venue
        pacer = Pacer(venue.limits, self._setup.settings.worker.pacing)
        self._desk = Desk(on, self._trade, pacer, self._lease.epoch)
        self._statements = Statements(on)
        self._checks = Checks(on, self._statements)
        self._holdings = Holdings(self._keys, self._teller, venue.exchange)
        self._resync = Resync(
            *(on, self._desk, self._checks, self._statements, self._holdings),
            audit_every_s=self._setup.settings.worker.audit_every_s,
        )
        self._doubts = Doubts(on, self._desk, self._checks, self._statements, self._unknown)
        self._inbox = Inbox(on, self._desk, self._checks, self._client, self._keys)
        self._market = MarketData(on, self._clients.venue, self._venue_keys, books)

    def _build_recovery(self) -> None:
        orders = self._setup.settings.orders
        self._recovery = Recovery(
            *(self._on, self._client, self._keys, self._lease, self._outbox),
            load_functions=lambda: self.load_functions(),
            taken_again=self._taken_again,
            reread=self._reread,
            reconcile=self._reconcile_anew,
            skipped=min(50_000, orders.max_unread_results_per_strategy // 2),
        )

    def _build_intake(self) -> None:
        worker = self._setup.settings.worker
        self._intake = Intake(
            *(self._client, self._keys, self._lease.epoch),
            count=worker.read_count,
            on_intents=self._inbox.take,
            on_inherited=self._inbox.inherit,
            on_control=lambda stream, entries: self._notes.take(stream, entries),
            after_read=self._desk.departures.leave_now,
            may_read=self._lease.may_send,
            look_every_s=worker.lease_ttl_ms / 1000,
            forgotten=self._recovery.noticed,
            same_server=self._recovery.confirm,
        )

    def _build_standing(self) -> None:
        """What others may see of the account, and what is kept up with the venue beside orders."""
        on, settings = self._on, self._setup.settings
        self._startup = Startup(
            *(self._setup, on, self._clients, self._keys, self._venue_keys),
            *(self._intake, self._inbox, self._resync),
        )
        self._notes = Notes(
            *(self._keys, self._teller, self._startup, self._resync),
            *(self._inbox, self._statements, self._checks),
            resync_now=self._resync_now,
            is_ours=on.inquiry.is_ours,
        )
        self._publisher = Publisher(
            self._client, self._keys, on.metrics, on.clock, settings.metrics
        )
        self._presence = Presence(
            self._client, self._keys, self._teller, ended_ms=self._lease.before_ended_ms
        )

    def _wire(self) -> None:
        """Tell the parts of each other where each needs the other, or knows nothing of it."""
        self._recovery.halted = lambda: self._desk.halted
        self._recovery.on_repeat = self._inbox.refuse_repeat
        self._lease.on_forgotten = self._recovery.begin
        self._lease.on_other_server = self._recovery.look
        self._lease.on_missing = self._recovery.load
        self._outbox.missing = self._recovery.missing
        self._outbox.held = self._recovery.held
        self._outbox.forgotten = self._recovery.forgotten
        self._inbox.look_again = self._intake.look_again
        self._statements.on_seen = self._desk.seen
        self._statements.on_missing_fills = self._checks.fills_missing
        self._statements.on_doubtful_end = self._checks.later
        self._desk.doubt = self._doubts.begin
        self._desk.ask_truth = self._doubts.ask_truth
        self._desk.check_later = self._checks.later
        self._desk.departures.may_send = self._lease.may_send
        self._desk.reference_price = self._market.reference_price
        self._desk.take_report = self._statements.take
        self._resync.holder = self._inbox.holder
        self._resync.on_audit = partial(self._note_time, "audited_ms")
        self._startup.on_halt = self._desk.halt
        self._startup.on_holdings = self._holdings.restore

    def _of_books(self, name: str, plan: SocketPlan) -> Connection:
        """Return a public socket; a book may name no more than what its socket leaves open."""
        venue = self._setup.venue

        @cache
        def here(listed: Instruments) -> Instruments:
            return listed.only(lambda one: venue.book_socket(one) == name)

        return self._connection(name, plan, lambda: here(self._on.instruments))

    def _connection(
        self, name: str, plan: SocketPlan, instruments: Callable[[], Instruments] | None = None
    ) -> Connection:
        worker = self._setup.settings.worker
        return Connection(
            name,
            plan,
            self._setup.venue,
            self._setup.credentials,
            self._clock,
            instruments=instruments or (lambda: self._on.instruments),
            on_event=self._event,
            on_ready=partial(self._ready, name),
            on_lost=partial(self._lost, name),
            ask=self._rest.ask,
            reconnect_s=(worker.reconnect_first_s, worker.reconnect_most_s),
            open_timeout_s=worker.open_timeout_s,
            connects=self._connects,
            after_answers=name != "trade",
        )

    @property
    def strategies(self) -> set[str]:
        """The strategies whose intents are read now."""
        return self._teller.strategies

    def _standing(self) -> Standing:
        registry = self._on.registry
        return Standing(
            epoch=self._lease.epoch,
            may_send=self._lease.may_send(),
            flights=self._desk.flights,
            paced=self._desk.departures.paced,
            open_orders=registry.live_count,
            unknown_orders=registry.unknown_count,
            outbox_operations=self._outbox.waiting,
            sockets={name: one.ready for name, one in self._sockets.items()},
        )

    # --- life -----------------------------------------------------------------------------------

    async def serve(self, serving: asyncio.Event) -> None:
        """Prepare, then run everything until cancelled or something fails."""
        self._on.failure = asyncio.get_running_loop().create_future()
        await self._write_what_was_kept()
        outbox = asyncio.create_task(self._outbox.run(), name="outbox")
        prepare = asyncio.create_task(self._prepare(), name="prepare")
        tasks = [prepare, asyncio.create_task(self._lease.keep(), name="lease")]
        try:
            await _first_failure([outbox, *tasks[1:], self._on.failure], until=prepare)
            tasks += [
                asyncio.create_task(work, name=name)
                for name, work in {
                    **{f"{one.name} socket": one.run() for one in self._sockets.values()},
                    "deadlines": self._desk.watch_deadlines(),
                    "departures": self._desk.departures.run(),
                    "checks": self._checks.run(),
                    "holdings": self._holdings.publish(),
                    "wanted books": self._market.follow(),
                    "books": self._market.publish(),
                    "venue clock": self._startup.keep_venue_time(),
                    "metrics": self._publisher.run(),
                    "intents": self._begin(serving),
                }.items()
            ]
            await _first_failure([outbox, *tasks[1:], self._on.failure])
        finally:
            await self._stop(tasks, outbox)

    async def _stop(self, tasks: "list[asyncio.Task[None]]", outbox: "asyncio.Task[None]") -> None:
        """Stop reading and sending first, then write what is known, then let everything go."""
        await end_tasks([*tasks, *self._on.tasks])
        if not outbox.done():
            self._presence.down()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._outbox.drained()
        await end_tasks([outbox])

    async def _write_what_was_kept(self) -> None:
        """Write what earlier owners on this host could not, if nobody wrote since."""
        self._spool.prepare()
        for one in self._spool.left() if not self._lease.forgotten else ():
            kept = one.after(*await self._applied())
            if kept:
                log.warning(
                    "%s: writing %d batches of outcomes that epoch %d could not write",
                    *(self._setup.name, len(kept), one.epoch),
                )
                await self._outbox.write_first(kept)
                return
        self._spool.remove_others()

    async def _applied(self) -> tuple[int, int]:
        """Return the epoch that wrote last, and its last batch."""
        ask = partial(self._client.hmget, self._keys.applied, ["epoch", "batch"])
        epoch, batch = await persistently(ask)
        return int(epoch or 0), int(batch or 0)

    async def _prepare(self) -> None:
        await self._startup.prepare()
        await self._presence.succeed()

    async def _begin(self, serving: asyncio.Event) -> None:
        """Reconcile what earlier epochs left, then read intents."""
        with contextlib.suppress(TimeoutError):
            # Orders go by REST if the sockets stay away; nobody has to wait for them.
            async with asyncio.timeout(EXPIRED_SOCKET_WAIT_S):
                await self._sockets_ready.wait()
        careful = self._lease.forgotten or self._lease.moved
        await (self._intake.inherit_all() if self._lease.moved else self._intake.inherit())
        self._doubts.go_on(self._on.registry.live())
        if self._resyncing is None:
            self._start_resync(tell=self._presence.was_away)
        if careful:
            # A new account, or one of which Redis may have lost what came last: what is open at the
            # venue comes first.
            await self._resynced()
        self._presence.up()
        self._teller.hash(self._keys.status, {"server": self._lease.server})
        serving.set()
        log.info("%s: serving", self._setup.name)
        await self._intake.run()

    # --- Redis lost its data ----------------------------------------------------------------------

    async def _taken_again(self, epoch: int) -> None:
        """Go on as this epoch; strategies count as known, until they come back themselves."""
        self._teller.epoch = epoch
        self._outbox.serve_epoch(epoch)
        self._intake.serve_epoch(epoch)
        self._startup.remembered = dict(self._resync.tags)
        await self._startup.load_strategies()
        await self._startup.publish_instruments()

    async def _reread(self) -> None:
        """Read again what others write: a server that lost nothing may have it changed."""
        await self._startup.load_strategies()
        await self._startup.load_halt()

    async def _reconcile_anew(self) -> None:
        """Publish what is known of the account again, and ask the venue what is open."""
        self._holdings.publish_anew()
        for name, one in self._sockets.items():
            if one.ready:
                self._teller.hash(self._keys.status, self._socket_status(name, "connected"))
        self._presence.note()
        await self._resync_now()

    async def _resync_now(self) -> None:
        self._start_resync(tell=True)
        await self._resynced()

    async def _resynced(self) -> None:
        """Return once a resync has ended; one that a lost socket cuts short begins anew."""
        while (resync := self._resyncing) is not None:
            await asyncio.wait({resync})
            if not resync.cancelled():
                return
            if resync is self._resyncing:
                self._start_resync(tell=True)

    # --- events ---------------------------------------------------------------------------------

    def _event(self, event: VenueEvent, session: int) -> None:
        now_ms = self._clock.now_ms()
        match event:
            case Answer():
                self._desk.on_answer(event, session)
            case OrderPushed(report):
                self._pushed(report, partial(self._statements.take, report=report))
            case FillPushed(fill):
                self._pushed(fill, partial(self._statements.take_fills, fills=[fill]))
            case BalancesPushed(balances, complete):
                self._holdings.take_balances(balances, complete=complete, now_ms=now_ms)
            case PositionsPushed(positions, complete):
                self._holdings.take_positions(positions, complete=complete, now_ms=now_ms)
            case BookPushed(top):
                self._market.take(top)
            case ClockOff(reason):
                self._startup.doubt_clock(reason)
            case _:
                log.debug("%s: %r", self._setup.name, event)

    def _pushed(self, what: OrderReport | Fill, take: Callable[[OrderRecord], None]) -> None:
        record = self._on.find(what)
        if record is not None:
            take(record)
        elif what.client_id:
            self._on.spawn(self._find_owner(what, take), f"owner of {what.client_id}")

    async def _find_owner(
        self, what: OrderReport | Fill, take: Callable[[OrderRecord], None]
    ) -> None:
        """Take a push about an order that is not in memory, if it is one of ours."""
        record = await self._inbox.holder(what.client_id)
        if record is None or not self._on.inquiry.is_ours(record, what):
            log.info("%s: external order %s", self._setup.name, what.client_id)
        else:
            take(record)

    def _ready(self, name: str, session: int, why: str) -> None:
        self._on.metrics.socket_connects.add(name)
        self._teller.hash(self._keys.status, self._socket_status(name, "connected"))
        if self._private.ready and (self._trade.ready or self._trade.plan is NO_SOCKET):
            self._sockets_ready.set()
        if name != self._private.name:
            return
        self._teller.status_event("reconnected" if self._private_was_lost else "connected")
        # Whoever was told of an outage waits to be told that all it hid is known.
        self._start_resync(tell=self._private_was_lost or self._presence.was_away)
        self._private_was_lost = False

    def _lost(self, name: str, session: int, why: str) -> None:
        if name == "trade":
            self._desk.session_lost(session, why)
        if self._sockets[name].ready:
            return  # a replaced session went; its successor serves
        self._on.metrics.socket_losses.add(name)
        self._teller.hash(self._keys.status, self._socket_status(name, "disconnected"))
        if name == self._private.name:
            if self._resyncing is not None:
                self._resyncing.cancel()
            self._private_was_lost = True
            self._resync.remember()
            self._teller.status_event("disconnected")

    def _socket_status(self, name: str, state: str) -> Mapping[str, str]:
        # A trade socket that also brings the pushes is shown as both.
        kinds = {name, "private"} if name == self._private.name else {name}
        since_ms = str(self._clock.now_ms())
        return (
            dict.fromkeys(kinds, state)
            | {f"{kind}_since_ms": since_ms for kind in kinds}
            | {"epoch": str(self._lease.epoch)}
        )

    def _start_resync(self, *, tell: bool) -> None:
        """Begin a resync, in place of one under way; who waits for that one's end is told of it."""
        self._tell_resynced = self._tell_resynced or tell
        if self._resyncing is not None:
            self._resyncing.cancel()
        self._resyncing = asyncio.create_task(self._run_resync(), name="resync")
        self._on.tasks.add(self._resyncing)
        self._resyncing.add_done_callback(self._on._ended)

    async def _run_resync(self) -> None:
        await self._resync.run(tell=self._tell_resynced)
        self._tell_resynced = False
        self._presence.was_away = False
        self._note_time("resynced_ms")

    def _note_time(self, of_what: str) -> None:
        self._teller.hash(self._keys.status, {of_what: str(self._clock.now_ms())})

    def _unknown(self, record: OrderRecord) -> None:
        self.on_unknown(self._setup.name, record.strategy, record.oid)


async def no_functions() -> None:
    """Load nothing: the functions are somebody else's business."""


async def _first_failure(
    watched: "list[asyncio.Future[None]]", until: "asyncio.Task[None] | None" = None
) -> None:
    """Raise what ends any of these first; return once ``until`` is done."""
    waiting: set[asyncio.Future[None]] = {*watched, *([until] if until else [])}
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for one in done:
        one.result()
    if until is None or until not in done:
        raise RuntimeError(f"a part of the worker ended by itself: {done}")
