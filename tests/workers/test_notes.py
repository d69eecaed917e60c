"""What a job found out about an unknown order is taken if it is of that order."""

from decimal import Decimal
from typing import Any, cast

import pytest

from router.contracts import ControlKind
from router.evidence import OrderReport, VenueState, report_json
from router.keyspace import AccountKeys
from router.orders import OrderRecord
from router.state import State
from tests.workers.samples import record, report
from workers.clock import Clock
from workers.inquiry import Inquiry
from workers.notes import Notes
from workers.registry import Registry
from workers.venue import Instruments

KEYS = AccountKeys("okx-main", "or:")
MADE_MS = 1_790_000_000_000


class Owner:
    """What notes hand on: orders found in memory, reports taken, notes forgotten."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.taken: list[str] = []
        self.forgotten: list[str] = []

    async def find(self, strategy: str, oid: str) -> OrderRecord | None:
        return self.registry.owned(strategy, oid)

    async def take(self, one: OrderRecord, said: OrderReport) -> None:
        self.taken.append(f"{said.venue_id} for {one.oid}")

    def forget(self, stream: str, entry_id: str) -> None:
        self.forgotten.append(entry_id)


@pytest.mark.parametrize(("venue_id", "taken"), [("v-o0", []), ("v-o1", ["v-o1 for o1"])])
async def test_a_report_of_another_known_order_is_no_evidence(
    venue_id: str, taken: list[str]
) -> None:
    """A job asks by client id and cannot know that it was another order's a moment ago."""
    registry, nothing = Registry(), cast(Any, None)
    registry.add(record("o0", client_id="c-o1", state=State.FILLED, created_ms=MADE_MS))
    registry.add(record("o1", venue_id="", state=State.UNKNOWN, created_ms=MADE_MS + 1_500))
    inquiry = Inquiry(nothing, nothing, Clock(), Instruments, registry.of_venue_id)
    owner = Owner(registry)
    notes = Notes(
        KEYS,
        *(cast(Any, owner), nothing, nothing, cast(Any, owner), nothing, cast(Any, owner)),
        resync_now=nothing,
        is_ours=inquiry.is_ours,
    )
    said = report(
        "o1",
        venue_id=venue_id,
        state=VenueState.FILLED,
        filled=Decimal("0.003"),
        created_ms=MADE_MS + 1_505,
    )
    fields = {"kind": ControlKind.EVIDENCE, "strategy": "alpha", "oid": "o1"}
    await notes.take(KEYS.control, [("1-0", fields | {"report": report_json(said)})])
    assert owner.taken == taken
    assert owner.forgotten == ["1-0"]
