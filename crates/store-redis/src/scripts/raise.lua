-- Raises a fence to a position, if it is below. Another log takes the place of the one before: a backup was restored.
--
-- KEYS: fence
-- ARGV: log id, position, fence
-- Returns 0: the fence is gone, 1: it is at least there.

local fence = redis.call('GET', KEYS[1])
if not fence then
  return 0
end
if #fence ~= 24 or string.sub(fence, 1, 16) ~= ARGV[1] or struct.unpack('>I8', fence, 17) < tonumber(ARGV[2]) then
  redis.call('SET', KEYS[1], ARGV[3])
end
return 1
