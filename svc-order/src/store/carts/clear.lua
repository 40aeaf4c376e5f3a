-- KEYS: the cart. ARGV: expected version (0 means any), life in milliseconds,
-- channel, account, an id for a cart without one.
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
local expected = tonumber(ARGV[1])
if expected ~= 0 and expected ~= version then
  return {'changed', string.format('%d', version)}
end
local id = redis.call('HGET', KEYS[1], 'id')
local products = redis.call('HLEN', KEYS[1]) - redis.call('HEXISTS', KEYS[1], 'version') - (id and 1 or 0)
if products > 0 then
  -- Id and version outlive what is taken out, so that the version goes on growing.
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'id', id or ARGV[5], 'version', string.format('%d', version + 1))
  redis.call('PUBLISH', ARGV[3], ARGV[4])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local reply = redis.call('HGETALL', KEYS[1])
table.insert(reply, 1, 'ok')
return reply
