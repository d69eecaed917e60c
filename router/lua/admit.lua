-- admit: accept create intents of one strategy: take their idempotency keys, store the orders, queue
-- the intents. One call for as many as the strategy sends at once; each has an answer of its own.
--
-- Run twice with the same oids (a reply was lost, the client retried) it changes nothing the second
-- time and answers the same. Everything is read and decided before the first write: a key of a wrong
-- type fails the call with nothing written.
--
-- KEYS[1]  open             set      {a}:open:<strategy>
-- KEYS[2]  intents          stream   {a}:intents:<strategy>
-- KEYS[3]  clients          hash     {a}:clients
-- KEYS[4]  halt             string   {a}:halt
-- KEYS[5]  strategies       hash     {a}:strategies
-- KEYS[6]  repeats          hash     {a}:repeats:<strategy>
-- KEYS[7…] for each order two:
--          order            hash     {a}:order:<strategy>:<oid>
--          idempotency key  string   {a}:idem:<owner>:<key>  (unused where the key is "")
-- ARGV[1]  strategy   ARGV[2]  most intents waiting   ARGV[3]  most open orders
-- ARGV[4]  repeats kept, ms
-- ARGV[5]  a JSON list, for each order [oid, idempotency key as the user wrote it or "", client id at
--          the venue, valid_for_ms: how long the intent may wait, field, value, … of the intent]
--
-- Returns for each order, flat: "admitted", oid | "repeat", canonical oid | "halted", why
--       | "unregistered", "" | "client_oid_live", strategy/oid | "intents_full", depth
--       | "open_full", count
local SHARED = 6

local function malformed(keys, args, orders)
  if not (tonumber(args[2]) and tonumber(args[3]) and tonumber(args[4])) then
    return 'a number is malformed'
  end
  if type(orders) ~= 'table' or #orders == 0 or #keys ~= SHARED + 2 * #orders then
    return 'the orders are no JSON list as long as their keys'
  end
  for _, order in ipairs(orders) do
    if type(order) ~= 'table' or #order < 6 or #order % 2 == 1 or not tonumber(order[4]) then
      return 'an order is malformed'
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
  redis.call('PEXPIRE', keys[6], args[4])
end

local function store(keys, args, order, at, now_ms)
  local oid, idem = order[1], order[2]
  local created_ms = string.format('%.0f', now_ms)
  local expires_ms = string.format('%.0f', now_ms + order[4])
  if idem ~= '' then
    redis.call('SET', keys[at + 1], oid, 'NX')
  end
  redis.call('HSET', keys[at], 'state', 'INITIALIZED', 'status', 'INITIALIZED', 'created_ms',
    created_ms, 'expires_ms', expires_ms, unpack(order, 5))
  redis.call('SADD', keys[1], oid)
  redis.call('HSET', keys[3], order[3], args[1] .. '/' .. oid)
  redis.call('XADD', keys[2], '*', 'created_ms', created_ms, 'expires_ms', expires_ms,
    unpack(order, 5))
end

local function admit(keys, args)
  local readable, orders = pcall(cjson.decode, args[5])
  local problem = malformed(keys, args, readable and orders)
  if problem then
    return redis.error_reply('INVALID admit: ' .. problem)
  end
  local seen, answers = {oids = {}, idems = {}, clients = {}, fresh = {}}, {}
  for i, order in ipairs(orders) do
    answers[2 * i - 1], answers[2 * i] = judge(keys, args, seen, order, SHARED + 2 * i - 1)
  end
  local time = redis.call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  for i, order in ipairs(orders) do
    local at = SHARED + 2 * i - 1
    if answers[2 * i - 1] == 'repeat' then
      count_repeat(keys, args, order[2])
    elseif seen.fresh[at] then
      store(keys, args, order, at, now_ms)
    end
  end
  return answers
end

redis.register_function('or1_admit', admit)
