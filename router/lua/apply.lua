-- apply: write all outcomes of one account that one turn of the owner's loop produced.
--
-- Fenced: an older epoch changes nothing. Idempotent: a batch number seen before changes nothing, so
-- a batch whose reply was lost may be sent again. A number without its predecessor changes nothing: a
-- batch that was answered is gone from the server (a failover, a power loss). A result, the order it speaks of and the
-- settlement of its intent stand in one batch: an order is never half finished.
--
-- KEYS[1]  epoch     string  {a}:epoch
-- KEYS[2]  applied   hash    {a}:applied
-- KEYS[3]  seq       hash    {a}:seq
-- KEYS[4…] the keys that the operations name by their index in KEYS
-- ARGV[1]  epoch   ARGV[2]  batch number, from 1 within the epoch
-- ARGV[3]  operations: a JSON list of lists [kind, argument …], keys by their number, all else text
--          (one argument: packing hundreds of them cost the worker more than all else together)
--   order   order-key field value …
--   place   open-key ended-key oid open|ended end_ms
--   result  results-key strategy field value …       (seq is added)
--   settle  stream-key entry-id …                    (acknowledged and deleted)
--   client  clients-key client-id value              (value "" removes it)
--   idem    idem-key oid ttl_ms                      (ttl "" keeps it; only if it still names oid)
--   hash    key field value …                        (a value of "" removes the field)
--   dead    dead-key field value …
--   reply   reply-key ttl_ms text
--
-- Returns {"applied", count, error …} | {"fenced", current epoch} | {"repeat", batch}
--       | {"behind", last batch}

-- Lua cannot unpack more than some thousand values at once.
local MOST_IDS = 1000

-- Each handler gets the keys and the operation's list: a[1] is its kind, arguments follow.
local operations = {
  order = function(keys, a)
    redis.call('HSET', keys[a[2]], unpack(a, 3))
  end,
  place = function(keys, a)
    local open, ended, oid = keys[a[2]], keys[a[3]], a[4]
    if a[5] == 'open' then
      redis.call('SADD', open, oid)
      redis.call('ZREM', ended, oid)
    else
      redis.call('SREM', open, oid)
      redis.call('ZADD', ended, a[6], oid)
    end
  end,
  result = function(keys, a, turn)
    local strategy = a[3]
    local number = (turn.seqs[strategy] or redis.call('HGET', keys[3], strategy) or 0) + 1
    redis.call('XADD', keys[a[2]], '*', 'seq', string.format('%.0f', number), unpack(a, 4))
    turn.seqs[strategy] = number
  end,
  settle = function(keys, a)
    local stream = keys[a[2]]
    for from = 3, #a, MOST_IDS do
      local to = math.min(from + MOST_IDS - 1, #a)
      redis.call('XACK', stream, 'workers', unpack(a, from, to))
      redis.call('XDEL', stream, unpack(a, from, to))
    end
  end,
  client = function(keys, a)
    if a[4] == '' then
      redis.call('HDEL', keys[a[2]], a[3])
    else
      redis.call('HSET', keys[a[2]], a[3], a[4])
    end
  end,
  idem = function(keys, a)
    if redis.call('GET', keys[a[2]]) == a[3] then
      if a[4] == '' then
        redis.call('PERSIST', keys[a[2]])
      else
        redis.call('PEXPIRE', keys[a[2]], a[4])
      end
    end
  end,
  hash = function(keys, a)
    for i = 3, #a, 2 do
      if a[i + 1] == '' then
        redis.call('HDEL', keys[a[2]], a[i])
      else
        redis.call('HSET', keys[a[2]], a[i], a[i + 1])
      end
    end
  end,
  dead = function(keys, a)
    redis.call('XADD', keys[a[2]], 'MAXLEN', '~', 10000, '*', unpack(a, 3))
  end,
  reply = function(keys, a)
    redis.call('RPUSH', keys[a[2]], a[4])
    redis.call('PEXPIRE', keys[a[2]], a[3])
  end,
}

-- How many numbers of keys follow an operation's kind, and the fewest entries of its list.
local SHAPES = {
  order = { 1, 4 }, place = { 2, 6 }, result = { 1, 5 }, settle = { 1, 3 }, client = { 1, 4 },
  idem = { 1, 4 }, hash = { 1, 4 }, dead = { 1, 4 }, reply = { 1, 4 },
}

local function parse(keys, json)
  local readable, listed = pcall(cjson.decode, json)
  if not readable or type(listed) ~= 'table' then
    return nil, 'the operations are not a JSON list'
  end
  for at, a in ipairs(listed) do
    local shape = type(a) == 'table' and SHAPES[a[1]]
    if not shape or #a < shape[2] then
      return nil, 'operation ' .. at .. ' is malformed'
    end
    for i = 2, 1 + shape[1] do
      if not keys[a[i]] then
        return nil, a[1] .. ' names key number ' .. tostring(a[i])
      end
    end
  end
  return listed
end

-- Run one step; note what went wrong. One key of a wrong type (a hand edit) must not take the other
-- outcomes with it.
local function try(answer, what, key, step, ...)
  local done, trouble = pcall(step, ...)
  if not done then
    answer[#answer + 1] = what .. ' ' .. tostring(key) .. ': '
      .. (type(trouble) == 'table' and trouble.err or tostring(trouble))
  end
end

-- Counters once for the whole batch: a command costs far more than an argument of it.
local function finish(keys, turn, answer)
  for strategy, number in pairs(turn.seqs) do
    try(answer, 'seq', keys[3], redis.call, 'HSET', keys[3], strategy, string.format('%.0f', number))
  end
end

local function apply(keys, args)
  local epoch, number = tonumber(args[1]), tonumber(args[2])
  if not epoch or not number then
    return redis.error_reply('INVALID apply: epoch or batch number is not a number')
  end
  local batch, problem = parse(keys, args[3])
  if not batch then
    return redis.error_reply('INVALID apply: ' .. problem)
  end
  local current = redis.call('GET', keys[1]) or '0'
  if current ~= args[1] then
    return {'fenced', current}
  end
  local last = redis.call('HMGET', keys[2], 'epoch', 'batch')
  local done = last[1] == args[1] and tonumber(last[2]) or 0
  if done >= number then
    return {'repeat', last[2]}
  end
  if done ~= number - 1 then
    return {'behind', tostring(done)}
  end
  redis.call('HSET', keys[2], 'epoch', args[1], 'batch', args[2])
  local answer = {'applied', tostring(#batch)}
  local turn = {seqs = {}}
  for _, a in ipairs(batch) do
    try(answer, a[1], keys[a[2]], operations[a[1]], keys, a, turn)
  end
  finish(keys, turn, answer)
  return answer
end

-- allow-oom: outcomes of live orders are written even when maxmemory refuses new orders.
redis.register_function{function_name = 'or1_apply', callback = apply, flags = {'allow-oom'}}
