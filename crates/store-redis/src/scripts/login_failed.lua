-- Counts a failed login. The count expires when there was none for long.
--
-- KEYS: count; known addresses of the account, count of the account at this one
-- ARGV: time until it is forgotten in ms, this address, for how long one is known in ms
-- Returns {whether it is known, count}.

local key, known = counted_under(ARGV[2], ARGV[3])
local count = redis.call('INCR', key)
redis.call('PEXPIRE', key, ARGV[1])
return {known, count}
