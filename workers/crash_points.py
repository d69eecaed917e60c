"""Where a worker or a jobs process can be made to end itself: between any two effects it has.

Imported only where ``ORDER_ROUTER_CRASH`` is set; see ``router/crash_points.py``. The functions are
named as they are called, private ones too: a test finds each of them.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from router import crash_points
from router.contracts import ResultType
from router.crash_points import Point, after, before


def _is_trade(connection: Any, *rest: Any) -> bool:
    return bool(connection.name == "trade")


def _is_no_query(connection: Any, method: str, *rest: Any, **more: Any) -> bool:
    return method != "GET"


def _is(action: str) -> Any:
    return lambda lease, asked: asked == action


def _settles(outbox: Any, batch: Any) -> bool:
    return any(operation[0] == "settle" for operation in _operations(outbox, batch))


def _tells_a_diff(outbox: Any, batch: Any) -> bool:
    return any(ResultType.DIFF in operation for operation in _operations(outbox, batch))


def _operations(outbox: Any, batch: Any) -> list[list[str]]:
    found: list[list[str]] = orjson.loads(batch.call(outbox._keys, 0, 0).args[-1])
    return found


WORKER: Final[Mapping[str, Point]] = {
    # taking over
    "worker.lease_taken": after(
        "workers.lease:Lease.acquire", "the account is ours; nothing is known of it yet"
    ),
    "worker.prepared": after(
        "workers.startup:Startup.prepare", "strategies and orders are read; no socket is open"
    ),
    "worker.pending_found": before(
        "workers.intake:Intake._claim", "another epoch left intents; they are still its own"
    ),
    "worker.pending_claimed": after(
        "workers.intake:Intake._claim", "they are ours; none was looked at"
    ),
    "worker.pending_inherited": after(
        "workers.inbox:Inbox.inherit", "they are in doubt; the venue was not asked"
    ),
    # a request on its way out
    "worker.intents_read": before(
        "workers.inbox:Inbox.take", "intents were delivered; none was looked at"
    ),
    "worker.record_made": after(
        "workers.inbox:Inbox._flight", "an intent is a flight; it was not taken to the desk"
    ),
    "worker.intents_taken": after(
        "workers.inbox:Inbox.take", "they wait to leave; the lease was not asked for"
    ),
    "worker.lease_asked": before(
        "workers.departures:Departures._send", "the lease holds; a frame's requests are chosen"
    ),
    "worker.before_frame": before(
        "workers.connection:Connection.send", "the frame is encoded and noted as sent", _is_trade
    ),
    "worker.frame_written": after(
        "workers.connection:Connection.send",
        "the socket has the frame, which may have left",
        _is_trade,
    ),
    "worker.before_rest": before(
        "workers.rest:RestClient.call", "a command goes to a thread, noted as sent"
    ),
    "worker.rest_sent": after(
        "urllib3.connection:HTTPConnection.request",
        "a command's bytes have left by REST",
        _is_no_query,
    ),
    "worker.rest_answered": after(
        "workers.rest:RestClient.call", "its answer is here; it was not read"
    ),
    # what comes back
    "worker.answer_read": before(
        "workers.desk:Desk.on_answer", "an answer came by the socket; nothing was done with it"
    ),
    "worker.answer_taken": after(
        "workers.desk:Desk.on_answer", "its outcome is in memory and in the outbox"
    ),
    "worker.push_read": before(
        "workers.account:Owner._pushed", "a push about an order came; nothing was done with it"
    ),
    "worker.push_taken": after("workers.account:Owner._pushed", "it is in memory and the outbox"),
    # what is written
    "worker.before_apply": before(
        "workers.outbox:Outbox._write", "a batch is whole and was not written"
    ),
    "worker.applied": after("workers.outbox:Outbox._write", "a batch is written"),
    "worker.before_settled": before(
        "workers.outbox:Outbox._write", "a batch that settles an intent was not written", _settles
    ),
    "worker.settled": after("workers.outbox:Outbox._write", "it is written", _settles),
    # doubt
    "worker.doubt_begun": before(
        "workers.doubt:Doubts.begin", "a request is in doubt; nothing was asked"
    ),
    "worker.ladder_asked": before(
        "workers.inquiry:Inquiry.by_id", "the venue is about to be asked for an order by its id"
    ),
    "worker.ladder_answered": after(
        "workers.inquiry:Inquiry.by_id", "it answered; nothing was done with that"
    ),
    "worker.absence_proven": before(
        "workers.doubt:Doubts._absent", "a create is proven absent; it was not sent again"
    ),
    "worker.unknown_told": after(
        "workers.doubt:Doubts._unknown", "an order is unknown, in memory and in the outbox"
    ),
    # resync
    "worker.resync_begun": before("workers.resync:Resync._once", "nothing was fetched"),
    "worker.resync_pulled": before(
        "workers.resync:Resync._recall", "balances, positions and open orders are here"
    ),
    "worker.resync_taken": after(
        "workers.resync:Resync._take_known", "open orders are taken, in memory and in the outbox"
    ),
    "worker.resync_confirmed": after(
        "workers.resync:Resync._confirm_missing", "missing orders were asked for"
    ),
    "worker.before_diff": before(
        "workers.outbox:Outbox._write", "a batch with the diff was not written", _tells_a_diff
    ),
    "worker.diff_written": after("workers.outbox:Outbox._write", "it is written", _tells_a_diff),
    # the lease
    "worker.before_renewal": before(
        "workers.lease:Lease._call", "the lease is about to be renewed", _is("renew")
    ),
    "worker.renewed": after("workers.lease:Lease._call", "it was", _is("renew")),
    "worker.before_release": before(
        "workers.lease:Lease._call", "all is stopped; the lease is still held", _is("release")
    ),
    "worker.released": after("workers.lease:Lease._call", "it is given up", _is("release")),
}

JOBS: Final[Mapping[str, Point]] = {
    "jobs.chain_marked": before(
        "rq:Queue.enqueue_in", "a resolver's chain is noted as under way; no job is enqueued"
    ),
    "jobs.chain_enqueued": after("rq:Queue.enqueue_in", "the next resolver is enqueued"),
    "jobs.before_query": before(
        "workers.resolver:_climb", "an order is unknown; the venue was not asked"
    ),
    "jobs.query_answered": after(
        "workers.resolver:_climb", "the venue answered; the owner was not told"
    ),
    "jobs.before_evidence": before(
        "workers.resolver:_hand_over", "the truth is known; it is about to be handed over"
    ),
    "jobs.evidence_handed": after(
        "workers.resolver:_hand_over", "the owner will read it; the chain has not ended"
    ),
    "jobs.before_archive": before(
        "workers.tidying:_append", "ended orders are read; none is in the archive"
    ),
    "jobs.archived": after(
        "workers.tidying:_append", "they are in the archive, on the disk, and in Redis, too"
    ),
    "jobs.before_delete": before("workers.tidying:_remove", "none is removed from Redis"),
    "jobs.deleted": after("workers.tidying:_remove", "they are removed from Redis"),
    "jobs.before_trim": before("workers.jobs:trim_results", "nothing is cut"),
    "jobs.trimmed": after("workers.jobs:trim_results", "a strategy's results are cut"),
}


def arm(part: str, text: str) -> list[str]:
    """Arm what ``text`` names of this part, "worker" or "jobs"; return the names.

    Raises:
        ConfigError: If a name is no crash point, or a number is none.
    """
    return crash_points.arm(part, {"worker": WORKER, "jobs": JOBS}[part], text)
