-- admit: accept create intents of one strategy: take their idempotency keys, store the orders, queue
-- the intents. One call for as many as the strategy sends at once; each has an answer of its own.
--
-- Run twice with the same oids (a reply was lost, the client retried) it changes nothing the second
-- time and answers the same. Everything is read and decided before the first write: a key of a wrong
-- type fails the call with nothing written.
--
-- An order that must not wait for a worker (ws_fallback off) and finds no lease alive ends here: it
-- is stored as FAILED and its outcome told, as the owner would (router/results.py), but no intent is
-- queued, so nobody can ever send it. Its key stays taken until it is released, as any ended order's.
--
-- KEYS[1]  open             set      {a}:open:<strategy>
-- KEYS[2]  intents          stream   {a}:intents:<strategy>
-- KEYS[3]  clients          hash     {a}:clients
-- KEYS[4]  halt             string   {a}:halt
-- KEYS[5]  strategies       hash     {a}:strategies
-- KEYS[6]  repeats          hash     {a}:repeats:<strategy>
-- KEYS[7]  results          stream   {a}:results:<strategy>
-- KEYS[8]  cursor           hash     {a}:cursor:<strategy>
-- KEYS[9…] lease, seq, ended: hash {a}:lease, hash {a}:seq, sorted set {a}:ended:<strategy>; given only
--          if an order has ws_fallback off. Then for each order two:
--          order            hash     {a}:order:<strategy>:<oid>
--          idempotency key  string   {a}:idem:<owner>:<key>  (unused where the key is "")
-- ARGV[1]  strategy   ARGV[2]  most intents waiting   ARGV[3]  most open orders
-- ARGV[4]  most results unread
-- ARGV[5]  how long repeats and an ended order's key are kept, ms
-- ARGV[6]  a JSON list, for each order [oid, idempotency key as the user wrote it or "", client id at
--          the venue, valid_for_ms: how long the intent may wait, field, value, … of the intent]
-- ARGV[7]  this server's time when the caller asked, ms, or "": an intent that lay in a line or in a
--          stopped server is valid from then on, and not from its arrival
--
-- Returns for each order, flat: "admitted", oid | "repeat", canonical oid | "halted", why
--       | "unregistered", "" | "client_oid_live", strategy/oid | "intents_full", depth
--       | "open_full", count | "results_full", unread
local NO_WORKER = 'NO_WORKER: no worker owns the account, and with ws_fallback=False the order must '
  .. 'not wait for one; it was never sent. Start a worker, then send it anew'
local ALWAYS, WITH_LEASE = 8, 11

local function fields_of(order)
  local f = {}
  for i = 5, #order, 2 do
    f[order[i]] = order[i + 1]
  end
  return f
end

local function malformed(args, orders, shared)
  if not (tonumber(args[2]) and tonumber(args[3]) and tonumber(args[4]) and tonumber(args[5])) then
    return 'a number is malformed'
  end
  if shared ~= ALWAYS and shared ~= WITH_LEASE then
    return 'the orders are no JSON list as long as their keys'
  end
  for _, order in ipairs(orders) do
    if type(order) ~= 'table' or #order < 6 or #order % 2 == 1 or not tonumber(order[4]) then
      return 'an order is malformed'
    end
    local f = shared == WITH_LEASE and fields_of(order)
    if f and not (f.oid and f.symbol and f.side and f.type and f.amount) then
      return 'an order lacks a field'
    end
  end
end

-- Why the account takes no new orders of the strategy now: {word, detail}, or nil.
local function closed(keys, strategy)
  if redis.call('HEXISTS', keys[5], strategy) == 0 then
    return {'unregistered', ''}
  end
  local why = redis.call('GET', keys[4])
  if why then
    return {'halted', why}
  end
end

-- How many results even the instance that has read furthest has not handled.
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

-- How many results wait unread if they are too many; nil if not.
local function results_full(keys, most)
  if redis.call('XLEN', keys[7]) < most then
    return nil
  end
  local waiting = unread(keys[7], keys[8])
  return waiting >= most and waiting or nil
end

-- What becomes of one order, without changing anything: word, detail.
local function judge(keys, args, seen, order, at)
  local oid, idem, client = order[1], order[2], order[3]
  if seen.oids[oid] or redis.call('EXISTS', keys[at]) == 1 then
    return 'admitted', oid
  end
  if idem ~= '' then
    local canonical = seen.idems[keys[at + 1]] or redis.call('GET', keys[at + 1])
    if canonical then
      return 'repeat', canonical
    end
  end
  if seen.closed == nil then
    seen.closed = closed(keys, args[1]) or false
  end
  if seen.closed then
    return seen.closed[1], seen.closed[2]
  end
  local holder = seen.clients[client] or redis.call('HGET', keys[3], client)
  if holder and not string.find(holder, '/ended', 1, true) then
    return 'client_oid_live', holder
  end
  seen.depth = seen.depth or redis.call('XLEN', keys[2])
  if seen.depth >= tonumber(args[2]) then
    return 'intents_full', tostring(seen.depth)
  end
  seen.open = seen.open or redis.call('SCARD', keys[1])
  if seen.open >= tonumber(args[3]) then
    return 'open_full', tostring(seen.open)
  end
  if seen.unread == nil then
    seen.unread = results_full(keys, tonumber(args[4])) or false
  end
  if seen.unread then
    return 'results_full', string.format('%.0f', seen.unread)
  end
  seen.oids[oid], seen.clients[client] = true, args[1] .. '/' .. oid
  if idem ~= '' then
    seen.idems[keys[at + 1]] = oid
  end
  seen.depth, seen.open = seen.depth + 1, seen.open + 1
  seen.fresh[at] = true
  return 'admitted', oid
