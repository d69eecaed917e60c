"""The doctor's checks of one account: secrets there, venue reachable, owner alive; and the jobs."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import RedisError
from rq import Worker

from commands.findings import Finding, fail, ok, warn
from commands.output import ago, now_ms
from commands.survey import StrategyView, account_view
from router.errors import ConfigError
from router.keyspace import AccountKeys
from router.redis_url import shown
from router.servers import ClientsByKey
from router.settings import Settings
from workers.clock import Clock
from workers.jobs import connect
from workers.rest import RestClient
from workers.setup import credentials_of, venue_of
from workers.venue import Credentials, UnexpectedReply, Venue

_CLOCK_WARN_MS = 1_000
_JOBS_SILENT_S = 120
_STRATEGY_SILENT_MS = 15_000
_VENUE_TIMEOUT_S = 5.0


def check_secrets(name: str, settings: Settings) -> Finding:
    """Return whether the account's secrets can be read; they are never shown."""
    try:
        found = credentials_of(name, settings.accounts[name])
    except ConfigError as error:
        return fail(f"{name} secrets", str(error), "see config/accounts.toml")
    if not found.key or not found.secret:
        return fail(f"{name} secrets", "key or secret is empty", "see config/accounts.toml")
    return ok(f"{name} secrets", "present")


def check_venue(name: str, settings: Settings) -> Finding:
    """Return whether the venue answers, and how far its clock is from ours."""
    check = f"{name} venue"
    try:
        venue = venue_of(settings.accounts[name])
    except ConfigError as error:
        return fail(check, str(error), "see config/accounts.toml")
    rest = RestClient(
        venue,
        Credentials("", "", ""),
        Clock(),
        threads=1,
        connect_timeout_s=settings.worker.rest_connect_timeout_s,
        read_timeout_s=_VENUE_TIMEOUT_S,
    )
    with closing(rest):
        return _venue_time(check, venue, rest)


def _venue_time(check: str, venue: Venue, rest: RestClient) -> Finding:
    asked_ms = now_ms()
    try:
        venue_ms = venue.read_time(asyncio.run(rest.ask(venue.query_time(), signed=False)))
    except UnexpectedReply as error:
        problem = str(error)[:200]
        return fail(check, f"{venue.rest_url()} does not answer: {problem}", "check the network")
    took_ms = now_ms() - asked_ms
    off_ms = venue_ms - asked_ms - took_ms // 2
    seen = f"{venue.rest_url()} answers in {took_ms} ms, its clock {off_ms:+d} ms from ours"
    if abs(off_ms) - took_ms // 2 > _CLOCK_WARN_MS:
        return warn(check, seen, "run NTP on this host; the worker corrects it meanwhile")
    return ok(check, seen)


def check_owner(client: Any, name: str, settings: Settings) -> Iterator[Finding]:
    """Yield whether a worker owns the account, its sockets, halt, unknown orders and backlog."""
    view = account_view(client, AccountKeys(name, settings.prefix))
    if not view.owner:
        advice = f"order-router worker --account {name}"
        yield fail(f"{name} worker", "nobody owns the account", advice)
    else:
        seen = f"{view.owner}, epoch {view.epoch}, lease left {view.lease_left_ms} ms"
        if view.worker == "serving":
            yield ok(f"{name} worker", seen)
        else:
            yield warn(f"{name} worker", f"{seen}, not serving yet", "look at the worker's log")
        down = [one for one, socket in view.sockets.items() if socket.state != "connected"]
        if down:
            since = ", ".join(f"{one} {ago(view.sockets[one].since_ms, now_ms())}" for one in down)
            yield warn(f"{name} sockets", f"disconnected: {since}", "orders go by REST meanwhile")
    if view.halted is not None:
        yield warn(f"{name} halt", view.halted, f"order-router resume {name}")
    unknown = sum(one.unknown for one in view.strategies)
    if unknown:
        advice = "the jobs keep asking the venue; order-router orders shows them"
        yield warn(f"{name} orders", f"{unknown} with unknown outcome", advice)


def check_strategies(
    clients: ClientsByKey, names: Sequence[str], settings: Settings, wanted: str | None
) -> Iterator[Finding]:
    """Yield whether the accounts' strategies gave a sign of life.

    ``wanted``: only this one, which must have given one at one of the accounts at least.
    """
    found = [
        (keys.account, one)
        for keys in (AccountKeys(name, settings.prefix) for name in names)
        for one in account_view(clients.of(keys.epoch), keys).strategies
        if wanted in (None, one.strategy)
    ]
    lives = any(_is_alive(one) for _, one in found)
    for name, one in found:
        check, seen = f"{name} {one.strategy}", ago(one.seen_ms, now_ms()) or "never"
        if _is_alive(one):
            yield ok(check, f"seen {seen}, {one.backlog} results to handle")
        else:
            grade = fail if wanted and not lives else warn
            yield grade(check, f"last seen {seen}", "start it; it is told what it missed")
    if wanted and not found:
        where = f"never registered at {', '.join(names) or 'any account'}"
        yield fail(f"strategy {wanted}", where, "order-router run FILE:CLASS")


def _is_alive(strategy: StrategyView) -> bool:
    return now_ms() - strategy.seen_ms <= _STRATEGY_SILENT_MS


def check_jobs(settings: Settings) -> Finding:
    """Return whether an rq worker serves our queue, which may have a server of its own."""
    try:
        with closing(connect(settings)) as client:  # rq keeps bytes
            everybody = Worker.all(connection=client)
            serving = [one for one in everybody if settings.jobs.queue in one.queue_names()]
    except ConfigError as error:
        return fail("jobs", str(error), "set jobs.redis_url")
    except RedisError as error:
        at = shown(settings.jobs.redis_url or settings.redis_url)
        advice = "start it, correct jobs.redis_url, or give its user rights (docs/access.md)"
        return fail("jobs", f"the queue cannot be read at {at}: {error}", advice)
    beats = [_utc(one.last_heartbeat) for one in serving if one.last_heartbeat]
    newest_s = min(((datetime.now(UTC) - one).total_seconds() for one in beats), default=None)
    if newest_s is None or newest_s > _JOBS_SILENT_S:
        return fail(
            "jobs",
            f"no rq worker serves the queue {settings.jobs.queue!r}; unknown orders stay unknown",
            "order-router jobs",
        )
    return ok("jobs", f"{len(serving)} serving, last sign of life {newest_s:.0f} s ago")


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
