"""All of a strategy's traffic with Redis but for the reader's blocking reads.

One method, one question. Answers are Redis's own words; what they mean for an order is decided in
``desk.py``. Keys are those of ``router.keyspace``.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    OutOfMemoryError,
    ResponseError,
)

from router import functions
from router.contracts import Registration, ResultsGap
from router.errors import ConfigError, Denied, RedisUnavailable, RouterError
from router.ids import strategy_tag
from router.settings import Durability, Settings
from strategy_sdk.accounts import Account
from strategy_sdk.decode import fields_of
from strategy_sdk.link import Doubt, Link, LinkLost
from strategy_sdk.server_time import ServerTime
from strategy_sdk.timing import Timing

_LOG = logging.getLogger(__name__)
Fields = dict[str, str]
_T = TypeVar("_T")
#: Orders admitted by one call: Redis serves nobody else meanwhile, some 30 µs for each of them.
ADMIT_TOGETHER = 50


@dataclass(frozen=True, slots=True)
class Registered:
    """The answer to a registration. ``before``: who was seen last as this instance, "" if none."""

    cursor: str
    before: str
    before_ms: int
    now_ms: int


class Gateway:
    """One strategy instance's questions to Redis; safe from any thread."""

    def __init__(
        self, link: Link, settings: Settings, timing: Timing, strategy: str, instance: str
    ) -> None:
        self.link = link
        self.strategy = strategy
        self.instance = instance
        self.tag = strategy_tag(strategy)
        self.who = f"{socket.gethostname()} {os.getpid()}"
        self.valid_for_ms = settings.orders.valid_for_ms
        self.grace_ms: dict[str, int] = {}
        self.forgotten: Callable[[Account, Registered], None] = lambda account, registered: None
        """Called when a registration that this run had made was gone."""
        self._known: set[str] = set()
        self._times: dict[str, ServerTime] = {}
        self._timing = timing
        self._replicated = settings.durability is Durability.REPLICATED
        self._caps = functions.Caps(
            intents=settings.orders.max_intents_per_strategy,
            open_orders=settings.orders.max_open_orders_per_strategy,
            unread_results=settings.orders.max_unread_results_per_strategy,
        )
        self._keep_ms = settings.orders.idempotency_ttl_ms

    def __repr__(self) -> str:
        return f"Gateway({self.strategy}@{self.instance})"

    # --- the strategy itself

    def register(self, account: Account, *, wake: bool) -> Registered:
        """Make this instance known at the account; ``wake`` tells its worker at once.

        Raises:
            ConfigError: If another strategy's name has the same tag.
            RedisUnavailable: If Redis does not answer.
        """
        registration = Registration(tag=self.tag, grace_ms=dict(self.grace_ms)).json_text()
        call = functions.register(
            account.keys, self.strategy, self.instance, registration, self.who, wake=wake
        )
        asked_s = time.monotonic()
        answer = self._fcall(call, "the strategy may not be registered; start it again")
        answered_s = time.monotonic()
        if answer[0] == "tag_taken":
            raise ConfigError(
                "strategy_id",
                f"{self.strategy!r} and {answer[1]!r} make the same order id tag; choose another "
                "name for one of them",
            )
        seen_ms, _, who = str(answer[2]).partition(" ")
        self._time_of(account).learn(int(answer[3]), asked_s, answered_s)
        registered = Registered(
            cursor=answer[1],
            before=who,
            before_ms=int(seen_ms) if seen_ms.isdigit() else 0,
            now_ms=int(answer[3]),
        )
        if account.id in self._known and not who:
            _LOG.error("Redis had forgotten %s at %s; it is registered anew", self, account.id)
            self.forgotten(account, registered)
            if not wake:
                return self.register(account, wake=True)
        self._known.add(account.id)
        return registered

    def now_ms(self, account: Account) -> int:
        """Return the time of the account's server, or up to an answer's delay more; ms.

        Before the first registration it is this machine's.
        """
        known_ms = self._time_of(account).latest_ms()
        return time.time_ns() // 1_000_000 if known_ms is None else known_ms

    # --- orders

    def admit(
        self, account: Account, fields: Mapping[str, str], owner: str, valid_for_ms: int | None
    ) -> list[str]:
        """Return admit's answer for one create intent: a word and its detail."""
        return _answer(self.admit_all(account, [(fields, owner, valid_for_ms)])[0])

    def admit_all(
        self, account: Account, intents: Sequence[tuple[Mapping[str, str], str, int | None]]
    ) -> list[list[str] | RouterError]:
        """Return admit's answers for several create intents, sent together, in order.

        An error stands where Redis refused the call that an intent was in, which was not admitted
        then, and RedisUnavailable with its oid where it may have been; the other calls stand alone.
        """
        admissions = [
            functions.Admission(
                fields, owner, self.valid_for_ms if valid_for_ms is None else valid_for_ms
            )
            for fields, owner, valid_for_ms in intents
        ]
        asked_ms = self._time_of(account).latest_ms()
        calls = [
            functions.admit(
                account.keys,
                self.strategy,
                admissions[at : at + ADMIT_TOGETHER],
                caps=self._caps,
                keep_ms=self._keep_ms,
                asked_ms=asked_ms,
            )
            for at in range(0, len(admissions), ADMIT_TOGETHER)
        ]
        each: list[list[str] | RouterError] = []
        for at, answer in enumerate(self._admit_calls(account, calls)):
            together = admissions[at * ADMIT_TOGETHER : (at + 1) * ADMIT_TOGETHER]
            if isinstance(answer, LinkLost):
                each += [_not_known(answer, one.fields["oid"]) for one in together]
            elif isinstance(answer, RouterError):
                each += [answer] * len(together)
            else:
                each += [answer[word : word + 2] for word in range(0, len(answer), 2)]
        return each

    def _admit_calls(self, account: Account, calls: Sequence[functions.Call]) -> list[Any]:
        """Return the calls' answers, a RouterError or LinkLost in the place of one without."""
        doubt = Doubt()
        answers = self._each(calls, doubt)
        again = [at for at, answer in enumerate(answers) if _is_unregistered(answer)]
        if not again:
            return answers
        _LOG.warning("%s is not registered at %s any more", self.strategy, account.id)
        try:
            self.register(account, wake=True)
            anew = self._each([calls[at] for at in again], doubt)
        except RouterError as error:
            why = LinkLost(True, _reason(error)) if doubt.sent else error
            anew = [why] * len(again)
        for at, answer in zip(again, anew, strict=True):
            answers[at] = answer
        return answers

    def request(
        self, account: Account, fields: Mapping[str, str], valid_for_ms: int | None = None
    ) -> list[str]:
        """Return request's answer for one cancel, modify or query."""
        return _answer(self.request_all(account, [fields], valid_for_ms)[0])

    def request_all(
        self,
        account: Account,
        requests: Sequence[Mapping[str, str]],
        valid_for_ms: int | None = None,
    ) -> list[list[str] | RouterError]:
        """Return request's answers for several, sent together, in order.

        An error stands where Redis refused one, which was not queued then, and RedisUnavailable
        with its oid where it may have been; the others stand alone.

        Raises:
            RedisUnavailable: If Redis answered none.
        """
        asked_ms = self._time_of(account).latest_ms()
        calls = [
            functions.request(
                account.keys,
                self.strategy,
                fields,
                valid_for_ms=self.valid_for_ms if valid_for_ms is None else valid_for_ms,
                caps=self._caps,
                # A cancel is wanted however late it arrives.
                asked_ms=asked_ms if fields["request"] == "modify" else None,
            )
            for fields in requests
        ]
        maybe = "the request MAY have been queued; ask again, that is safe"
        try:
            answers = self._send(calls, Doubt())
        except LinkLost as lost:
            raise _unavailable(
                lost, maybe, requests[0]["oid"] if len(calls) == 1 else None
            ) from lost
        return [
            _unavailable(answer, maybe, fields["oid"]) if isinstance(answer, LinkLost) else answer
            for fields, answer in zip(requests, answers, strict=True)
        ]

    def await_reply(self, account: Account, request_id: str) -> str | None:
        """Return the worker's answer to a query as JSON; None if none came in time."""
        give_up_at = time.monotonic() + self._timing.query_timeout_s
        while (left_s := give_up_at - time.monotonic()) > 0:
            wait_s = max(0.01, min(self._timing.block_s, left_s))
            reply = self._call("BLPOP", account.keys.reply(request_id), f"{wait_s:.3f}")
            if reply is not None:
                return str(reply[1])
        return None

    def holders(self, account: Account, key: str, owners: Sequence[str]) -> list[str | None]:
        """Return which oid holds the idempotency key for each owner; None where it is free."""
        names = [account.keys.idem(owner, key) for owner in owners]
        reply: list[str | None] = self._call("MGET", *names)
        return reply

    def release(self, account: Account, owner: str, key: str, oid: str) -> str:
        """Return release's answer for a key held by ``oid``."""
        call = functions.release(account.keys, owner, self.strategy, key, oid)
        return str(self._fcall(call, "the key MAY have been released; call again, that is safe"))

    # --- what Redis knows

    def order(self, account: Account, oid: str) -> Fields:
        """Return the stored order's fields; {} if this strategy has none with that oid."""
        return fields_of(self._call("HGETALL", account.keys.order(self.strategy, oid)))

    def terms(self, account: Account, oid: str) -> list[str | None]:
        """Return the stored order's symbol and side; None for both if there is no such order."""
        name = account.keys.order(self.strategy, oid)
        found: list[str | None] = self._call("HMGET", name, "symbol", "side")
        return found

    def open_oids(self, account: Account) -> list[str]:
        """Return the oids not ended, those of other instances included."""
        return sorted(self._call("SMEMBERS", account.keys.open(self.strategy)))

    def orders(self, account: Account, oids: Sequence[str]) -> list[Fields]:
        """Return the stored fields of several orders; {} for one that is gone."""
        keys = [account.keys.order(self.strategy, oid) for oid in oids]
        return [fields_of(reply) for reply in self._call_many([("HGETALL", key) for key in keys])]

    def snapshot(self, account: Account) -> tuple[str, Fields, Fields]:
        """Return the id of the newest result, the positions and the balances (field → JSON)."""
        newest, positions, balances = self._call_many(
            [
                ("XREVRANGE", account.keys.results(self.strategy), "+", "-", "COUNT", 1),
                ("HGETALL", account.keys.positions),
                ("HGETALL", account.keys.balances),
            ]
        )
        return (newest[0][0] if newest else "0-0"), fields_of(positions), fields_of(balances)

    def result_at(self, account: Account, entry_id: str) -> Fields:
        """Return the result entry with this id; {} if it was trimmed or never was."""
        found = self._call("XRANGE", account.keys.results(self.strategy), entry_id, entry_id)
        return fields_of(found[0][1]) if found else {}

    def newest_results(self, account: Account, count: int) -> list[tuple[str, Fields]]:
        """Return the newest results, newest first."""
        stream = account.keys.results(self.strategy)
        found = self._call("XREVRANGE", stream, "+", "-", "COUNT", count)
        return [(entry_id, fields_of(flat)) for entry_id, flat in found]

    def has_owner(self, account: Account) -> bool:
        """Return whether a worker owns the account now."""
        return bool(self._call("EXISTS", account.keys.lease))

    def gap(self, account: Account) -> ResultsGap | None:
        """Return which results were cut before this instance read them; None if none were."""
        text = self._call("HGET", account.keys.gaps(self.strategy), self.instance)
        if not text:
            return None
        try:
            return ResultsGap.model_validate_json(text)
        except ValidationError as error:
            _LOG.error("the gap marker of %r at %s is unreadable: %s", self, account.id, error)
            return None

    def forget_gap(self, account: Account) -> None:
        """Remove the gap marker: it was told."""
        self._call("HDEL", account.keys.gaps(self.strategy), self.instance)

    def store_cursor(self, account: Account, entry_id: str) -> None:
        """Remember the last result handled by this instance."""
        self._call(*self.cursor_command(account, entry_id))

    def cursor_command(self, account: Account, entry_id: str) -> tuple[str, str, str, str]:
        """Return the command that remembers the last result handled, for sending with others."""
        return ("HSET", account.keys.cursor(self.strategy), self.instance, entry_id)

    def fetch(self, *command: str | int | float) -> Any:
        """Return the answer to a plain read or a signal without consequences for orders.

        It names keys of one place only (``Link.place``).
        """
        return self._call(*command)

    # --- how

    def _time_of(self, account: Account) -> ServerTime:
        return self._times.setdefault(account.id, ServerTime())

    def _call(self, *command: str | int | float) -> Any:
        return self._call_many([command])[0]

    def _call_many(self, commands: Sequence[Sequence[str | int | float]]) -> list[Any]:
        try:
            replies = self.link.call_many(commands)
        except AuthenticationError as refusal:
            raise _refused(refusal) from refusal
        except LinkLost as lost:
            raise RedisUnavailable(f"Redis does not answer: {lost}. Nothing was sent") from lost
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise _refused(reply) from reply
        return replies

    def _fcall(self, call: functions.Call, maybe: str) -> Any:
        answer = self._each([call], Doubt())[0]
        return _answer(_unavailable(answer, maybe) if isinstance(answer, LinkLost) else answer)

    def _each(self, calls: Sequence[functions.Call], doubt: Doubt) -> list[Any]:
        """Return the calls' answers as ``_send``; LinkLost for each if Redis answered none."""
        try:
            return self._send(calls, doubt)
        except LinkLost as lost:
            return [lost] * len(calls)

    def _send(self, calls: Sequence[functions.Call], doubt: Doubt) -> list[Any]:
        """Return the functions' answers, an error of ours in the place of one that was refused.

        Each call stands alone: one that is refused says nothing of the others, sent with it. Where
        one was refused that may have run before (``doubt``), LinkLost stands.

        Raises:
            LinkLost: If Redis answered none.
            ConfigError: If it refused all; nothing was sent.
        """
        if not calls:
            return []
        commands: list[tuple[Any, ...]] = [("FCALL", *call.fcall()) for call in calls]
        if self._replicated:
            commands.append(functions.WAIT)
        try:
            replies = self.link.call_many(commands, doubt=doubt)
            missing = [functions.is_missing(reply) for reply in replies[: len(calls)]]
            if any(missing):
                doubt.sent = doubt.sent or not all(missing)  # somebody loaded it in between
                self._load_functions(calls[0].keys[0], doubt)
                replies = self.link.call_many(commands, doubt=doubt)
        except AuthenticationError as refusal:
            raise _refused(refusal) from refusal
        if self._replicated:
            self._check_replicated(replies.pop(), calls[0].name)
        if doubt.sent:  # whatever refusal is left: that the library is missing yet again
            replies = [LinkLost(True, one) if _is_no(one) else one for one in replies]
        return [_refused(one) if _is_no(one) else one for one in replies]

    def _check_replicated(self, replicas: Any, name: str) -> None:
        """Log it if no replica has the last call; the answer to ``WAIT`` is given."""
        if isinstance(replicas, int) and replicas > 0:
            return
        # No error to the caller: it is admitted, may be at the venue already, and goes on.
        why = f" ({replicas})" if isinstance(replicas, ResponseError) else ""
        _LOG.error(
            "no replica of Redis has the last call of %s (%s) after %d ms%s; should Redis fail "
            "over now, it is forgotten",
            *(self, name, functions.REPLICA_WITHIN_MS, why),
        )

    def _load_functions(self, key: str, doubt: Doubt) -> None:
        """Load the functions on the server that has ``key``: on a Cluster one may be new.

        Raises:
            LinkLost: If they cannot be loaded; ``sent`` as the ``doubt`` about what needs them.
            ConfigError: If the server refuses them, and there is none.
        """
        _LOG.warning("the server lacks the function library %s; loading it", functions.LIBRARY)
        try:
            self.link.call("FUNCTION", "LOAD", functions.source(), at=key)
        except LinkLost as lost:
            raise LinkLost(doubt.sent, lost.cause) from lost
        except (ResponseError, AuthenticationError) as refusal:
            if "already exists" in str(refusal):
                return  # another process was faster
            if doubt.sent:
                raise LinkLost(True, refusal) from refusal
            if isinstance(refusal, AuthenticationError):
                raise
            raise ConfigError(
                "redis",
                f"the server lacks the function library {functions.LIBRARY} and this user may not "
                f"load it ({refusal}); nothing was sent. Start a worker first: it loads it",
            ) from refusal


