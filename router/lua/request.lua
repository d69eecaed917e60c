-- request: queue a cancel, modify or query of one of the strategy's own orders, once by its id.
--
-- KEYS[1]  order       hash    {a}:order:<strategy>:<oid>
-- KEYS[2]  intents     stream  {a}:intents:<strategy>
-- KEYS[3]  halt        string  {a}:halt
-- ARGV[1]  request id   ARGV[2]  valid_for_ms   ARGV[3]  most intents waiting
-- ARGV[4]  "cancel" | "modify" | "query"
-- ARGV[5…] field, value, … of the intent
--
-- A halt stops modifies, never cancels or queries; only queries reach an order that has ended. The
-- last request id stands in the order, so a repeat whose reply was lost adds nothing.
--
-- Returns {"queued", status} | {"not_yours", ""} | {"ended", status} | {"halted", why}
--       | {"intents_full", depth}
local function request(keys, args)
  local valid_for_ms, most_intents = tonumber(args[2]), tonumber(args[3])
  if not (valid_for_ms and most_intents) or #args % 2 == 1 then
    return redis.error_reply('INVALID request: numbers or field pairs are malformed')
  end
  local known = redis.call('HMGET', keys[1], 'state', 'last_request', 'status')
  if not known[1] then
    return {'not_yours', ''}
  end
  if known[2] == args[1] then
    return {'queued', known[3]}
  end
  local state = known[1]
  local ended = state == 'FILLED' or state == 'CANCELED' or state == 'EXPIRED' or state == 'FAILED'
  if ended and args[4] ~= 'query' then
    return {'ended', known[3]}
  end
  local why = redis.call('GET', keys[3])
  if why and args[4] == 'modify' then
    return {'halted', why}
  end
  local depth = redis.call('XLEN', keys[2])
  -- Cancels pass a queue that is full of creates: they only ever reduce exposure.
  if depth >= most_intents and args[4] == 'modify' then
    return {'intents_full', tostring(depth)}
  end
  local time = redis.call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  local fields = {}
  for i = 5, #args do
    fields[i - 4] = args[i]
  end
  local n = #fields
  fields[n + 1], fields[n + 2] = 'created_ms', string.format('%.0f', now_ms)
  fields[n + 3], fields[n + 4] = 'expires_ms', string.format('%.0f', now_ms + valid_for_ms)
  redis.call('HSET', keys[1], 'last_request', args[1])
  redis.call('XADD', keys[2], '*', unpack(fields))
  return {'queued', known[3]}
end

redis.register_function('or1_request', request)
