-- request: queue a cancel, modify or query of one of the strategy's own orders, once by its id.
--
-- KEYS[1]  order       hash    {a}:order:<strategy>:<oid>
-- KEYS[2]  intents     stream  {a}:intents:<strategy>
-- KEYS[3]  halt        string  {a}:halt
-- KEYS[4…] lease, results, seq  hash {a}:lease, stream {a}:results:<strategy>, hash {a}:seq; given
--          only with ws_fallback off
-- ARGV[1]  request id   ARGV[2]  valid_for_ms   ARGV[3]  most intents waiting
-- ARGV[4]  "cancel" | "modify" | "query"   ARGV[5]  strategy
-- ARGV[6]  this server's time when the caller asked, ms, or "": the intent is valid from then on
-- ARGV[7…] field, value, … of the intent
--
-- A halt stops modifies, never cancels or queries; only queries reach an order that has ended. The
-- last request ids stand in the order, so a repeat whose reply was lost adds nothing, also behind newer
-- requests: a modify repeated there would undo them.
--
-- A change that must not wait for a worker (ws_fallback off) and finds no lease alive is told as not
-- sent, as the owner would (router/results.py); the order itself is the owner's and stays as it is.
--
-- Returns {"queued", status} | {"not_yours", ""} | {"ended", status} | {"halted", why}
--       | {"intents_full", depth} | {"no_worker", status}
local NO_WORKER = 'NO_WORKER: no worker owns the account, and with ws_fallback=False the request '
  .. 'must not wait for one; it was never sent. Start a worker, then ask again'
-- In field last_request, newest first: ids of requests, those refused behind a mark, apart by commas.
local REFUSED = 'no_worker '
local REMEMBERED = 8
-- Fields of the order's hash by their names in an order result; what has its default is left out.
local SHOWN = {
  {'oid', 'oid'}, {'symbol', 'symbol'}, {'side', 'side'}, {'order_type', 'type'},
  {'standing', 'status'}, {'amount', 'amount'}, {'price', 'price'}, {'eid', 'eid'},
  {'client_id', 'client_id'}, {'client_oid', 'client_oid'}, {'time_in_force', 'tif', 'GTC'},
  {'reduce_only', 'reduce_only', '0'}, {'exists', 'exists', 'true'}, {'filled', 'filled', '0'},
  {'avg_price', 'avg_price'}, {'fee_currency', 'fee_currency'},
}

local function tell(results, seq, strategy, entry)
  redis.call('XADD', results, '*', 'seq', redis.call('HINCRBY', seq, strategy, 1), unpack(entry))
end

local function tell_not_sent(order_key, results, seq, strategy, kind, now)
  local flat, f = redis.call('HGETALL', order_key), {exists = 'unknown'}
  for i = 1, #flat, 2 do
    f[flat[i]] = flat[i + 1]
  end
  if kind == 'cancel' then
    local entry = {'type', 'order', 'ts_ms', now, 'status', 'CANCEL_FAILED', 'reason', NO_WORKER}
    for _, row in ipairs(SHOWN) do
      local value, default = f[row[2]], row[3]
      if value and value ~= '' and value ~= default then
        entry[#entry + 1], entry[#entry + 2] = row[1], value
      end
    end
    if f.filled and f.filled ~= '0' then
      entry[#entry + 1], entry[#entry + 2] = 'fee', f.fee or '0'
    end
    tell(results, seq, strategy, entry)
  end
  local symbol = f.symbol or ''
  tell(results, seq, strategy, {'type', 'ws_order_request_result', 'ts_ms', now, 'oid', f.oid or '',
    'symbol', symbol, 'exchange', string.lower(string.match(symbol, '[^.]*$')), 'request', kind,
    'result_type', 'REQUEST_NOT_SENT', 'reason', NO_WORKER, 'exists', f.exists, 'timestamp', now})
end

-- Returns whether the order remembers this request, and its ids with this one before them.
local function remembered(ids, id)
  local kept, found = {id}, false
  for one in string.gmatch(ids or '', '[^,]+') do
    found = found or one == id
    if #kept < REMEMBERED then
      kept[#kept + 1] = one
    end
  end
  return found, table.concat(kept, ',')
end

local function request(keys, args)
  local valid_for_ms, most_intents = tonumber(args[2]), tonumber(args[3])
  if not (valid_for_ms and most_intents) or #args % 2 == 1 then
    return redis.error_reply('INVALID request: numbers or field pairs are malformed')
  end
  local known = redis.call('HMGET', keys[1], 'state', 'last_request', 'status')
  if not known[1] then
    return {'not_yours', ''}
  end
  local queued, with_queued = remembered(known[2], args[1])
  if queued then
    return {'queued', known[3]}
  end
  local refused, with_refused = remembered(known[2], REFUSED .. args[1])
  if refused then
    return {'no_worker', known[3]}
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
  local now = string.format('%.0f', now_ms)
  local lease, results, seq = unpack(keys, 4)
  if lease and redis.call('EXISTS', lease) == 0 then
    redis.call('HSET', keys[1], 'last_request', with_refused)
    tell_not_sent(keys[1], results, seq, args[5], args[4], now)
    return {'no_worker', known[3]}
  end
  local fields = {}
  for i = 7, #args do
    fields[i - 6] = args[i]
  end
  local n = #fields
  fields[n + 1], fields[n + 2] = 'created_ms', now
  fields[n + 3], fields[n + 4] = 'expires_ms',
    string.format('%.0f', math.min(now_ms, tonumber(args[6]) or now_ms) + valid_for_ms)
  redis.call('HSET', keys[1], 'last_request', with_queued)
  redis.call('XADD', keys[2], '*', unpack(fields))
  return {'queued', known[3]}
end

-- allow-oom: a cancel passes when memory is full; each entry is gone once it is settled.
redis.register_function{function_name = 'or1_request', callback = request, flags = {'allow-oom'}}
