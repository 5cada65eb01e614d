-- A good login: forgets the failures that counted for it, and makes its address the latest that is known.
--
-- KEYS: count; known addresses of the account, count of the account at this one
-- ARGV: this address, for how long one is known in ms, the most that are

local key = counted_under(ARGV[1], ARGV[2])
redis.call('DEL', key)
if KEYS[2] then
  redis.call('DEL', KEYS[3])
  local now = now_us()
  redis.call('ZADD', KEYS[2], now, ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[2], 0, now - ARGV[2] * 1000)
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - ARGV[3])
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
