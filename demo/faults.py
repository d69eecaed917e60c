"""The faults of a demo as data: what happens when. Pure; the conductor carries it out."""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from demo.options import FaultsWord

# The public socket brings the books that the demo's strategies trade on; it is dropped, too.
_ROLES = ("trade", "private", "public")

#: How many messages a fault hit: by its name and the venue's account, "" if it is for all of them.
Hits = dict[str, Counter[str]]


class Act:
    """Something that a step does."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Arm(Act):
    """Arm one of the simulator's faults."""

    fault: str
    count: int | None = 1
    duration_ms: int | None = None
    match: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CloseSockets(Act):
    """Cut the accounts' sockets of one role."""

    role: str


@dataclass(frozen=True, slots=True)
class HalfOpen(Act):
    """Let the accounts' sockets of one role go deaf and dumb."""

    role: str


@dataclass(frozen=True, slots=True)
class ActByHand(Act):
    """Fill some of each account's open orders, cancel one and place one, all by hand."""

    fills: int = 2
    cancels: int = 1


@dataclass(frozen=True, slots=True)
class Announce(Act):
    """Announce a service upgrade; the sockets are cut ``after_ms``."""

    after_ms: int


@dataclass(frozen=True, slots=True)
class ExpireStreams(Act):
    """End what keeps private streams going, such as a listen key."""


@dataclass(frozen=True, slots=True)
class KillWorker(Act):
    """End the owner as a crash would; the standby takes over, a new standby is started."""


