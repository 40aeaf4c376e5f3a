-- KEYS: the cart. ARGV: life in milliseconds, an id for a cart without one.
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSETNX', KEYS[1], 'id', ARGV[2])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
local reply = redis.call('HGETALL', KEYS[1])
table.insert(reply, 1, 'ok')
return reply
