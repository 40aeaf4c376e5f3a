-- KEYS: the cart. ARGV: expected version (0 means any), life in milliseconds,
-- channel, account, an id for a cart without one, product, quantity, the most
-- products.
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
local expected = tonumber(ARGV[1])
if expected ~= 0 and expected ~= version then
  return {'changed', string.format('%d', version)}
end
local product, quantity = ARGV[6], tonumber(ARGV[7])
local held = redis.call('HGET', KEYS[1], product)
local have = held and tonumber(string.match(held, '^(%d+):')) or 0
if quantity ~= have then
  local products = redis.call('HLEN', KEYS[1]) - redis.call('HEXISTS', KEYS[1], 'version')
    - redis.call('HEXISTS', KEYS[1], 'id')
  if not held and products >= tonumber(ARGV[8]) then
    return {'full'}
  end
  redis.call('HSETNX', KEYS[1], 'id', ARGV[5])
  local new = redis.call('HINCRBY', KEYS[1], 'version', 1)
  if quantity == 0 then
    redis.call('HDEL', KEYS[1], product)
  else
    -- The version at which it was first put in keeps its place in the cart.
    local since = held and string.match(held, ':(%d+)$') or string.format('%d', new)
    redis.call('HSET', KEYS[1], product, ARGV[7] .. ':' .. since)
  end
  redis.call('PUBLISH', ARGV[3], ARGV[4])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local reply = redis.call('HGETALL', KEYS[1])
table.insert(reply, 1, 'ok')
return reply