VenueAct = Arm | CloseSockets | HalfOpen | ActByHand | Announce | ExpireStreams


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens ``at_s`` seconds after the trading began."""

    at_s: float
    what: str
    acts: tuple[Act, ...]


def schedule(faults: FaultsWord, seconds: float, seed: int) -> list[Step]:
    """Return the steps in the order of their times."""
    if faults == "none":
        return []
    if faults == "default":
        return _default(seconds)
    return _storm(seconds, random.Random(seed))


_ORDER = {"op": "place", "transport": "ws"}


def _default(seconds: float) -> list[Step]:
    """One of each, spread over the time that strategies trade."""
    steps = (
        (0.05, "3 ACKs are lost", (Arm("lose_ack", 3, match=_ORDER),)),
        (
            0.08,
            "ACK and pushes of an order are lost",
            (
                Arm("lose_ack", 1, match={"client_id": "quiet*", **_ORDER}),
                Arm("lose_push", 1, match={"client_id": "quiet*", "op": "orders"}),
            ),
        ),
        (0.15, "the venue rejects an order", (_rejection(),)),
        (0.22, "trade socket lost before processing", (Arm("hangup_before", match=_ORDER),)),
        (0.34, "trade socket lost after processing", (Arm("hangup_after", match=_ORDER),)),
        (
            0.46,
            "private socket lost; orders fill, one is cancelled by hand",
            (
                Arm("refuse_connections", None, 1_200, {"path": "private"}),
                CloseSockets("private"),
                ActByHand(),
            ),
        ),
        (0.62, "an ACK comes after the push", (Arm("push_before_ack", 3, match=_ORDER),)),
        (0.66, "pushes come twice", (Arm("duplicate_push", 5),)),
        (0.70, "REST answers 502, processed", (_rest("rest_5xx", processed=True),)),
        (0.74, "REST answers 502, not processed", (_rest("rest_5xx", processed=False),)),
        (0.78, "a request is swallowed", (Arm("swallow_request", match=_ORDER),)),
    )
    return [Step(seconds * share, what, acts) for share, what, acts in steps]


def _rejection() -> Arm:
    return Arm("reject", match=_ORDER, params={"msg": "Order failed. Insufficient balance."})


def _rest(fault: str, *, processed: bool, **params: Any) -> Arm:
    match = {"transport": "rest", "op": "place"}
    return Arm(fault, match=match, params={"processed": processed, **params})


def _storm(seconds: float, draw: random.Random) -> list[Step]:
    """Faults at random times throughout, the default ones among them, and two crashes."""
    steps = _default(seconds)
    at_s = draw.expovariate(1.5)
    while at_s < seconds * 0.85:
        steps.append(step_at_venue(at_s, draw))
        at_s += draw.expovariate(1.5)
    for share in (0.3, 0.6):
        steps.append(Step(seconds * share, "the worker is killed", (KillWorker(),)))
    return sorted(steps, key=lambda step: step.at_s)


def step_at_venue(at_s: float, draw: random.Random) -> Step:
    """Return a random fault at the venue, of all kinds that the simulator knows."""
    kinds = _at_sockets(draw) if draw.random() < 0.6 else _beside_sockets(draw)
    what, acts = draw.choice(kinds)
    return Step(at_s, what, acts)


_Kinds = tuple[tuple[str, tuple[Act, ...]], ...]


def _at_sockets(draw: random.Random) -> _Kinds:
    """What happens to requests, answers and pushes on the sockets."""
    count, processed = draw.randint(1, 4), draw.random() < 0.5
    delay = {"delay_ms": draw.randint(20, 900)}
    late = {"delay_ms": draw.randint(100, 2_600)}
    return (
        ("ACKs are lost", (Arm("lose_ack", count, match=_ORDER),)),
        ("ACKs are late", (Arm("delay_ack", count, match=_ORDER, params=delay),)),
        ("ACKs come twice", (Arm("duplicate_ack", count),)),
        ("ACKs overtake each other", (Arm("reorder_acks", count),)),
        ("ACKs come after the push", (Arm("push_before_ack", count, match=_ORDER),)),
        ("pushes come twice", (Arm("duplicate_push", count),)),
        ("pushes overtake each other", (Arm("reorder_pushes", count),)),
        ("pushes are late", (Arm("delay_push", count, params=delay),)),
        ("cancel ACKs are lost", (Arm("lose_ack", count, match={"op": "cancel-order"}),)),
        ("trade socket lost before processing", (Arm("hangup_before", match=_ORDER),)),
        ("trade socket lost after processing", (Arm("hangup_after", match=_ORDER),)),
        ("requests are swallowed", (Arm("swallow_request", 1, match=_ORDER),)),
        ("the venue rejects an order", (_rejection(),)),
        ("pushes about market orders are lost", (_lost_end(),)),
        ("requests are late", (Arm("delay_request", count, match=_ORDER, params=late),)),
        ("the venue throttles", (Arm("throttle", 1, match=_ORDER),)),
        ("an error bears no id", (Arm("id_less_error", 1, match=_ORDER),)),
        ("an outcome is unknown", (_unknown(processed=processed),)),
        ("pushes come after the ACK", (Arm("ack_before_push", count, params=delay),)),
        ("garbage comes between frames", (Arm("garbage_frame", count),)),
    )


def _beside_sockets(draw: random.Random) -> _Kinds:
    """What happens to sockets as a whole, to REST, and to what the venue says of its state."""
    count, processed = draw.randint(1, 4), draw.random() < 0.5
    role = draw.choice(_ROLES)
    delay = {"delay_ms": draw.randint(20, 900)}
    skew = {"offset_ms": draw.randint(-1_500, 1_500)}
    return (
        ("REST answers 502", (_rest("rest_5xx", processed=processed),)),
        ("REST does not answer", (_rest("rest_timeout", processed=processed, hold_ms=2_500),)),
        ("REST answers HTML", (Arm("rest_html", 1, match={"transport": "rest"}),)),
        ("REST: outcome unknown", (_rest("rest_unknown", processed=processed),)),
        ("new orders show late", (Arm("visibility_lag", None, 2_000, params=delay),)),
        ("queries fail", (Arm("rest_5xx", count, match={"op": "query"}),)),
        ("queries show the past", (Arm("stale_snapshot", None, 2_000, params=delay),)),
        ("the venue's clock is wrong", (Arm("clock_skew", None, 3_000, params=skew),)),
        ("a login is refused", (Arm("refuse_login"), CloseSockets(role))),
        ("a service upgrade is announced", (Announce(draw.randint(200, 3_000)),)),
        ("private streams expire", (ExpireStreams(),)),
        (f"{role} socket cut", (CloseSockets(role),)),
        (f"{role} socket half-open", (HalfOpen(role),)),
        ("no connection for a second", (_no_connections(), CloseSockets(role))),
        ("orders are changed by hand", (ActByHand(1, 1),)),
    )


def _unknown(*, processed: bool) -> Arm:
    return Arm("ws_unknown", match=_ORDER, params={"processed": processed})


def _lost_end() -> Arm:
    return Arm("lose_push", 1, match={"client_id": "market*", "op": "orders"})


def _no_connections() -> Arm:
    return Arm("refuse_connections", None, 1_000)
