"""The floor's keys and its one Redis function."""

GROUP = "workers"
LIBRARY = "floor_1"
ADMIT = "floor_admit"

#: What a result says of an order: acknowledged, on the book; or of anything else.
PENDING, ACCEPTED, OTHER = "PENDING", "ACCEPTED", "OTHER"

#: The least that makes admission idempotent and readable: one key, one hash, one stream entry.
#: KEYS: idempotency key, order hash, intents stream; ARGV: oid, then field, value, …
SOURCE = f"""#!lua name={LIBRARY}
redis.register_function('{ADMIT}', function(keys, args)
  if not redis.call('SET', keys[1], args[1], 'NX', 'PX', 600000) then
    return redis.call('GET', keys[1])
  end
  redis.call('HSET', keys[2], unpack(args, 2))
  redis.call('PEXPIRE', keys[2], 600000)
  redis.call('XADD', keys[3], 'MAXLEN', '~', 10000, '*', unpack(args, 2))
  return args[1]
end)
"""


def intents(prefix: str, strategy: str) -> str:
    """Stream. Intents of one strategy, capped."""
    return f"{prefix}:{{floor}}:intents:{strategy}"


def results(prefix: str, strategy: str) -> str:
    """Stream. Acks for one strategy, capped."""
    return f"{prefix}:{{floor}}:results:{strategy}"


def order(prefix: str, oid: str) -> str:
    """Hash with expiry. One order."""
    return f"{prefix}:{{floor}}:order:{oid}"


def idem(prefix: str, oid: str) -> str:
    """String with expiry. One key."""
    return f"{prefix}:{{floor}}:idem:{oid}"
