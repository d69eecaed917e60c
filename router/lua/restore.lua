-- restore: write one order back, whole, on a server that lost it or has it as it was before. Fenced like
-- apply, and repeatable.
--
-- Its idempotency key names it again. Somebody may have taken the key since the loss: that order is
-- answered, so that its owner can refuse to send it.
--
-- KEYS[1]  epoch            string      {a}:epoch
-- KEYS[2]  order            hash        {a}:order:<strategy>:<oid>
-- KEYS[3]  open             set         {a}:open:<strategy>
-- KEYS[4]  ended            sorted set  {a}:ended:<strategy>
-- KEYS[5]  clients          hash        {a}:clients
-- KEYS[6]  idempotency key  string      {a}:idem:<owner>:<key>  (unused where ARGV[6] is "0")
-- ARGV[1]  epoch   ARGV[2]  oid   ARGV[3]  client id at the venue   ARGV[4]  strategy
-- ARGV[5]  when it ended, ms, "" if it lives
-- ARGV[6]  how long its key is kept, ms: "" for as long as it lives, "0" if it has none
-- ARGV[7…] field, value, … of the order
--
-- Returns {"restored", oid that had taken the key or ""} | {"fenced", current epoch}

-- Lua cannot unpack more than some thousand values at once; each slice is whole pairs.
local AT_ONCE = 1000

local function restore(keys, args)
  if #args < 8 or #args % 2 == 1 then
    return redis.error_reply('INVALID restore: the fields are no pairs')
  end
  local current = redis.call('GET', keys[1]) or '0'
  if current ~= args[1] then
    return {'fenced', current}
  end
  local oid, holder = args[2], args[4] .. '/' .. args[2]
  local taken = args[6] ~= '0' and redis.call('GET', keys[6]) or ''
  for from = 7, #args, AT_ONCE do
    redis.call('HSET', keys[2], unpack(args, from, math.min(from + AT_ONCE - 1, #args)))
  end
  if args[5] == '' then
    redis.call('SADD', keys[3], oid)
    redis.call('ZREM', keys[4], oid)
    redis.call('HSET', keys[5], args[3], holder)
  else
    redis.call('SREM', keys[3], oid)
    redis.call('ZADD', keys[4], args[5], oid)
    -- Another order may have the client id by now.
    local holds = redis.call('HGET', keys[5], args[3]) or holder
    if holds == holder then
      redis.call('HSET', keys[5], args[3], holder .. '/ended')
    end
  end
  if args[6] == '' then
    redis.call('SET', keys[6], oid)
  elseif args[6] ~= '0' then
    redis.call('SET', keys[6], oid, 'PX', args[6])
  end
  return {'restored', taken ~= oid and taken or ''}
end

-- allow-oom: as apply; what is written back is known and has its caps.
redis.register_function{function_name = 'or1_restore', callback = restore, flags = {'allow-oom'}}
