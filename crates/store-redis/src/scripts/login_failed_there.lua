-- Counts a failed login from an address. The count expires when its first one is a window ago.
--
-- KEYS: count
-- ARGV: the window in ms
-- Returns {count, time until it is forgotten in ms}.

local count = redis.call('INCR', KEYS[1])
if redis.call('PTTL', KEYS[1]) < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return {count, redis.call('PTTL', KEYS[1])}
