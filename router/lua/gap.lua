-- gap: leave a gap in the numbers of strategies' results, so that each learns that results are missing, and
-- keep trading halted, on a server that lost data. Fenced like apply; repeated, the gaps are wider, no more.
--
-- KEYS[1]  epoch  string  {a}:epoch
-- KEYS[2]  seq    hash    {a}:seq
-- KEYS[3]  halt   string  {a}:halt
-- ARGV[1]  epoch
-- ARGV[2]  how many numbers are left out
-- ARGV[3]  why trading is halted, "" if the owner knows of no halt
-- ARGV[4…] strategies
--
-- Returns {"skipped", how many strategies} | {"fenced", current epoch}
local function gap(keys, args)
  local left_out = tonumber(args[2])
  if not left_out or left_out < 1 then
    return redis.error_reply('INVALID gap: how many are left out is not a number above 0')
  end
  local current = redis.call('GET', keys[1]) or '0'
  if current ~= args[1] then
    return {'fenced', current}
  end
  if args[3] ~= '' then
    redis.call('SET', keys[3], args[3])
  end
  for at = 4, #args do
    redis.call('HINCRBY', keys[2], args[at], args[2])
  end
  return {'skipped', tostring(#args - 3)}
end

-- allow-oom: with no gap, outcomes that the server lost would be missed by nobody.
redis.register_function{function_name = 'or1_gap', callback = gap, flags = {'allow-oom'}}
