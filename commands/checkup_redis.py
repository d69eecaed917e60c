"""The doctor's checks of the Redis server: version, durability, memory, functions, clock."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import redis.exceptions

from commands.findings import Finding, fail, ok, warn
from commands.output import now_ms
from router import functions
from router.servers import Servers
from router.settings import Durability, Settings

_OLDEST = {"redis": (7, 0), "valkey": (7, 2)}
_CLOCK_WARN_MS = 500
_CLOCK_FAIL_MS = 5_000
_REPLICA = re.compile(r"(slave|replica)\d+")
_OPTIONS = {
    "protocol": 2,
    "decode_responses": True,
    "retry": None,
    "socket_connect_timeout": 2.0,
    "socket_timeout": 10.0,
}
_LOAD = "start any worker; it loads them"


def check_servers(servers: Servers, settings: Settings) -> Iterator[Finding]:
    """Yield what is to say about every server that has keys."""
    masters = servers.masters()
    for node in masters:
        with closing(servers.client_at(node, **_OPTIONS)) as client:
            found = list(_check_server(client, settings.durability))
        for one in found:
            at = f" at {node[0]}:{node[1]}" if node is not None and len(masters) > 1 else ""
            yield replace(one, check=one.check + at)


def _check_server(client: Any, durability: Durability) -> Iterator[Finding]:
    yield _version(client.info("server"))
    config = _config(client)
    if config is None:
        yield warn(
            "redis settings",
            "this user may not read CONFIG",
            "make sure of appendonly yes, appendfsync and maxmemory-policy noeviction",
        )
    else:
        yield _aof(config)
        yield _fsync(config, durability)
        yield _eviction(config)
    if durability is Durability.REPLICATED:
        yield from _replicas(client.info("replication"), config or {})
    yield _functions(client)
    yield _clock(client)


def _version(info: dict[str, Any]) -> Finding:
    name = "valkey" if "valkey_version" in info else "redis"
    text = str(info.get("valkey_version") or info.get("redis_version"))
    number = tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
    if number < _OLDEST[name]:
        return fail("redis version", f"{name} {text}", "Redis 7.0 or Valkey 7.2 is needed")
    return ok("redis version", f"{name} {text}")


def _config(client: Any) -> dict[str, str] | None:
    try:
        found: dict[str, str] = client.config_get("*")
    except redis.exceptions.ResponseError:
        return None
    return found


def _aof(config: dict[str, str]) -> Finding:
    if config.get("appendonly") == "yes":
        return ok("append-only file", "on")
    return fail(
        "append-only file",
        "off: a restart of Redis forgets orders",
        "redis-cli CONFIG SET appendonly yes, and in redis.conf",
    )


def _fsync(config: dict[str, str], durability: Durability) -> Finding:
    value = config.get("appendfsync", "?")
    if value == "always":
        return ok("appendfsync", value)
    if durability is not Durability.FAST:
        return fail(
            "appendfsync",
            f'{value}, but durability = "{durability}" promises that an admitted order is on the '
            "disk",
            "redis-cli CONFIG SET appendfsync always, and in redis.conf",
        )
    if value == "everysec":
        return warn(
            "appendfsync",
            "everysec: a power loss can forget the last second",
            'set "appendfsync always" where an admitted order must survive that',
        )
    return fail("appendfsync", value, 'set "appendfsync everysec" or "always"')


def _replicas(info: dict[str, Any], config: dict[str, str]) -> Iterator[Finding]:
    """Yield whether WAIT 1 can be answered, and whether a master that is alone stops writing."""
    states = [
        one.get("state") for name, one in info.items() if _REPLICA.match(name) and one is not None
    ]
    online = states.count("online")
    if not online:
        advice = 'start a replica, or set durability = "fsync"'
        yield fail("replicas", 'none is online, but durability = "replicated"', advice)
    elif online == 1:
        advice = "a second one keeps orders flowing while the first is away"
        yield warn("replicas", "one is online", advice)
    else:
        yield ok("replicas", f"{online} are online")
    if config:
        least = config.get("min-replicas-to-write", "0")
        if least.isdigit() and int(least) >= 1:
            yield ok("min-replicas-to-write", least)
        else:
            yield fail(
                "min-replicas-to-write",
                f"{least}: a master that is cut off goes on admitting what a failover forgets",
                "redis-cli CONFIG SET min-replicas-to-write 1, and in redis.conf",
            )


def _eviction(config: dict[str, str]) -> Finding:
    value = config.get("maxmemory-policy", "?")
    if value == "noeviction":
        return ok("maxmemory-policy", value)
    advice = "redis-cli CONFIG SET maxmemory-policy noeviction, and in redis.conf"
    seen = f"{value}: Redis may drop orders and idempotency keys when memory is short"
    return fail("maxmemory-policy", seen, advice)


def _functions(client: Any) -> Finding:
    listed = client.function_list(library=f"{functions.LIBRARY}*", withcode=True)
    found = {one["library_name"]: one for one in (_pairs(entry) for entry in listed)}
    mine = found.get(functions.LIBRARY)
    if mine is None:
        return fail("functions", f"{functions.LIBRARY} is not loaded", _LOAD)
    if mine.get("library_code") != functions.source():
        return fail(
            "functions",
            f"{functions.LIBRARY} differs from this installation's",
            f"run one version everywhere, then {_LOAD}",
        )
    return ok("functions", f"{functions.LIBRARY} is loaded as installed here")


def _pairs(entry: Any) -> dict[str, Any]:
    """Return an entry of FUNCTION LIST as a dict, whatever the protocol made of it."""
    if isinstance(entry, dict):
        return entry
    return dict(zip(entry[::2], entry[1::2], strict=True))


def _clock(client: Any, now: Callable[[], int] = now_ms) -> Finding:
    asked_ms = now()
    seconds, micros = client.time()
    unsure_ms = (now() - asked_ms) // 2  # a slow answer says little about the clock
    off_ms = int(seconds) * 1000 + int(micros) // 1000 - asked_ms - unsure_ms
    seen = f"{off_ms:+d} ms from this host's"
    advice = "run NTP on both hosts"
    if abs(off_ms) - unsure_ms > _CLOCK_FAIL_MS:
        return fail("redis clock", seen, advice)
    if abs(off_ms) - unsure_ms > _CLOCK_WARN_MS:
        return warn("redis clock", seen, advice)
    return ok("redis clock", seen)
