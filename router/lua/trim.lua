-- trim: cut a strategy's results, never silently what an instance has not handled.
--
-- What every instance has handled goes once it is older than ARGV[1], and all of it while more than
-- half of ARGV[3] are kept. What some instance has not handled goes once it is older than ARGV[2], or
-- where more than ARGV[3] are kept (1000 a call: repeat it until it cuts nothing). Such an instance
-- is left a gap marker, and its cursor stands on the newest entry given up, which alone is still kept:
-- so the entry under a cursor always exists, and says by its seq where the next one follows.
--
-- KEYS[1]  results  stream  {a}:results:<strategy>
-- KEYS[2]  cursor   hash    {a}:cursor:<strategy>
-- KEYS[3]  gaps     hash    {a}:gaps:<strategy>
-- ARGV[1]  handled_ms   ARGV[2]  unhandled_ms   ARGV[3]  most kept
--
-- Returns {"trimmed", entries cut, instances left a gap marker}
local AT_ONCE = 1000

local function earlier(a, b)
  local a_ms, a_n = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_n = string.match(b, '^(%d+)-(%d+)$')
  a_ms, a_n, b_ms, b_n = tonumber(a_ms), tonumber(a_n), tonumber(b_ms), tonumber(b_n)
  return a_ms < b_ms or (a_ms == b_ms and a_n < b_n)
end

-- An entry begins with its seq.
local function seq_of(entry)
  return entry and tonumber(entry[2][2])
end

-- Returns the newest entry to give up though somebody has not handled it, and why; nil for none.
local function given_up(results, until_id, most, unhandled_ms)
  local entry = redis.call('XREVRANGE', results, until_id, '-', 'COUNT', 1)[1]
  local why = 'they were older than jobs.max_result_age_s ('
    .. string.format('%.0f', unhandled_ms / 1000) .. ' s)'
  local over = math.min(redis.call('XLEN', results) - most, AT_ONCE)
  if over > 0 then
    local first = redis.call('XRANGE', results, '-', '+', 'COUNT', over)
    if not entry or earlier(entry[1], first[#first][1]) then
      entry, why = first[#first], 'more than ' .. string.format('%.0f', most) .. ' results waited'
    end
  end
  return entry, why
end

-- Returns the first seq that an instance misses when its results are cut behind its cursor.
local function first_missed(keys, instance, cursor)
  local readable, gap = pcall(cjson.decode, redis.call('HGET', keys[3], instance) or '')
  if readable and type(gap) == 'table' and tonumber(gap.first_seq) then
    return tonumber(gap.first_seq)
  end
  local handled = seq_of(redis.call('XRANGE', keys[1], cursor, cursor)[1])
  if handled then
    return handled + 1
  end
  return cursor == '0-0' and 1 or seq_of(redis.call('XRANGE', keys[1], '-', '+', 'COUNT', 1)[1]) or 1
end

local function trim(keys, args)
  local handled_ms, unhandled_ms, most = tonumber(args[1]), tonumber(args[2]), tonumber(args[3])
  if not (handled_ms and unhandled_ms and most) or most < 1 then
    return redis.error_reply('INVALID trim: numbers are malformed')
  end
  local cursors, lowest = redis.call('HGETALL', keys[2]), nil
  for i = 2, #cursors, 2 do
    if not string.match(cursors[i], '^%d+%-%d+$') then
      return redis.error_reply('INVALID trim: ' .. keys[2] .. ' holds ' .. cursors[i])
    end
    if not lowest or earlier(cursors[i], lowest) then
      lowest = cursors[i]
    end
  end
  if not lowest then
    return {'trimmed', 0, 0}
  end
  local time = redis.call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  local old = string.format('%.0f-0', math.max(0, now_ms - handled_ms))
  local crowded = redis.call('XLEN', keys[1]) > most / 2
  local from = (crowded or earlier(lowest, old)) and lowest or old
  local cut, marked = redis.call('XTRIM', keys[1], 'MINID', from), 0
  local too_old = string.format('%.0f-0', math.max(0, now_ms - unhandled_ms))
  local last, why = given_up(keys[1], too_old, most, unhandled_ms)
  if not last or not earlier(lowest, last[1]) then
    return {'trimmed', cut, 0}
  end
  for i = 1, #cursors, 2 do
    local instance, cursor = cursors[i], cursors[i + 1]
    if earlier(cursor, last[1]) then
      local gap = {first_seq = string.format('%.0f', first_missed(keys, instance, cursor)),
        last_seq = string.format('%.0f', seq_of(last) or 0), last_id = last[1],
        cut_ms = string.format('%.0f', now_ms), reason = why}
      redis.call('HSET', keys[3], instance, cjson.encode(gap))
      redis.call('HSET', keys[2], instance, last[1])
      marked = marked + 1
    end
  end
  return {'trimmed', cut + redis.call('XTRIM', keys[1], 'MINID', last[1]), marked}
end

-- allow-oom: it frees memory.
redis.register_function{function_name = 'or1_trim', callback = trim, flags = {'allow-oom'}}