def _answer(answer: _T | RouterError) -> _T:
    """Return the answer to a call made alone; raise the error that stands in its place."""
    if isinstance(answer, RouterError):
        raise answer
    return answer


def _is_no(reply: Any) -> bool:
    return isinstance(reply, ResponseError)


def _is_unregistered(answer: Any) -> bool:
    return not isinstance(answer, (RouterError, LinkLost)) and "unregistered" in answer[::2]


def _not_known(lost: LinkLost, oid: str) -> RedisUnavailable:
    """Return the error of ours for a create that was not answered."""
    maybe = (
        f"order {oid} MAY have been admitted. Calling again with the same idempotency_key is "
        "safe; without a key, ask with fetch_order first"
    )
    return _unavailable(lost, maybe, oid)


def _unavailable(lost: LinkLost, maybe: str, oid: str | None = None) -> RedisUnavailable:
    """Return the error of ours for what was not answered; ``maybe`` says what that leaves open."""
    if not lost.sent:
        error = RedisUnavailable(
            f"Redis cannot be reached: {lost}. Nothing was sent; call again when it is back"
        )
    elif isinstance(lost.cause, (ResponseError, AuthenticationError)):
        what = "Redis did not answer, and refused the repetition"
        error = RedisUnavailable(f"{what} ({lost}); {maybe}", oid)
    else:
        error = RedisUnavailable(f"Redis stopped answering: {lost}; {maybe}", oid)
    error.__cause__ = lost
    return error


def _reason(error: RouterError) -> Exception:
    """Return what Redis said, without what we made of it, if that is where the error is from."""
    cause = error.__cause__
    if isinstance(cause, LinkLost):
        return cause.cause
    return cause if isinstance(cause, Exception) else error


def _refused(refusal: Exception) -> RouterError:
    """Return the error of ours for a command that Redis refused; nothing was written then."""
    error = _meaning_of(refusal)
    error.__cause__ = refusal
    return error


def _meaning_of(refusal: Exception) -> RouterError:
    if isinstance(refusal, OutOfMemoryError):
        return Denied(
            "REDIS_FULL",
            f"Redis has no memory left and takes no new orders ({refusal}); nothing was admitted. "
            "Free memory or raise maxmemory",
        )
    lacks_rights = isinstance(refusal, (NoPermissionError, AuthenticationError))
    if lacks_rights or "ACL failure" in str(refusal):  # inside a function it is a plain error
        return ConfigError(
            "redis_url",
            f"Redis refused the user ({refusal}); nothing was sent. Check user, password and ACL",
        )
    return ConfigError(
        "redis", f"Redis refused a command ({refusal}); nothing was written. See the server's state"
    )
