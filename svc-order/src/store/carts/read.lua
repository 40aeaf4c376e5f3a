-- KEYS: the cart. ARGV: life in milliseconds.
redis.call('PEXPIRE', KEYS[1], ARGV[1])
local reply = redis.call('HGETALL', KEYS[1])
table.insert(reply, 1, 'ok')
return reply
