-- lease: one owner per account. Times are the server's. The epoch grows with each new owner and is
-- the fence that apply checks; it never expires, the lease does. Whoever waits for the lease blocks on
-- the handover list, so that one given up is taken at once.
--
-- A new epoch is the server's time in seconds, or one above the highest that the server or the worker
-- knows of where that is more. A server that lost its epochs cannot count on; but owners change less
-- than once a second, so its clock is past all that were given, those of owners cut off elsewhere too.
-- Where the clock stands back, epochs grow one by one.
--
-- KEYS[1]  lease     hash    {a}:lease
-- KEYS[2]  epoch     string  {a}:epoch
-- KEYS[3]  status    hash    {a}:status     (fields lease_until_ms: when the last lease ended or will,
--                                            server: the one on which the last owner knew all was whole,
--                                            acquired: the last acquisition and its answer, JSON)
-- KEYS[4]  handover  list    {a}:handover   (one entry when the lease was given up)
-- ARGV[1]  "acquire" | "renew" | "release"
-- ARGV[2]  owner
-- ARGV[3]  epoch held; when acquiring the highest that the worker knows of, 0 if none: a server that
--          lost its data, and whose clock stands back, must not give an epoch out twice
-- ARGV[4]  ttl_ms   ARGV[5]  host   ARGV[6]  pid
-- ARGV[7]  "1" to leave an account whose data the server lost to its last owner, who knows it
-- ARGV[8]  what an acquisition and its repeats have in common and no other has; "" repeats none
--
-- An acquisition whose reply was lost is answered again as it was, with its own epoch: a second one would
-- tell its taker that somebody owned the account since.
--
-- A server is known by its run id and the id of its data's history: a restart or a failover changes
-- one of them, and may have lost what was written last. The run id alone says nothing of a server that
-- was a replica in between.
--
-- Returns {"owner", epoch, server time ms, when the lease before this one ended (ms, "" if none), the
--          epoch before it ("" if the server lost those), server, server noted or ""} when acquired
--       | {"owner", epoch, server time ms, server} when renewed | {"held", owner, ms left, epoch}
--       | {"forgotten", epoch} | {"lost", current epoch, server time ms} | {"released", epoch, server time ms}
local function told(section, field)
  local text = redis.pcall('INFO', section)
  return type(text) == 'string' and string.match(text, field .. ':(%w+)') or ''
end

local function server()
  return told('server', 'run_id') .. told('replication', 'master_replid')
end

local function hold(keys, args, epoch, now_ms)
  redis.call('HSET', keys[1], 'owner', args[2], 'epoch', epoch, 'host', args[5], 'pid', args[6],
    'since_ms', now_ms)
end

-- Returns epoch, end of the lease before it and epoch before it, as an acquisition was answered that
-- this call repeats; nil if it repeats none, or somebody owned the account since.
local function answered(keys, args, current)
  if not current or (args[8] or '') == '' or tonumber(current) <= tonumber(args[3]) then
    return nil
  end
  local readable, last = pcall(cjson.decode, redis.call('HGET', keys[3], 'acquired') or '')
  if readable and type(last) == 'table' and last[1] == args[8] and last[2] == current then
    return last[2], last[3], last[4]
  end
end

local function new_epoch(found, known, now_ms)
  return string.format('%.0f', math.max(found + 1, known + 1, math.floor(now_ms / 1000)))
end

local function acquire(keys, args, now_ms)
  local current = redis.call('GET', keys[2])
  local holder = redis.call('HGET', keys[1], 'owner')
  if holder and holder ~= args[2] then
    return {'held', holder, tostring(redis.call('PTTL', keys[1])), current or '0'}
  end
  local found, known = tonumber(current or '0'), tonumber(args[3])
  if not found or not known then
    return redis.error_reply('INVALID lease: an epoch is not a number')
  end
  local noted = redis.call('HMGET', keys[3], 'lease_until_ms', 'server')
  local epoch, ended_ms, before = answered(keys, args, current)
  if not epoch then
    local forgotten = not current or found < known
    if forgotten and args[7] == '1' then
      return {'forgotten', current or '0'}
    end
    epoch = new_epoch(found, known, now_ms)
    ended_ms, before = noted[1] or '', forgotten and '' or tostring(found)
    redis.call('SET', keys[2], epoch)
    redis.pcall('HSET', keys[3], 'acquired', cjson.encode({args[8] or '', epoch, ended_ms, before}))
  end
  redis.call('DEL', keys[4])
  hold(keys, args, epoch, now_ms)
  return {'owner', epoch, now_ms, ended_ms, before, server(), noted[2] or ''}
end

local function lease(keys, args)
  local action, owner, ttl_ms = args[1], args[2], tonumber(args[4])
  if not ttl_ms or ttl_ms < 1 then
    return redis.error_reply('INVALID lease: ttl_ms is not a number above 0')
  end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local now_ms = string.format('%.0f', now)
  local answer
  if action == 'acquire' then
    answer = acquire(keys, args, now_ms)
    if answer.err or answer[1] ~= 'owner' then
      return answer
    end
  else
    local holder = redis.call('HGET', keys[1], 'owner')
    local epoch = redis.call('GET', keys[2]) or '0'
    if epoch ~= args[3] or (holder and holder ~= owner) then
      return {'lost', epoch, now_ms}
    end
    if action == 'release' then
      redis.call('DEL', keys[1], keys[4])
      redis.call('RPUSH', keys[4], now_ms)
      redis.call('PEXPIRE', keys[4], ttl_ms)
      redis.pcall('HSET', keys[3], 'lease_until_ms', now_ms)
      return {'released', epoch, now_ms}
    end
    -- An expired lease that nobody took is still ours: the epoch says so.
    if not holder then
      hold(keys, args, epoch, now_ms)
    end
    answer = {'owner', epoch, now_ms, server()}
  end
  redis.call('PEXPIRE', keys[1], ttl_ms)
  redis.pcall('HSET', keys[3], 'lease_until_ms', string.format('%.0f', now + ttl_ms))
  return answer
end

-- allow-oom: an owner must not lose the account, nor a standby fail to take it, for lack of memory.
redis.register_function{function_name = 'or1_lease', callback = lease, flags = {'allow-oom'}}
