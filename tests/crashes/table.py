"""Which crash points are passed by which action in which trouble; a test compares recordings.

An action that passes no point of a part has no cell there: nothing is left out silently.
"""

from collections import Counter

from strategy_sdk.crash_points import SDK
from tests.crashes.scene import ACK_LOST, HAPPY, NOTHING_HEARD, SOCKET_LOST, TROUBLES
from workers.crash_points import JOBS, WORKER

Cell = tuple[str, str]
"""An action and a trouble."""


def _worker(names: str) -> frozenset[str]:
    return frozenset(f"worker.{name}" for name in names.split())


WRITTEN = _worker("before_apply applied")
SETTLED = _worker("before_settled settled")
TAKEN = _worker("intents_read record_made intents_taken")
SENT = _worker("lease_asked before_frame frame_written")
PUSHED = _worker("push_read push_taken")
ANSWERED = _worker("answer_read answer_taken")
DOUBTED = _worker("doubt_begun")
ASKED = _worker("ladder_asked ladder_answered")
BY_REST = _worker("before_rest rest_sent rest_answered")
RESYNCED = _worker(
    "resync_begun resync_pulled resync_taken resync_confirmed before_diff diff_written"
)
RENEWED = _worker("before_renewal renewed")
AUDITED = _worker("resync_begun resync_pulled resync_taken resync_confirmed")

_REQUEST = TAKEN | SENT | WRITTEN | SETTLED
_DOUBTFUL = _REQUEST | DOUBTED | ASKED
_AGAIN = _DOUBTFUL | BY_REST | PUSHED
_PROVEN = _AGAIN | _worker("absence_proven")
_TAKEN_OVER = WRITTEN | _worker("lease_taken prepared pending_found pending_claimed") | RESYNCED
_RECOVERED = _TAKEN_OVER | _worker("record_made pending_inherited") | SETTLED | DOUBTED
# The proof of absence takes longer than a quiet read: what is still pending is looked at meanwhile.
_SENT_AGAIN = _RECOVERED | TAKEN | ASKED | BY_REST | _worker("absence_proven lease_asked")

#: What a worker passes each time; ``takeover`` is counted from its birth, all else from its action.
WORKER_PASSES: dict[Cell, frozenset[str]] = {
    ("create", HAPPY): _REQUEST | ANSWERED | PUSHED,
    ("create", SOCKET_LOST): _PROVEN,
    ("create", ACK_LOST): _DOUBTFUL,
    ("create", NOTHING_HEARD): _DOUBTFUL | _worker("unknown_told"),
    ("cancel", HAPPY): _REQUEST | ANSWERED | PUSHED,
    ("cancel", SOCKET_LOST): _AGAIN,
    ("cancel", ACK_LOST): _DOUBTFUL,
    ("modify", HAPPY): _REQUEST | ANSWERED | PUSHED,
    ("modify", SOCKET_LOST): _AGAIN,
    ("modify", ACK_LOST): _DOUBTFUL,
    ("resync", HAPPY): RESYNCED | WRITTEN | ASKED,
    ("resync", SOCKET_LOST): RESYNCED | _PROVEN,
    ("resync", ACK_LOST): RESYNCED | _DOUBTFUL | PUSHED,
    ("apply", HAPPY): PUSHED | WRITTEN,
    ("apply", SOCKET_LOST): _PROVEN,
    ("apply", ACK_LOST): _REQUEST | PUSHED | DOUBTED,
    **{("trim", trouble): frozenset[str]() for trouble in TROUBLES},
    **{("stop", trouble): WRITTEN | _worker("before_release released") for trouble in TROUBLES},
    ("takeover", HAPPY): _SENT_AGAIN,
    ("takeover", SOCKET_LOST): _SENT_AGAIN,
    ("takeover", ACK_LOST): _RECOVERED,
}
#: What is passed when the moment is right for it: a renewal or an audit that falls due, a request
#: that left before the signal to stop was seen.
WORKER_MAY_PASS: dict[str, frozenset[str]] = {
    "create": RENEWED | AUDITED | ASKED,
    "stop": frozenset(WORKER) - _worker("lease_taken prepared"),
    "takeover": RENEWED | ASKED | PUSHED,
}

_TOLD = frozenset(
    ("sdk.before_callback", "sdk.after_callback", "sdk.before_cursor", "sdk.cursor_stored")
)
_BORN = frozenset(("sdk.before_register", "sdk.registered"))
_ADMITTED = frozenset(("sdk.before_admit", "sdk.admitted"))
_REQUESTED = frozenset(("sdk.before_request", "sdk.requested"))

#: What a strategy's process passes, counted from its birth; no trouble of the venue changes that.
SDK_PASSES: dict[str, frozenset[str]] = {
    "create": _BORN | _ADMITTED | _TOLD,
    "cancel": _BORN | _REQUESTED | _TOLD,
    "modify": _BORN | _REQUESTED | _TOLD,
    "resync": _BORN | _TOLD,
    "apply": _BORN | _TOLD,
    "trim": _BORN | _TOLD | {"sdk.gap_told"},
}

