-- restore: write one order back, whole, on a server that lost it. Fenced like apply, and repeatable.
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
  redis.call('HSET', keys[2], unpack(args, 7))
  if args[5] == '' then
    redis.call('SADD', keys[3], oid)
    redis.call('HSET', keys[5], args[3], holder)
  else
    redis.call('ZADD', keys[4], args[5], oid)
    redis.call('HSETNX', keys[5], args[3], holder .. '/ended')
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
