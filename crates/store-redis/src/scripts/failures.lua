-- How many logins failed, and when that will be forgotten.
--
-- KEYS: count
-- Returns {count, time until it is forgotten in ms}.

local count = redis.call('GET', KEYS[1])
return {tonumber(count or 0), redis.call('PTTL', KEYS[1])}
