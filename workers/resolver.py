"""Climbs the ladder once for an order whose outcome is unknown, from outside its owner.

It asks, and hands what it finds to the account's owner through the control stream: only the owner
writes orders. It never places one.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, assert_never

from router.contracts import ControlKind
from router.evidence import report_json
from router.instruments import Instrument
from router.keyspace import AccountKeys, VenueKeys
from router.orders import OrderRecord
from router.outcomes import MISSES_FOR_PROOF, Rung, absent_from
from router.servers import ClientsByKey
from router.settings import Settings
from router.state import State
from workers.clock import Clock
from workers.inquiry import Findings, Inquiry
from workers.rest import RestClient
from workers.setup import AccountSetup, account_setup
from workers.venue import Instruments, UnexpectedReply, Venue

PROVEN_ABSENT = "proven absent at the venue by the resolver"


def resolve(
    clients: ClientsByKey, settings: Settings, account: str, strategy: str, oid: str
) -> Rung | None:
    """Return what one climb says, handed to the owner; None if the outcome is known by now.

    ``NOT_FOUND`` is proof of absence here; ``NO_ANSWER`` means: ask again later.
    """
    keys = AccountKeys(account, settings.prefix)
    client = clients.of(keys.epoch)
    fields = client.hgetall(keys.order(strategy, oid))
    if not fields or fields.get("state") != State.UNKNOWN:
        return None
    record = OrderRecord.from_hash(strategy, fields)
    setup = account_setup(account, settings)
    known = _known_instruments(clients, settings, setup.venue, record.symbol)
    clock = Clock(redis_offset_ms=_redis_ms(client) - Clock().now_ms())
    findings = asyncio.run(_climb(setup, record, known, clock))
    if evidence := _evidence(findings):
        _hand_over(client, keys, {"strategy": strategy, "oid": oid} | evidence)
    return findings.rung


def _hand_over(client: Any, keys: AccountKeys, evidence: Mapping[str, str]) -> None:
    client.xadd(keys.control, {"kind": ControlKind.EVIDENCE, **evidence})


def _redis_ms(client: Any) -> int:
    seconds, micros = client.time()
    return int(seconds) * 1_000 + int(micros) // 1_000


def _evidence(findings: Findings) -> dict[str, str]:
    match findings.rung:
        case Rung.FOUND:
            return {"report": report_json(findings.report)} if findings.report else {}
        case Rung.NOT_FOUND:
            return {"absent": PROVEN_ABSENT}
        case Rung.NO_ANSWER:
            return {}
        case _:
            assert_never(findings.rung)


def _known_instruments(
    clients: ClientsByKey, settings: Settings, venue: Venue, symbol: str
) -> Instruments:
    """Return the order's instrument as the owner published it: the venue need not be asked."""
    key = VenueKeys(venue.exchange, settings.prefix).instruments
    text = clients.of(key).hget(key, symbol)
    return Instruments([Instrument.model_validate_json(text)] if text else [])


async def _climb(
    setup: AccountSetup, record: OrderRecord, known: Instruments, clock: Clock
) -> Findings:
    """Return FOUND, NOT_FOUND (then absence is proven) or NO_ANSWER."""
    worker = setup.settings.worker
    rest = RestClient(
        setup.venue,
        setup.credentials,
        clock,
        threads=5,  # a ladder asks up to three rungs at once, and two are kept for commands
        connect_timeout_s=worker.rest_connect_timeout_s,
        read_timeout_s=worker.rest_read_timeout_s,
    )
    try:
        await _sync_clock(setup.venue, rest, clock)
        instruments = known if len(known) else await _instruments(setup.venue, rest)
        inquiry = Inquiry(setup.venue, rest, clock, lambda: instruments)
        return await _ask(inquiry, record, setup.settings, clock)
    except UnexpectedReply as error:
        return Findings(Rung.NO_ANSWER, problem=str(error))
    finally:
        rest.close()


async def _ask(inquiry: Inquiry, record: OrderRecord, settings: Settings, clock: Clock) -> Findings:
    rules = settings.orders
    from_ms = absent_from(
        record.sent_ms,
        expiry_ms=rules.expiry_ms,
        clock_skew_ms=rules.clock_skew_ms,
        visibility_lag_ms=rules.visibility_lag_ms,
    )
    await asyncio.sleep(max(0, from_ms - clock.redis_ms()) / 1000)
    findings = await inquiry.whole(record)
    for _ in range(MISSES_FOR_PROOF - 1):
        if findings.rung is not Rung.NOT_FOUND:
            break
        await asyncio.sleep(rules.visibility_lag_ms / 1000)
        findings = await inquiry.whole(record)
    return findings


async def _sync_clock(venue: Venue, rest: RestClient, clock: Clock) -> None:
    asked_ms = clock.monotonic_ms()
    venue_ms = venue.read_time(await rest.ask(venue.query_time(), signed=False))
    clock.learn_venue(venue_ms, clock.monotonic_ms() - asked_ms)


async def _instruments(venue: Venue, rest: RestClient) -> Instruments:
    replies = await rest.ask_all(venue.query_instruments(), signed=False)
    return Instruments([one for reply in replies for one in venue.read_instruments(reply)])
