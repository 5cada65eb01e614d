-- What all scripts share. A position is 24 bytes: the id of a log, and a number, big-endian.

local CATCH_UP, CORRUPT, EXPIRED, KEPT, LOST = 0, 1, 2, 3, 4
local REPLAYED, REUSED, REVOKED, ROTATED, UNKNOWN = 5, 6, 7, 8, 9

-- Whether a number, in eight bytes, is below another. Lua's own numbers are exact only up to 2^53, and its order of
-- strings is that of the server's locale.
local function below(a, b)
  local a_high, a_low = struct.unpack('>I4I4', a)
  local b_high, b_low = struct.unpack('>I4I4', b)
  return a_high < b_high or (a_high == b_high and a_low < b_low)
end

local function of_one_log(a, b)
  return string.sub(a, 1, 16) == string.sub(b, 1, 16)
end

-- Why a node that has applied the log up to a position may not go by a fence; nil where it may.
local function refusal(fence, applied)
  if not fence then
    return LOST
  end
  if #fence ~= 24 then
    return CORRUPT
  end
  if not of_one_log(fence, applied) or below(string.sub(applied, 17), string.sub(fence, 17)) then
    return CATCH_UP
  end
  return nil
end

-- Whether what is there of another log may be replaced: its log is one of the arguments behind the first.
local function may_be_replaced(there)
  for i = 2, #ARGV do
    if of_one_log(there, ARGV[i]) then
      return true
    end
  end
  return false
end
