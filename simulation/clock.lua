-- The simulated clock for the functions: put before their text, which stays as it is.
--
-- Every call brings the time as one argument more, taken off here. TIME answers it; ids of entries
-- are made from it; what expires does so by it: a key's end lies in the server's own far future, and
-- whoever calls removes what has ended by the simulated time.
--
-- Returns {the function's own answer, {stream or list that something was added to, …},
--          {key that will expire, when (ms), …}}
local now, added, ends = 0, {}, {}

local function ends_at(key, at_ms)
  ends[#ends + 1], ends[#ends + 2] = key, string.format('%.0f', at_ms)
  return string.format('%.0f', at_ms)
end

local replaced = {
  -- A server is known by its run id; each start of a real one makes another.
  INFO = function()
    return 'run_id:simulated'
  end,
  TIME = function()
    return {string.format('%.0f', math.floor(now / 1000)), string.format('%.0f', now % 1000 * 1000)}
  end,
  PEXPIRE = function(call, key, ttl_ms)
    return call('PEXPIREAT', key, ends_at(key, now + ttl_ms))
  end,
  PTTL = function(call, key)
    local at_ms = call('PEXPIRETIME', key)
    return at_ms < 0 and at_ms or at_ms - now
  end,
  SET = function(call, key, value, ...)
    local options = {...}
    for i = 1, #options do
      if options[i] == 'PX' then
        options[i], options[i + 1] = 'PXAT', ends_at(key, now + options[i + 1])
      end
    end
    return call('SET', key, value, unpack(options))
  end,
  XADD = function(call, key, ...)
    local rest = {...}
    for i = 1, #rest do
      if rest[i] == '*' then
        rest[i] = string.format('%.0f-*', now)
        break
      end
    end
    added[#added + 1] = key
    return call('XADD', key, unpack(rest))
  end,
  RPUSH = function(call, key, ...)
    added[#added + 1] = key
    return call('RPUSH', key, ...)
  end,
}

-- The global of this name: only while a function runs does it lend its calls.
local function clocked(which)
  return function(name, ...)
    local other = replaced[name]
    if other then
      return other(redis[which], ...)
    end
    return redis[which](name, ...)
  end
end

local function registered(callback)
  return function(keys, args)
    now, added, ends = tonumber(args[#args]), {}, {}
    args[#args] = nil
    local answer = callback(keys, args)
    if type(answer) == 'table' and answer.err then
      return answer
    end
    return {answer, added, ends}
  end
end

local redis = {
  call = clocked('call'),
  pcall = clocked('pcall'),
  error_reply = function(text)
    return redis.error_reply(text)
  end,
  register_function = function(name, callback)
    if not callback then
      name.callback = registered(name.callback)
      return redis.register_function(name)
    end
    return redis.register_function(name, registered(callback))
  end,
}
