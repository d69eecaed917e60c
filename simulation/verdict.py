"""The verdict on one seed: the venue's ledger, Redis and the diary, compared.

I1 at most one order per intent and per key        I5 nothing sent under an older epoch
I2 every intent ended, or unknown with a resolver  I6 nothing sent after a halt or an expiry
I3 ``seq`` without gaps, each result told          I8 updates to owners only
I4 fills told = fills made                         I9 restarts add nothing
The rules of ``demo/verdict.py`` (D1 to D8) hold as well.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from demo import verdict as demo_verdict
from demo.told import Told, read_results
from router.contracts import ResultType
from router.ids import strategy_tag
from router.state import ENDS, State
from simulation.loop import EPOCH_S
from simulation.sends import CREATES
from simulator.client import Ledger

if TYPE_CHECKING:
    from simulation.story import Story

_ENDED = {one.value for one in ENDS}
STRATEGIES = ("alpha", "beta")
#: How long after a halt a create may still leave: the note of it travels, Redis may stall.
_HALT_HEARD_S = 5.0
#: By how much our idea of Redis's clock may be wrong when an intent's end is judged.
_CLOCK_S = 0.7


@dataclass
class Differences:
    """What is not as it should be, and how much was looked at."""

    found: list[str] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)

    def expect(self, rule: str, holds: bool, text: str) -> None:
        """Count one look; note a difference."""
        self.checked[rule] += 1
        if not holds:
            self.found.append(f"{rule}: {text}")


@dataclass
class _Redis:
    """What Redis holds in the end, of one strategy."""

    orders: dict[str, dict[str, str]]
    results: list[tuple[int, dict[str, str]]]


def unfinished(story: "Story") -> str:
    """Return what is still to happen; "" if nothing is."""
    store, keys = story.scene.store, story.keys
    for name in STRATEGIES:
        waiting, newest, oids, cursors = store.ask_all(
            [
                ["XLEN", keys.intents(name)],
                ["XREVRANGE", keys.results(name), "+", "-", "COUNT", 1],
                ["SMEMBERS", keys.open(name)],
                ["HGETALL", keys.cursor(name)],
            ]
        )
        if waiting:
            return f"{name} has intents"
        states = store.ask_all([["HGET", keys.order(name, oid), "state"] for oid in oids])
        for oid, state in zip(oids, states, strict=True):
            if state != State.ACCEPTED:
                return f"{oid} is {state}"
        for instance, entry_id in _pairs(cursors).items():
            if newest and entry_id != newest[0][0]:
                return f"{name}@{instance} has results to read"
    return ""


def differences(story: "Story") -> Differences:
    """Return all differences of a seed that has come to rest."""
    out = Differences()
    stored = {name: _stored(story, name) for name in STRATEGIES}
    ledger = _ledger(story)
    if why := unfinished(story):
        out.expect("I2", False, f"not at rest: {why}")
    _one_order_each(out, story, stored, ledger)
    _ended(out, story, stored, ledger)
    _results(out, story, stored)
    _fills(out, stored, ledger)
    _fences(out, story)
    _no_late_sends(out, story, stored)
    _nothing_after_restart(out, story, stored)
    told = [_told(story, name, stored[name]) for name in STRATEGIES]
    for one in demo_verdict.compare(ledger, told):
        out.found.append(
            f"D{one.rule}: {one.strategy} {one.oid}: venue {one.venue!r}, told {one.told!r}"
        )
    out.checked["D"] += len(ledger.orders)
    return out


def _stored(story: "Story", name: str) -> _Redis:
    store, keys = story.scene.store, story.keys
    living, ended, entries = store.ask_all(
        [
            ["SMEMBERS", keys.open(name)],
            ["ZRANGE", keys.ended(name), 0, -1],
            ["XRANGE", keys.results(name), "-", "+"],
        ]
    )
    oids = sorted({*living, *ended})
    orders = store.ask_all([["HGETALL", keys.order(name, oid)] for oid in oids])
    results = [_pairs(flat) for _, flat in entries]
    return _Redis(
        {oid: _pairs(flat) for oid, flat in zip(oids, orders, strict=True)},
        [(int(fields["seq"]), fields) for fields in results],
    )


def _pairs(flat: list[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _ledger(story: "Story") -> Ledger:
    world = story.scene.venue.world
    rows: Any = world.ledger.as_json(world.orders(), world.fills(), account="", since_ms=0)
    return Ledger(**rows)


def _told(story: "Story", name: str, stored: _Redis) -> Told:
    """Return what the strategy was told, once each, by whichever instance."""
    every: dict[int, Any] = {}
    for page in story.diary.pages.values():
        if page.strategy == name:
            every.update(page.told())
    # By ``seq``: a worker's idea of Redis's time may be set back between two results.
    numbered = [{**every[seq], "ts_ms": str(seq)} for seq in sorted(every)]
    told = read_results(name, numbered, [], "")
    told.gaps.clear()  # that is about the guide's example and its log
    told.submitted = list(story.diary.submitted.get(name, ()))
    told.cancels = list(story.diary.cancels.get(name, ()))
    told.seqs = {"": [seq for seq, _ in stored.results]}
    told.done, told.planned, told.placed = True, 1, 1
    return told


# --- the rules ----------------------------------------------------------------------------------


def _one_order_each(
    out: Differences, story: "Story", stored: dict[str, _Redis], ledger: Ledger
) -> None:
    at_venue = Counter(row["client_id"] for row in ledger.orders)
    for client_id, count in at_venue.items():
        out.expect("I1", count == 1, f"{count} orders at the venue for {client_id}")
    by_key: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name, redis in stored.items():
        for oid, fields in redis.orders.items():
            if key := fields.get("idem"):
                owner = "@account" if fields.get("scope") == "account" else name
                by_key[owner, key].add(oid)
    for (owner, key), oids in by_key.items():
        out.expect("I1", len(oids) == 1, f"key {key} of {owner} made {sorted(oids)}")


def _ended(out: Differences, story: "Story", stored: dict[str, _Redis], ledger: Ledger) -> None:
    live = {
        row["client_id"] for row in ledger.orders if row["state"] in ("live", "partially_filled")
    }
    for name, redis in stored.items():
        for oid, fields in redis.orders.items():
            state = fields.get("state", "")
            resolved = state == State.UNKNOWN and (name, oid) in story.jobs.due
            fine = state in _ENDED or resolved or (state == State.ACCEPTED and oid in live)
            out.expect("I2", fine, f"{name} {oid} is {state}, live at the venue: {oid in live}")
        for call in story.diary.submitted.get(name, ()):
            known = any(call.oid in one.orders for one in stored.values())
            out.expect(
                "I2", known, f"{name} got {call.oid} for {call.key}; Redis has no such order"
            )


def _results(out: Differences, story: "Story", stored: dict[str, _Redis]) -> None:
    for name, redis in stored.items():
        seqs = [seq for seq, _ in redis.results]
        out.expect("I3", seqs == list(range(1, len(seqs) + 1)), f"{name}: seq {_breaks(seqs)}")
        written = dict(redis.results)
        pages = {who: one for who, one in story.diary.pages.items() if one.strategy == name}
        # Whoever registers first is told everything, the other instance from where it came in.
        begins = {who: min(page.told(), default=1) for who, page in pages.items()}
        out.expect("I3", not seqs or 1 in begins.values(), f"{name}: nobody was told seq 1")
        for process, page in pages.items():
            told, first = page.told(), begins[process]
            missing = [seq for seq in seqs if seq >= first and seq not in told]
            out.expect("I3", not missing, f"{process} was never told {missing[:5]}")
            changed = [seq for seq, fields in told.items() if written.get(seq) != fields]
            out.expect("I3", not changed, f"{process} was told otherwise: {changed[:5]}")
            for run in page.runs:
                order = [seq for seq, _ in run]
                out.expect("I3", order == sorted(set(order)), f"{process}: told {_breaks(order)}")
        tag = strategy_tag(name)
        strangers = {
            fields["oid"]
            for _, fields in redis.results
            if not fields.get("oid", tag).startswith(tag)
        }
        out.expect("I8", not strangers, f"{name} was told of {sorted(strangers)}")


def _breaks(seqs: list[int]) -> str:
    found = [f"{a}→{b}" for a, b in zip([0, *seqs], seqs, strict=False) if b != a + 1]
    return ", ".join(found[:5])


def _fills(out: Differences, stored: dict[str, _Redis], ledger: Ledger) -> None:
    made: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for fill in ledger.fills:
        made[fill["client_id"]][fill["trade_id"]] = Decimal(fill["amount"])
    told: dict[str, list[tuple[str, Decimal]]] = defaultdict(list)
    for redis in stored.values():
        for _, fields in redis.results:
            if fields["type"] == ResultType.ORDER and fields.get("trade_id"):
                trade = fields["trade_id"], Decimal(fields["last_filled"])
                told[fields["oid"]].append(trade)
    for oid in sorted(made.keys() | told.keys()):
        same = sorted(told[oid]) == sorted(made[oid].items())
        out.expect("I4", same, f"{oid}: made {made[oid]}, told {told[oid]}")


def _fences(out: Differences, story: "Story") -> None:
    epochs = story.sends.epochs
    for send in story.sends.sends:
        newest = max((epoch for at_s, epoch in epochs if at_s < send.at_s), default=0)
        text = f"{send.worker} sent {send.op} {send.client_ids} at {send.at_s:.4f} s"
        out.expect("I5", send.epoch >= newest, f"{text} under epoch {send.epoch} of {newest}")


def _no_late_sends(out: Differences, story: "Story", stored: dict[str, _Redis]) -> None:
    ends_ms = {
        oid: int(fields.get("expires_ms", 0))
        for redis in stored.values()
        for oid, fields in redis.orders.items()
    }
    for send in story.sends.sends:
        if send.op not in CREATES:
            continue
        text = f"{send.worker} sent {send.client_ids} at {send.at_s:.4f} s"
        for oid in send.client_ids:
            late_s = EPOCH_S + send.at_s - ends_ms.get(oid, 0) / 1000
            out.expect("I6", late_s < _CLOCK_S, f"{text}, {late_s:.3f} s after its end")
        for halted_s, resumed_s in story.trouble.halts:
            heard = halted_s + _HALT_HEARD_S < send.at_s < resumed_s
            out.expect("I6", not heard, f"{text}, halted at {halted_s:.3f} s")


def _nothing_after_restart(out: Differences, story: "Story", stored: dict[str, _Redis]) -> None:
    if not story.restarted_s:
        return
    sent = [send for send in story.sends.sends if send.at_s > story.restarted_s]
    out.expect("I9", not sent, f"sent after a restart: {sent[:3]}")
    begun_ms = (EPOCH_S + story.restarted_s) * 1000 + _CLOCK_S * 1000
    for name, redis in stored.items():
        for seq, fields in redis.results:
            late = fields["type"] == ResultType.ORDER and float(fields["ts_ms"]) > begun_ms
            out.expect("I9", not late, f"{name} was told {seq} after a restart: {fields}")
            if fields["type"] == ResultType.DIFF and float(fields["ts_ms"]) > begun_ms:
                diff = orjson.loads(fields["diff"])
                changes = diff["open_orders_added"] + diff["open_orders_removed"]
                out.expect("I9", not changes, f"{name} has a diff after a restart: {diff}")


def timeline(story: "Story", oid: str) -> Iterator[str]:
    """Yield what the log says of one order."""
    for line in story.scene.log or ():
        if oid in line:
            yield line
