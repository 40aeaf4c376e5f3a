-- KEYS: the cart. ARGV: expected version (0 means any), life in milliseconds,
-- channel, account.
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
local expected = tonumber(ARGV[1])
if expected ~= 0 and expected ~= version then
  return {'changed', string.format('%d', version)}
end
if redis.call('HLEN', KEYS[1]) > 1 then
  -- The version outlives what is taken out, so that it goes on growing.
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'version', string.format('%d', version + 1))
  redis.call('PUBLISH', ARGV[3], ARGV[4])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local reply = redis.call('HGETALL', KEYS[1])
table.insert(reply, 1, 'ok')
return reply
