-- What the scripts about failed logins share. An account knows addresses in a sorted set, by the time of the last login.

-- Microseconds by the clock of this server, with which nobody else's is compared.
local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- Whether an account has logged in from an address, no longer ago than a time in ms.
local function is_known(addresses, address, lifetime)
  local last = redis.call('ZSCORE', addresses, address)
  return last and now_us() - last < lifetime * 1000
end

-- The key that an attempt counts under, and whether its address is known. It can't be where only a count is given.
-- KEYS: count; known addresses of the account, count of the account at this one
local function counted_under(address, lifetime)
  if KEYS[2] and is_known(KEYS[2], address, lifetime) then
    return KEYS[3], 1
  end
  return KEYS[1], 0
end

