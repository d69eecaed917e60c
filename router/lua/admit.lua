-- admit: accept one create intent: take its idempotency key, store the order, queue the intent.
--
-- Run twice with one oid (a reply was lost, the client retried) it changes nothing the second time
-- and answers the same. Nothing is written unless everything is (each check comes first).
--
-- An order that must not wait for a worker (ws_fallback off) and finds no lease alive ends here: it
-- is stored as FAILED and its outcome told, as the owner would (router/results.py), but no intent is
-- queued, so nobody can ever send it. Its key stays taken until it is released, as any ended order's.
--
-- KEYS[1]  idempotency key  string   {a}:idem:<owner>:<key>  (unused when ARGV[3] is "")
-- KEYS[2]  order            hash     {a}:order:<strategy>:<oid>
-- KEYS[3]  open             set      {a}:open:<strategy>
-- KEYS[4]  intents          stream   {a}:intents:<strategy>
-- KEYS[5]  clients          hash     {a}:clients
-- KEYS[6]  halt             string   {a}:halt
-- KEYS[7]  strategies       hash     {a}:strategies
-- KEYS[8]  repeats          hash     {a}:repeats:<strategy>
-- KEYS[9]  results          stream   {a}:results:<strategy>
-- KEYS[10] cursor           hash     {a}:cursor:<strategy>
-- KEYS[11…] lease, seq, ended  hash {a}:lease, hash {a}:seq, sorted set {a}:ended:<strategy>; given
--           only with ws_fallback off
-- ARGV[1]  strategy
-- ARGV[2]  oid
-- ARGV[3]  idempotency key as the user wrote it, or ""
-- ARGV[4]  client id at the venue
-- ARGV[5]  valid_for_ms: how long the intent may wait before it must not be sent
-- ARGV[6]  most intents waiting   ARGV[7]  most open orders   ARGV[8]  most results unread
-- ARGV[9]  how long repeats and an ended order's key are kept, ms
-- ARGV[10…] field, value, … of the intent
--
-- Returns {"admitted", oid} | {"repeat", canonical oid} | {"halted", why} | {"unregistered", ""}
--       | {"client_oid_live", strategy/oid} | {"intents_full", depth} | {"open_full", count}
--       | {"results_full", unread}
local NO_WORKER = 'NO_WORKER: no worker owns the account, and with ws_fallback=False the order must '
  .. 'not wait for one; it was never sent. Start a worker, then send it anew'

-- Returns how many results even the instance that has read furthest has not handled.
local function unread(results, cursors)
  local best, best_ms, best_n = '0-0', 0, 0
  for _, id in ipairs(redis.call('HVALS', cursors)) do
    local ms, n = string.match(id, '^(%d+)-(%d+)$')
    ms, n = tonumber(ms) or 0, tonumber(n) or 0
    if ms > best_ms or (ms == best_ms and n > best_n) then
      best, best_ms, best_n = id, ms, n
    end
  end
  local first = redis.call('XRANGE', results, '(' .. best, '+', 'COUNT', 1)[1]
  if not first then
    return 0
  end
  local last = redis.call('XREVRANGE', results, '+', '-', 'COUNT', 1)[1]
  -- An entry begins with its seq, and seq has no gaps.
  return (tonumber(last[2][2]) or 0) - (tonumber(first[2][2]) or 0) + 1
end