end

local function count_repeat(keys, args, idem)
  redis.call('HINCRBY', keys[6], redis.call('HLEN', keys[6]) < 10000 and idem or '(others)', 1)
  redis.call('PEXPIRE', keys[6], args[5])
end

local function expiry_of(args, order, now)
  return string.format('%.0f', math.min(now, tonumber(args[7]) or now) + order[4])
end

local function store(keys, args, order, at, now)
  local oid, idem = order[1], order[2]
  local expires_ms = expiry_of(args, order, now)
  if idem ~= '' then
    redis.call('SET', keys[at + 1], oid, 'NX')
  end
  redis.call('HSET', keys[at], 'state', 'INITIALIZED', 'status', 'INITIALIZED', 'created_ms', now,
    'expires_ms', expires_ms, unpack(order, 5))
  redis.call('SADD', keys[1], oid)
  redis.call('HSET', keys[3], order[3], args[1] .. '/' .. oid)
  redis.call('XADD', keys[2], '*', 'created_ms', now, 'expires_ms', expires_ms, unpack(order, 5))
end

-- Whether an order may not wait for a worker, and none is there.
local function has_no_worker(keys, seen, f)
  if f.ws_fallback ~= '0' then
    return false
  end
  if seen.lease == nil then
    local lease = unpack(keys, 9)
    seen.lease = redis.call('EXISTS', lease) == 1
  end
  return not seen.lease
end

-- Tell the end of an order that was never sent; f holds the intent's fields.
local function tell_not_sent(keys, strategy, now, f)
  local _, seq = unpack(keys, 9)
  local order = {'type', 'order', 'ts_ms', now, 'oid', f.oid, 'symbol', f.symbol, 'side', f.side,
    'order_type', f.type, 'status', 'FAILED', 'amount', f.amount, 'exists', 'false'}
  local choices = {{'price', f.price}, {'client_id', f.client_id}, {'client_oid', f.client_oid},
    {'time_in_force', f.tif}, {'reduce_only', f.reduce_only}, {'reason', NO_WORKER}}
  for i = 1, 6 do
    if choices[i][2] then
      order[#order + 1], order[#order + 2] = choices[i][1], choices[i][2]
    end
  end
  local exchange = string.lower(string.match(f.symbol, '[^.]*$'))
  redis.call('XADD', keys[7], '*', 'seq', redis.call('HINCRBY', seq, strategy, 1),
    unpack(order))
  redis.call('XADD', keys[7], '*', 'seq', redis.call('HINCRBY', seq, strategy, 1), 'type',
    'ws_order_request_result', 'ts_ms', now, 'oid', f.oid, 'symbol', f.symbol, 'exchange', exchange,
    'request', 'create', 'result_type', 'REQUEST_NOT_SENT', 'reason', NO_WORKER, 'exists', 'false',
    'timestamp', now)
end

local function end_unsent(keys, args, order, at, now, f)
  local oid = order[1]
  local _, _, ended = unpack(keys, 9)
  if order[2] ~= '' then
    redis.call('SET', keys[at + 1], oid, 'NX', 'PX', args[5])
  end
  redis.call('HSET', keys[at], 'state', 'FAILED', 'status', 'FAILED', 'exists', 'false', 'reason',
    NO_WORKER, 'created_ms', now, 'ended_ms', now, 'expires_ms', expiry_of(args, order, now),
    unpack(order, 5))
  redis.call('ZADD', ended, now, oid)
  redis.call('HSET', keys[3], order[3], args[1] .. '/' .. oid .. '/ended')
  tell_not_sent(keys, args[1], now, f)
end

local function admit(keys, args)
  local readable, orders = pcall(cjson.decode, args[6])
  if not readable or type(orders) ~= 'table' then
    return redis.error_reply('INVALID admit: the orders are no JSON list')
  end
  local shared = #keys - 2 * #orders
  local problem = malformed(args, orders, shared)
  if problem then
    return redis.error_reply('INVALID admit: ' .. problem)
  end
  local seen, answers = {oids = {}, idems = {}, clients = {}, fresh = {}}, {}
  for i, order in ipairs(orders) do
    answers[2 * i - 1], answers[2 * i] = judge(keys, args, seen, order, shared + 2 * i - 1)
  end
  local time = redis.call('TIME')
  local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
  for i, order in ipairs(orders) do
    local at = shared + 2 * i - 1
    if answers[2 * i - 1] == 'repeat' then
      count_repeat(keys, args, order[2])
    elseif seen.fresh[at] then
      local f = shared == WITH_LEASE and fields_of(order)
      if f and has_no_worker(keys, seen, f) then
        end_unsent(keys, args, order, at, now, f)
      else
        store(keys, args, order, at, now)
      end
    end
  end
  return answers
end

redis.register_function('or1_admit', admit)
