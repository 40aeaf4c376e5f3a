-- Takes out what was ordered, once for each order; what was added since stays.
-- KEYS: the cart, the order's mark. ARGV: life of the cart and of the mark in
-- milliseconds, channel, account, then product and quantity by turns.
if not redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[2]) then
  return {'ok'}
end
for i = 5, #ARGV, 2 do
  local held = redis.call('HGET', KEYS[1], ARGV[i])
  if held then
    local have, since = string.match(held, '^(%d+):(%d+)$')
    local left = tonumber(have) - tonumber(ARGV[i + 1])
    if left > 0 then
      redis.call('HSET', KEYS[1], ARGV[i], string.format('%d', left) .. ':' .. since)
    else
      redis.call('HDEL', KEYS[1], ARGV[i])
    end
  end
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  -- Even if nothing was left to take: the ordered version is never used again.
  redis.call('HINCRBY', KEYS[1], 'version', 1)
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  redis.call('PUBLISH', ARGV[3], ARGV[4])
end
return {'ok'}
