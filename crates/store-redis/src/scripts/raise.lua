-- Raises a fence to a position, if it is below. Another log takes the place of the one before: a backup was restored.
--
-- KEYS: fence
-- ARGV: position
-- Returns 0: the fence is gone, 1: it was raised, 2: it was at least there.

local fence = redis.call('GET', KEYS[1])
if not fence then
  return 0
end
if #fence == 24 and of_one_log(fence, ARGV[1]) and not below(string.sub(fence, 17), string.sub(ARGV[1], 17)) then
  return 2
end
redis.call('SET', KEYS[1], ARGV[1])
return 1
