-- release: free an idempotency key whose order has ended or provably never existed.
--
-- KEYS[1]  idempotency key  string  {a}:idem:<owner>:<key>
-- KEYS[2]  order            hash    {a}:order:<strategy>:<oid>
-- KEYS[3]  repeats          hash    {a}:repeats:<strategy>
-- ARGV[1]  oid that the caller read from KEYS[1]
-- ARGV[2]  the key as the user wrote it
--
-- Returns "released" | "free" (nobody holds it) | "changed" (read it again) | "live" | "unknown"
local function release(keys, args)
  local holder = redis.call('GET', keys[1])
  if not holder then
    return 'free'
  end
  if holder ~= args[1] then
    return 'changed'
  end
  local state = redis.call('HGET', keys[2], 'state')
  if state == 'UNKNOWN' then
    return 'unknown'
  end
  -- No hash: the order ended long ago and was archived.
  if state and not (state == 'FILLED' or state == 'CANCELED' or state == 'EXPIRED' or state == 'FAILED') then
    return 'live'
  end
  redis.call('DEL', keys[1])
  redis.call('HDEL', keys[3], args[2])
  return 'released'
end

-- allow-oom: it frees memory.
redis.register_function{function_name = 'or1_release', callback = release, flags = {'allow-oom'}}
