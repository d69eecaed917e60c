"""Takes the notes that come by the account's control stream and by its arrivals."""

import logging
from collections.abc import Awaitable, Callable, Mapping

from router.contracts import ControlKind
from router.evidence import OrderReport, read_report
from router.keyspace import AccountKeys
from router.orders import OrderRecord
from workers.checks import Checks
from workers.inbox import Inbox
from workers.intake import Entry
from workers.resync import Resync
from workers.startup import Startup
from workers.statements import Statements
from workers.teller import Teller

log = logging.getLogger(__name__)


class Notes:
    """What strategies, operators and jobs let the owner of one account know."""

    def __init__(
        self,
        keys: AccountKeys,
        teller: Teller,
        startup: Startup,
        resync: Resync,
        inbox: Inbox,
        statements: Statements,
        checks: Checks,
        *,
        resync_now: Callable[[], Awaitable[None]],
        is_ours: Callable[[OrderRecord, OrderReport], bool],
    ) -> None:
        self._keys = keys
        self._teller = teller
        self._startup = startup
        self._resync = resync
        self._inbox = inbox
        self._statements = statements
        self._checks = checks
        self._resync_now = resync_now
        self._is_ours = is_ours

    async def take(self, stream: str, entries: list[Entry]) -> None:
        """Take notes in order; one that says nothing we know goes to the dead letters."""
        for entry_id, fields in entries:
            kind = fields.get("kind", "")
            if kind == ControlKind.REGISTERED:
                await self._registered()
            elif stream != self._keys.control:
                self._teller.dead_letter(stream, entry_id, fields, "strategies only register here")
            elif kind == ControlKind.HALT:
                await self._startup.load_halt()
            elif kind == ControlKind.EVIDENCE:
                await self._evidence(entry_id, fields)
            else:
                self._teller.dead_letter(stream, entry_id, fields, "unknown kind")
            self._teller.forget(stream, entry_id)

    async def _registered(self) -> None:
        """Read the strategies anew; one that Redis had forgotten gets its orders back first."""
        before = set(self._resync.tags)
        await self._startup.load_strategies()
        if self._resync.unclaimed & (self._resync.tags.keys() - before):
            await self._resync_now()

    async def _evidence(self, entry_id: str, fields: Mapping[str, str]) -> None:
        """Take what a job found out about an unknown order."""
        record = await self._inbox.find(fields.get("strategy", ""), fields.get("oid", ""))
        if record is None:
            self._teller.dead_letter(self._keys.control, entry_id, fields, "no such order")
        elif fields.get("absent"):
            self._statements.absent(record, fields["absent"])
        else:
            try:
                report = read_report(fields.get("report", ""))
            except ValueError as error:
                self._teller.dead_letter(self._keys.control, entry_id, fields, str(error))
                return
            if self._is_ours(record, report):
                await self._checks.take(record, report)
            else:
                # A job knows one order; of an earlier one with its client id the owner knows.
                log.info("%s: a job took another order's report for its own", record.oid)
