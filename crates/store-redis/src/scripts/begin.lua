-- The record of a session that begins. One that is there stays as it is: a login that had to start over made it.
--
-- KEYS: fence, record
-- ARGV: log id, applied position, record, time until the expiry in ms
-- Returns 0: catch up, 1: corrupt, 2: done, 3: the fence is gone.

local fence = redis.call('GET', KEYS[1])
if not fence then
  return 3
end
if #fence ~= 24 then
  return 1
end
if string.sub(fence, 1, 16) ~= ARGV[1] or struct.unpack('>I8', fence, 17) > tonumber(ARGV[2]) then
  return 0
end
redis.call('SET', KEYS[2], ARGV[3], 'NX', 'PX', ARGV[4])
return 2
