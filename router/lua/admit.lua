-- admit: accept one create intent: take its idempotency key, store the order, queue the intent.
--
-- Run twice with one oid (a reply was lost, the client retried) it changes nothing the second time
-- and answers the same. Nothing is written unless everything is (each check comes first).
--
-- KEYS[1]  idempotency key  string   {a}:idem:<owner>:<key>  (unused when ARGV[3] is "")
-- KEYS[2]  order            hash     {a}:order:<strategy>:<oid>
-- KEYS[3]  open             set      {a}:open:<strategy>
-- KEYS[4]  intents          stream   {a}:intents:<strategy>
-- KEYS[5]  clients          hash     {a}:clients
-- KEYS[6]  halt             string   {a}:halt
-- KEYS[7]  strategies       hash     {a}:strategies
-- KEYS[8]  repeats          hash     {a}:repeats:<strategy>
-- ARGV[1]  strategy
-- ARGV[2]  oid
-- ARGV[3]  idempotency key as the user wrote it, or ""
-- ARGV[4]  client id at the venue
-- ARGV[5]  valid_for_ms: how long the intent may wait before it must not be sent
-- ARGV[6]  most intents waiting   ARGV[7]  most open orders   ARGV[8]  repeats kept, ms
-- ARGV[9…] field, value, … of the intent
--
-- Returns {"admitted", oid} | {"repeat", canonical oid} | {"halted", why} | {"unregistered", ""}
--       | {"client_oid_live", strategy/oid} | {"intents_full", depth} | {"open_full", count}
local function admit(keys, args)
  local strategy, oid, idem, client = args[1], args[2], args[3], args[4]
  local valid_for_ms, most_intents, most_open = tonumber(args[5]), tonumber(args[6]), tonumber(args[7])
  local repeats_ms = tonumber(args[8])
  if not (valid_for_ms and most_intents and most_open and repeats_ms) or #args % 2 == 1 then
    return redis.error_reply('INVALID admit: numbers or field pairs are malformed')
  end
  if redis.call('EXISTS', keys[2]) == 1 then
    return {'admitted', oid}
  end
  if idem ~= '' then
    local canonical = redis.call('GET', keys[1])
    if canonical then
      redis.call('HINCRBY', keys[8], redis.call('HLEN', keys[8]) < 10000 and idem or '(others)', 1)
      redis.call('PEXPIRE', keys[8], repeats_ms)
      return {'repeat', canonical}
    end
  end
  if redis.call('HEXISTS', keys[7], strategy) == 0 then
    return {'unregistered', ''}
  end
  local why = redis.call('GET', keys[6])
  if why then
    return {'halted', why}
  end
  local holder = redis.call('HGET', keys[5], client)
  if holder and not string.find(holder, '/ended', 1, true) then
    return {'client_oid_live', holder}
  end
  local depth = redis.call('XLEN', keys[4])
  if depth >= most_intents then
    return {'intents_full', tostring(depth)}
  end
  local open = redis.call('SCARD', keys[3])
  if open >= most_open then
    return {'open_full', tostring(open)}
  end
  local time = redis.call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  local created_ms = string.format('%.0f', now_ms)
  local expires_ms = string.format('%.0f', now_ms + valid_for_ms)
  if idem ~= '' then
    redis.call('SET', keys[1], oid, 'NX')
  end
  redis.call('HSET', keys[2], 'state', 'INITIALIZED', 'status', 'INITIALIZED', 'created_ms',
    created_ms, 'expires_ms', expires_ms, unpack(args, 9))
  redis.call('SADD', keys[3], oid)
  redis.call('HSET', keys[5], client, strategy .. '/' .. oid)
  redis.call('XADD', keys[4], '*', 'created_ms', created_ms, 'expires_ms', expires_ms,
    unpack(args, 9))
  return {'admitted', oid}
end

redis.register_function('or1_admit', admit)
