-- How many logins failed that count for this one, and when that will be forgotten.
--
-- KEYS: count; known addresses of the account, count of the account at this one
-- ARGV: this address, for how long one is known in ms
-- Returns {whether it is known, count, time until it is forgotten in ms}.

local key, known = counted_under(ARGV[1], ARGV[2])
return {known, tonumber(redis.call('GET', key) or 0), redis.call('PTTL', key)}
