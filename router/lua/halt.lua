-- halt: stop creates and modifies of an account, or let them through again, and wake the owner. Repeated, it
-- wakes the owner once more.
--
-- KEYS[1]  halt     string  {a}:halt
-- KEYS[2]  control  stream  {a}:control
-- ARGV[1]  why trading is halted, "" to let it go on
--
-- Returns {"halted", id of the entry} | {"resumed", id of the entry}
local function halt(keys, args)
  local why = args[1]
  if #keys ~= 2 or not why then
    return redis.error_reply('INVALID halt: give the keys halt and control, and why ("" to go on)')
  end
  if why == '' then
    redis.call('DEL', keys[1])
  else
    redis.call('SET', keys[1], why)
  end
  -- As many as register keeps; the owner deletes what it has read.
  local id = redis.call('XADD', keys[2], 'MAXLEN', '~', 10000, '*', 'kind', 'halt', 'why', why)
  if why == '' then
    return {'resumed', id}
  end
  return {'halted', id}
end

-- allow-oom: when memory is full, trading must be stopped all the more.
redis.register_function{function_name = 'or1_halt', callback = halt, flags = {'allow-oom'}}