_RESOLVED = frozenset(
    ("jobs.before_query", "jobs.query_answered", "jobs.before_evidence", "jobs.evidence_handed")
)
_CHAINED = frozenset(("jobs.chain_marked", "jobs.chain_enqueued"))

#: What the jobs pass, counted from their birth. They look for unknown orders and for what has
#: ended; whatever else happens does not concern them.
JOBS_PASSES: dict[Cell, frozenset[str]] = {
    ("create", NOTHING_HEARD): _RESOLVED | _CHAINED,
    **{("trim", trouble): frozenset(JOBS) - _RESOLVED - _CHAINED for trouble in TROUBLES},
}


#: What ``make test`` does: each point once, each action and each trouble with several.
SHORT_WORKER: dict[str, list[Cell]] = {
    HAPPY: [
        ("create", "worker.intents_read"),
        ("create", "worker.answer_read"),
        ("create", "worker.before_settled"),
        ("cancel", "worker.record_made"),
        ("cancel", "worker.answer_taken"),
        ("cancel", "worker.push_read"),
        ("modify", "worker.intents_taken"),
        ("modify", "worker.push_taken"),
        ("modify", "worker.settled"),
        ("resync", "worker.resync_begun"),
        ("resync", "worker.resync_pulled"),
        ("resync", "worker.before_diff"),
        ("resync", "worker.diff_written"),
        ("apply", "worker.before_apply"),
        ("apply", "worker.before_renewal"),
        ("stop", "worker.before_release"),
    ],
    SOCKET_LOST: [
        ("create", "worker.absence_proven"),
        ("create", "worker.rest_sent"),
        ("cancel", "worker.doubt_begun"),
        ("cancel", "worker.rest_answered"),
        ("modify", "worker.before_rest"),
        ("resync", "worker.resync_taken"),
        ("apply", "worker.lease_asked"),
        ("stop", "worker.released"),
    ],
    ACK_LOST: [
        ("create", "worker.ladder_asked"),
        ("cancel", "worker.before_frame"),
        ("modify", "worker.frame_written"),
        ("modify", "worker.ladder_answered"),
        ("resync", "worker.resync_confirmed"),
        ("apply", "worker.applied"),
        ("apply", "worker.renewed"),
    ],
    NOTHING_HEARD: [("create", "worker.unknown_told")],
}
SHORT_TAKEOVER: dict[str, list[str]] = {
    HAPPY: ["worker.lease_taken", "worker.pending_found"],
    SOCKET_LOST: ["worker.pending_inherited"],
    ACK_LOST: ["worker.prepared", "worker.pending_claimed"],
}
SHORT_SDK: dict[str, list[Cell]] = {
    HAPPY: [
        ("create", "sdk.before_register"),
        ("create", "sdk.before_admit"),
        ("create", "sdk.admitted"),
        ("cancel", "sdk.registered"),
        ("cancel", "sdk.before_request"),
        ("modify", "sdk.requested"),
        ("resync", "sdk.after_callback"),
        ("apply", "sdk.before_cursor"),
        ("trim", "sdk.gap_told"),
    ],
    SOCKET_LOST: [("cancel", "sdk.before_callback")],
    ACK_LOST: [("modify", "sdk.cursor_stored")],
}


def short() -> list[str]:
    """Return the points at which somebody dies in ``make test``, sorted."""
    steps = [*SHORT_WORKER.values(), *SHORT_SDK.values()]
    named = [point for one in steps for _, point in one]
    named += [point for one in SHORT_TAKEOVER.values() for point in one]
    return sorted([*named, *JOBS_PASSES["create", NOTHING_HEARD], *JOBS_PASSES["trim", HAPPY]])


def short_actions() -> Counter[str]:
    """Return how many points of each action ``make test`` has."""
    steps = [*SHORT_WORKER.values(), *SHORT_SDK.values()]
    counted = Counter(action for one in steps for action, _ in one)
    return counted + Counter(trim=len(JOBS_PASSES["trim", HAPPY]))


def short_troubles() -> Counter[str]:
    """Return how many points of each trouble ``make test`` has."""
    counted = Counter(
        {trouble: len(SHORT_WORKER[trouble] + SHORT_SDK[trouble]) for trouble in TROUBLES}
    )
    return counted + Counter({NOTHING_HEARD: len(JOBS_PASSES["create", NOTHING_HEARD])})


def unreached() -> set[str]:
    """Return the points that no cell passes."""
    renewals = RENEWED  # in any of them, within a third of the lease
    passed = renewals.union(*WORKER_PASSES.values())
    passed = passed.union(*SDK_PASSES.values(), *JOBS_PASSES.values())
    return {*WORKER, *SDK, *JOBS} - passed
