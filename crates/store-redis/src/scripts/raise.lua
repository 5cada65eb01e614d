-- Raises a fence to a position, if it is below. One of another log stays, unless that log is one of those whose place is
-- taken: a backup was restored.
--
-- KEYS: fence
-- ARGV: position, ids of logs whose place it takes
-- Returns 0: the fence is gone, 1: it was raised, 2: it was at least there; the id of its log where it stays.

local fence = redis.call('GET', KEYS[1])
if not fence then
  return 0
end
if #fence == 24 and not of_one_log(fence, ARGV[1]) and not may_be_replaced(fence) then
  return string.sub(fence, 1, 16)
end
if #fence == 24 and of_one_log(fence, ARGV[1]) and not below(string.sub(fence, 17), string.sub(ARGV[1], 17)) then
  return 2
end
redis.call('SET', KEYS[1], ARGV[1])
return 1
