-- The decision of a rotation, and what becomes of the record: one atomic step. The rules are those of `decide` in
-- symbolon-core, to which a test holds every line of this.
--
-- KEYS: fence, record, outbox
-- ARGV: applied position, presented generation, now, end of the session, rotates (0|1), overlap in ms,
--       late recoveries a day (-1: no limit), adopts (0|1), writes (0|1), slack of the expiry in ms, session, subject
-- Returns {outcome, generation, issued, late or adopted (0|1)}.

local DAY = 24 * 3600 * 1000
local MOST_GENERATIONS, MOST_LATE = 4294967295, 255

local refused = refusal(redis.call('GET', KEYS[1]), ARGV[1])
if refused then
  return {refused, 0, 0, 0}
end

local presented, now, ends = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local rotates, overlap, most_late = ARGV[5] == '1', tonumber(ARGV[6]), tonumber(ARGV[7])
local adopts, writes, slack = ARGV[8] == '1', ARGV[9] == '1', tonumber(ARGV[10])

if now >= ends then
  return {EXPIRED, 0, 0, 0}
end

local function since(earlier)
  return math.max(0, now - earlier)
end

local function keep(record)
  if not writes then
    return
  end
  local bytes = struct.pack('>BI4I8I8BBI8', 1, record.generation, record.rotated, record.late_since, record.late,
    record.killed, record.ends)
  -- By the node's clock: Redis's own need not be right.
  redis.call('SET', KEYS[2], bytes, 'PX', string.format('%.0f', math.max(1, record.ends - now + slack)))
end

local function advance(record, adopted)
  if adopted and not adopts then
    return {UNKNOWN, 0, 0, 0}
  end
  if presented >= MOST_GENERATIONS then
    return {EXPIRED, 0, 0, 0}
  end
  if adopted and not rotates then
    record.generation = presented
    keep(record)
    return {KEPT, 0, 0, 0}
  end
  -- A clock that stepped back must not make the successor older than its predecessor.
  record.generation, record.rotated = presented + 1, math.max(now, record.rotated)
  keep(record)
  return {ROTATED, record.generation, record.rotated, adopted and 1 or 0}
end

local bytes = redis.call('GET', KEYS[2])
if not bytes then
  return advance({generation = 0, rotated = now, late_since = 0, late = 0, killed = 0, ends = ends}, true)
end
if #bytes ~= 31 or string.byte(bytes) ~= 1 then
  return {CORRUPT, 0, 0, 0}
end
local record = {}
local version
version, record.generation, record.rotated, record.late_since, record.late, record.killed, record.ends =
  struct.unpack('>BI4I8I8BBI8', bytes)

if record.killed ~= 0 then
  return {REVOKED, 0, 0, 0}
end
if presented > record.generation then
  return advance(record, true)
end
if presented == record.generation then
  if rotates then
    return advance(record, false)
  end
  return {KEPT, 0, 0, 0}
end
if presented + 1 == record.generation then
  -- The answer to a late recovery, the first of the day, may be repeated for one overlap.
  if since(record.rotated) <= overlap or (record.late > 0 and since(record.late_since) <= overlap) then
    return {REPLAYED, record.generation, record.rotated, 0}
  end
  -- Late recoveries are counted per session and day; the count starts anew with the first one after a day.
  if record.late == 0 or since(record.late_since) >= DAY then
    record.late, record.late_since = 0, now
  end
  if most_late < 0 or record.late < most_late then
    record.late = math.min(MOST_LATE, record.late + 1)
    keep(record)
    return {REPLAYED, record.generation, record.rotated, 1}
  end
  version, record.generation, record.rotated, record.late_since, record.late, record.killed, record.ends =
    struct.unpack('>BI4I8I8BBI8', bytes)
end
record.killed = 1
keep(record)
if writes then
  redis.call('HSET', KEYS[3], ARGV[11], ARGV[12] .. struct.pack('>I8', record.ends))
end
return {REUSED, 0, 0, 0}
