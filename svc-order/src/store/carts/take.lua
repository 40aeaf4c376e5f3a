-- Takes out of a cart what was ordered, once; what was added since stays, in a
-- cart of another id.
-- KEYS: the cart. ARGV: the id that was ordered, the id of what is left, life in
-- milliseconds, channel, account, then product and quantity by turns.
if redis.call('HGET', KEYS[1], 'id') ~= ARGV[1] then
  return {'ok'}
end
for i = 6, #ARGV, 2 do
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
redis.call('HSET', KEYS[1], 'id', ARGV[2])
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return {'ok'}
