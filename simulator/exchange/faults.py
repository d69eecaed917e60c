"""Faults to order: which armed fault meets this message? Pure: the time is handed in.

A fault is armed with a count (how often it may hit), a duration, a match and its own parameters.
``BEFORE`` faults act on a request before it is processed and stop it; ``AFTER`` faults act on the
answer; ``PUSH`` faults on what is pushed; the rest where their names say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

BEFORE = (
    "half_open",
    "hangup_before",
    "swallow_request",
    "throttle",
    "reject",
    "id_less_error",
    "ws_unknown",
    "delay_request",
)
AFTER = (
    "hangup_after",
    "lose_ack",
    "delay_ack",
    "duplicate_ack",
    "reorder_acks",
    "push_before_ack",
)
PUSH = ("lose_push", "delay_push", "duplicate_push", "reorder_pushes")
REST = ("rest_5xx", "rest_timeout", "rest_html", "rest_unknown")
OTHER = (
    "ack_before_push",
    "clock_skew",
    "garbage_frame",
    "refuse_connections",
    "refuse_login",
    "stale_snapshot",
    "visibility_lag",
)
NAMES = frozenset((*BEFORE, *AFTER, *PUSH, *REST, *OTHER))
MATCH_KEYS = frozenset(("symbol", "client_id", "account", "op", "transport", "socket", "path"))


class BadFault(ValueError):
    """What was asked to be armed is no fault; the text says why."""


@dataclass(frozen=True, slots=True)
class Context:
    """The message that a fault may meet. Empty values match no rule that names one.

    ``op`` is the operation in words that all venues share, ``word`` in the venue's own.
    """

    op: str = ""
    group: str = ""
    transport: str = ""
    socket: str = ""
    account: str = ""
    path: str = ""
    symbols: tuple[str, ...] = ()
    client_ids: tuple[str, ...] = ()
    word: str = ""

    def has(self, key: str, wanted: str) -> bool:
        """Return whether this message's ``key`` is ``wanted``; a trailing ``*`` is a prefix."""
        if key == "symbol":
            return wanted in self.symbols
        if key == "op":
            return wanted in (self.op, self.group, self.word)
        if key == "client_id":
            if wanted.endswith("*"):
                return any(name.startswith(wanted[:-1]) for name in self.client_ids)
            return wanted in self.client_ids
        if key == "path":
            return wanted in self.path
        if key == "socket":
            # A connection that plays several roles, or may yet, has them joined by "+".
            return wanted in self.socket.split("+")
        return bool(getattr(self, key) == wanted)


@dataclass(slots=True, eq=False)
class Fault:
    """One armed fault."""

    id: str
    name: str
    count: int | None
    until_ms: int | None
    match: dict[str, Any]
    params: dict[str, Any] = field(default_factory=dict)
    hits: int = 0

    def meets(self, context: Context) -> bool:
        """Return whether the message is one that this fault was armed for."""
        for key, wanted in self.match.items():
            choices = wanted if isinstance(wanted, list) else [wanted]
            if not any(context.has(key, str(choice)) for choice in choices):
                return False
        return True

    def number(self, name: str, default: float) -> float:
        """Return the numeric parameter ``name``."""
        return float(self.params.get(name, default))

    def text(self, name: str, default: str = "") -> str:
        """Return the text parameter ``name``."""
        return str(self.params.get(name, default))

    def flag(self, name: str, default: bool) -> bool:
        """Return the yes-or-no parameter ``name``."""
        return bool(self.params.get(name, default))

    def as_json(self) -> dict[str, Any]:
        """Return the fault as the control API shows it."""
        return {
            "id": self.id,
            "fault": self.name,
            "count": self.count,
            "until_ms": self.until_ms,
            "match": self.match,
            "hits": self.hits,
            **self.params,
        }


class FaultBook:
    """All faults armed now, and those used up, for their hit counts."""

    def __init__(self) -> None:
        self._armed: dict[str, list[Fault]] = {}
        self._all: dict[str, Fault] = {}
        self._last = 0

    def __bool__(self) -> bool:
        return bool(self._armed)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._all.values())

    def arm(self, order: dict[str, Any], now_ms: int) -> Fault:
        """Arm what ``order`` describes.

        Raises:
            BadFault: If the name or a match key is unknown.
        """
        params = dict(order)
        name = str(params.pop("fault", ""))
        count = params.pop("count", None)
        duration_ms = params.pop("duration_ms", None)
        match = dict(params.pop("match", None) or {})
        if name not in NAMES:
            raise BadFault(f"unknown fault {name!r}; known: {', '.join(sorted(NAMES))}")
        if unknown := set(match) - MATCH_KEYS:
            raise BadFault(f"unknown match {sorted(unknown)}; known: {sorted(MATCH_KEYS)}")
        if name in PUSH:
            match.setdefault("op", "orders")
        self._last += 1
        until_ms = None if duration_ms is None else now_ms + int(duration_ms)
        fault = Fault(str(self._last), name, count, until_ms, match, params)
        self._armed.setdefault(name, []).append(fault)
        self._all[fault.id] = fault
        return fault

    def disarm(self, fault_id: str | None = None) -> list[Fault]:
        """Disarm one fault, or all; return those that were forgotten."""
        gone = [fault for fault in self._all.values() if fault_id in (None, fault.id)]
        for fault in gone:
            del self._all[fault.id]
            self._retire(fault)
        return gone

    def take(self, names: Iterable[str], context: Context, now_ms: int) -> Fault | None:
        """Return the first armed fault of ``names`` that meets ``context``, counting the hit."""
        for name in names:
            for fault in list(self._armed.get(name, ())):
                if fault.until_ms is not None and now_ms >= fault.until_ms:
                    self._retire(fault)
                elif fault.meets(context):
                    self._hit(fault)
                    return fault
        return None

    def _hit(self, fault: Fault) -> None:
        fault.hits += 1
        if fault.count is not None and fault.hits >= fault.count:
            self._retire(fault)

    def _retire(self, fault: Fault) -> None:
        same = self._armed.get(fault.name, [])
        if fault in same:
            same.remove(fault)
        if not same:
            self._armed.pop(fault.name, None)
