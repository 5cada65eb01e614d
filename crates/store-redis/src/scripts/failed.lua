-- Counts a failed login. The count expires when the account was not tried for long.
--
-- KEYS: count
-- ARGV: time until it is forgotten in ms
-- Returns the count.

local count = redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return count