-- Tells the end of an order that was never sent; f holds the intent's fields.
local function tell_not_sent(results, seq, strategy, now, f)
  local order = {'type', 'order', 'ts_ms', now, 'oid', f.oid, 'symbol', f.symbol, 'side', f.side,
    'order_type', f.type, 'time_in_force', f.tif, 'status', 'FAILED', 'standing', 'FAILED',
    'amount', f.amount, 'filled', '0', 'remaining', f.amount, 'reduce_only', f.reduce_only,
    'exists', 'false', 'client_id', f.client_id}
  for _, name in ipairs({'client_oid', 'price'}) do
    if f[name] then
      order[#order + 1], order[#order + 2] = name, f[name]
    end
  end
  order[#order + 1], order[#order + 2] = 'reason', NO_WORKER
  local exchange = string.lower(string.match(f.symbol, '[^.]*$'))
  redis.call('XADD', results, '*', 'seq', redis.call('HINCRBY', seq, strategy, 1), unpack(order))
  redis.call('XADD', results, '*', 'seq', redis.call('HINCRBY', seq, strategy, 1), 'type',
    'ws_order_request_result', 'ts_ms', now, 'oid', f.oid, 'symbol', f.symbol, 'exchange', exchange,
    'request', 'create', 'result_type', 'REQUEST_NOT_SENT', 'reason', NO_WORKER, 'exists', 'false',
    'timestamp', now)
end

-- Ends an order that finds no worker: stored, told, never queued.
local function end_unsent(keys, args, seq, ended, created_ms, expires_ms)
  local strategy, oid, f = args[1], args[2], {}
  for i = 10, #args, 2 do
    f[args[i]] = args[i + 1]
  end
  if not (f.symbol and f.side and f.type and f.tif and f.amount and f.reduce_only) then
    return redis.error_reply('INVALID admit: the intent lacks a field')
  end
  if args[3] ~= '' then
    redis.call('SET', keys[1], oid, 'NX', 'PX', args[9])
  end
  redis.call('HSET', keys[2], 'state', 'FAILED', 'status', 'FAILED', 'exists', 'false', 'reason',
    NO_WORKER, 'created_ms', created_ms, 'ended_ms', created_ms, 'expires_ms', expires_ms,
    unpack(args, 10))
  redis.call('ZADD', ended, created_ms, oid)
  redis.call('HSET', keys[5], args[4], strategy .. '/' .. oid .. '/ended')
  tell_not_sent(keys[9], seq, strategy, created_ms, f)
  return {'admitted', oid}
end

local function admit(keys, args)
  local strategy, oid, idem, client = args[1], args[2], args[3], args[4]
  local valid_for_ms, most_intents, most_open = tonumber(args[5]), tonumber(args[6]), tonumber(args[7])
  local most_unread, keep_ms = tonumber(args[8]), tonumber(args[9])
  if not (valid_for_ms and most_intents and most_open and most_unread and keep_ms)
    or #args % 2 == 0 then
    return redis.error_reply('INVALID admit: numbers or field pairs are malformed')
  end
  if redis.call('EXISTS', keys[2]) == 1 then
    return {'admitted', oid}
  end
  if idem ~= '' then
    local canonical = redis.call('GET', keys[1])
    if canonical then
      redis.call('HINCRBY', keys[8], redis.call('HLEN', keys[8]) < 10000 and idem or '(others)', 1)
      redis.call('PEXPIRE', keys[8], keep_ms)
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
  if redis.call('XLEN', keys[9]) >= most_unread then
    local waiting = unread(keys[9], keys[10])
    if waiting >= most_unread then
      return {'results_full', string.format('%.0f', waiting)}
    end
  end
  local time = redis.call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  local created_ms = string.format('%.0f', now_ms)
  local expires_ms = string.format('%.0f', now_ms + valid_for_ms)
  local lease, seq, ended = unpack(keys, 11)
  if lease and redis.call('EXISTS', lease) == 0 then
    return end_unsent(keys, args, seq, ended, created_ms, expires_ms)
  end
  if idem ~= '' then
    redis.call('SET', keys[1], oid, 'NX')
  end
  redis.call('HSET', keys[2], 'state', 'INITIALIZED', 'status', 'INITIALIZED', 'created_ms',
    created_ms, 'expires_ms', expires_ms, unpack(args, 10))
  redis.call('SADD', keys[3], oid)
  redis.call('HSET', keys[5], client, strategy .. '/' .. oid)
  redis.call('XADD', keys[4], '*', 'created_ms', created_ms, 'expires_ms', expires_ms,
    unpack(args, 10))
  return {'admitted', oid}
end

redis.register_function('or1_admit', admit)
