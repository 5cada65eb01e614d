-- The record of a session that begins. One that is there stays as it is: a login that had to start over made it.
--
-- KEYS: fence, record
-- ARGV: applied position, record, time until the expiry in ms
-- Returns why not, or ROTATED where it is done.

local refused = refusal(redis.call('GET', KEYS[1]), ARGV[1])
if refused then
  return refused
end
redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3])
return ROTATED
