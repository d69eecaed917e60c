-- lease: one owner per account. Times are the server's. The epoch grows with each new owner and is
-- the fence that apply checks; it never expires, the lease does.
--
-- KEYS[1]  lease    hash    {a}:lease
-- KEYS[2]  epoch    string  {a}:epoch
-- ARGV[1]  "acquire" | "renew" | "release"
-- ARGV[2]  owner    ARGV[3]  epoch held (0 when acquiring)    ARGV[4]  ttl_ms
-- ARGV[5]  host     ARGV[6]  pid
--
-- Returns {"owner", epoch, server time ms} | {"held", owner, ms left}
--       | {"lost", current epoch, server time ms} | {"released", epoch, server time ms}
local function lease(keys, args)
  local action, owner, ttl_ms = args[1], args[2], tonumber(args[4])
  if not ttl_ms or ttl_ms < 1 then
    return redis.error_reply('INVALID lease: ttl_ms is not a number above 0')
  end
  local time = redis.call('TIME')
  local now_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
  local holder = redis.call('HGET', keys[1], 'owner')
  if action == 'acquire' then
    if holder and holder ~= owner then
      return {'held', holder, tostring(redis.call('PTTL', keys[1]))}
    end
    local epoch = redis.call('INCR', keys[2])
    redis.call('HSET', keys[1], 'owner', owner, 'epoch', epoch, 'host', args[5], 'pid', args[6],
      'since_ms', now_ms)
    redis.call('PEXPIRE', keys[1], ttl_ms)
    return {'owner', tostring(epoch), now_ms}
  end
  local epoch = redis.call('GET', keys[2]) or '0'
  if epoch ~= args[3] or (holder and holder ~= owner) then
    return {'lost', epoch, now_ms}
  end
  if action == 'release' then
    redis.call('DEL', keys[1])
    return {'released', epoch, now_ms}
  end
  -- An expired lease that nobody took is still ours: the epoch says so.
  if not holder then
    redis.call('HSET', keys[1], 'owner', owner, 'epoch', epoch, 'host', args[5], 'pid', args[6],
      'since_ms', now_ms)
  end
  redis.call('PEXPIRE', keys[1], ttl_ms)
  return {'owner', epoch, now_ms}
end

redis.register_function('or1_lease', lease)
