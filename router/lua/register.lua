-- register: make a strategy instance known, its streams ready, and wake the owner.
--
-- KEYS[1]  strategies  hash    {a}:strategies
-- KEYS[2]  intents     stream  {a}:intents:<strategy>
-- KEYS[3]  arrivals    stream  {a}:arrivals
-- KEYS[4]  results     stream  {a}:results:<strategy>
-- KEYS[5]  cursor      hash    {a}:cursor:<strategy>
-- ARGV[1]  strategy   ARGV[2]  instance   ARGV[3]  registration, JSON with "tag"
-- ARGV[4]  who: host and pid   ARGV[5]  "1" to wake the owner, "" for a mere sign of life
--
-- A new instance of a known strategy starts at the results' end; the first instance at their start.
--
-- Returns {"registered", cursor, who was seen last under this instance, when (ms)}
--       | {"tag_taken", other strategy}
local function register(keys, args)
  local strategy, instance = args[1], args[2]
  local readable, mine = pcall(cjson.decode, args[3])
  if not readable or type(mine) ~= 'table' or type(mine.tag) ~= 'string' then
    return redis.error_reply('INVALID register: the registration is not JSON with a tag')
  end
  local all = redis.call('HGETALL', keys[1])
  for i = 1, #all, 2 do
    if not string.find(all[i], '@', 1, true) and all[i] ~= strategy then
      local other_readable, other = pcall(cjson.decode, all[i + 1])
      if other_readable and type(other) == 'table' and other.tag == mine.tag then
        return {'tag_taken', all[i]}
      end
    end
  end
  local time = redis.call('TIME')
  local now_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
  local known = redis.call('HEXISTS', keys[1], strategy) == 1
  local instance_field = strategy .. '@' .. instance
  local before = redis.call('HGET', keys[1], instance_field) or ''
  redis.pcall('XGROUP', 'CREATE', keys[2], 'workers', '0', 'MKSTREAM')
  redis.pcall('XGROUP', 'CREATE', keys[3], 'workers', '$', 'MKSTREAM')
  local cursor = redis.call('HGET', keys[5], instance)
  if not cursor then
    cursor = '0-0'
    if known then
      local last = redis.call('XREVRANGE', keys[4], '+', '-', 'COUNT', 1)
      cursor = last[1] and last[1][1] or '0-0'
    end
    redis.call('HSET', keys[5], instance, cursor)
  end
  redis.call('HSET', keys[1], strategy, args[3], instance_field, now_ms .. ' ' .. args[4])
  if args[5] == '1' then
    redis.call('XADD', keys[3], 'MAXLEN', '~', 10000, '*', 'kind', 'registered', 'strategy', strategy)
  end
  return {'registered', cursor, before, now_ms}
end

-- allow-oom: a strategy must be able to come back to its orders when memory is full.
redis.register_function{function_name = 'or1_register', callback = register, flags = {'allow-oom'}}
